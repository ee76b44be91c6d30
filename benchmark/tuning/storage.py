"""Optuna's storage: where the state of the studies is kept, and what to do when it cannot be reached.

SQLite in the results folder, or PostgreSQL for several machines. The storage can always be rebuilt from the records, so
losing it costs no finished trial.
"""

import glob
import itertools
import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import optuna
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from benchmark.errors import RunError, free_space
from benchmark.study import Study
from benchmark.tuning import attributes

ERRORS = (optuna.exceptions.StorageInternalError, SQLAlchemyError)
BACK_OFF = (1, 2, 4, 8, 15, *[30] * 20)  # seconds between attempts to reach a database; about ten minutes in total
CONNECTION = {
    "sqlite": {"timeout": 120},  # seconds to wait for another process's write
    "postgresql": {"connect_timeout": 10, "keepalives_idle": 30, "tcp_user_timeout": 30_000},
}
HEARTBEATS_MISSED = 3  # after which a trial counts as lost
RETRIES = 2  # of a lost trial's parameters
NETWORK_FILE_SYSTEMS = ("nfs", "cifs", "smb", "lustre", "gpfs", "beegfs", "fuse.sshfs")


def storage_url(text: str | None, results: Path) -> str:
    """Return the storage's URL; SQLite in the results folder if `text` is None.

    Raises RunError for another kind of database, or for a password in the URL, since every user of the machine can read
    command lines. PostgreSQL's library reads the password from $PGPASSWORD or ~/.pgpass, so this code never sees it.
    """
    if text is None:
        return URL.create("sqlite", database=str(results / "study.db")).render_as_string()
    try:
        url = make_url(text)
    except ArgumentError:
        raise RunError("invalid storage URL; use sqlite:///FILE or postgresql://USER@HOST/DATABASE") from None
    if url.password is not None or "password" in url.query:
        raise RunError(
            f"the URL of storage {url.host}/{url.database} contains a password; put it in $PGPASSWORD or ~/.pgpass instead"
        )
    if url.get_backend_name() == "postgresql":
        try:
            import psycopg  # noqa: F401
        except ImportError:
            raise RunError("PostgreSQL needs the extra 'cluster': pip install -e '.[cluster]'") from None
        return url.set(drivername="postgresql+psycopg").render_as_string()
    if url.get_backend_name() == "sqlite":
        return url.render_as_string()
    raise RunError(f"storage {url.get_backend_name()!r} is not supported; use sqlite or postgresql")


def connect(study: Study, heartbeat: int | None = None) -> optuna.storages.RDBStorage:
    """Return a study's storage; with `heartbeat`, in seconds, trials that miss heartbeats count as lost and are retried."""
    return optuna.storages.RDBStorage(
        study.storage,
        engine_kwargs={"pool_pre_ping": True, "connect_args": CONNECTION[make_url(study.storage).get_backend_name()]},
        heartbeat_interval=heartbeat,
        grace_period=HEARTBEATS_MISSED * heartbeat if heartbeat else None,
        failed_trial_callback=optuna.storages.RetryFailedTrialCallback(max_retry=RETRIES) if heartbeat else None,
    )


def open_study(
    study: Study, sampler: optuna.samplers.BaseSampler | None = None, *, heartbeat: int | None = None
) -> optuna.Study:
    """Return the Optuna study of a study, created if it does not exist.

    Args:
        study: whose state it holds.
        sampler: that draws its trials; None: no trials will be drawn.
        heartbeat: seconds between a worker's heartbeats; None: no heartbeats.
    """
    optuna_study = optuna.create_study(
        storage=connect(study, heartbeat),
        study_name=study.storage_name,
        direction="maximize" if study.protocol.training.monitor == "auc" else "minimize",
        sampler=sampler,
        load_if_exists=True,
    )
    attributes.describe(optuna_study, study)
    return optuna_study


def create_studies(studies: Sequence[Study]) -> Path | None:
    """Create the studies in their storage; return where a damaged SQLite file was moved, None if there was none.

    The studies are rebuilt from their records when they continue. Raises the storage's errors.
    """
    file, aside = sqlite_file(studies[0].storage), None
    if file is not None and file.is_file() and not _is_whole(file):
        numbered = (file.with_name(f"{file.name}.damaged{n or ''}") for n in itertools.count())
        aside = next(path for path in numbered if not path.exists())
        file.rename(aside)
        for journal in file.parent.glob(f"{glob.escape(file.name)}-*"):  # of the file that was moved
            journal.unlink()
    for study in studies:
        open_study(study)
    return aside


def sqlite_file(url: str) -> Path | None:
    """Return the file of a SQLite storage; None for another one."""
    place = make_url(url)
    return Path(place.database) if place.get_backend_name() == "sqlite" and place.database else None


def _is_whole(file: Path) -> bool:
    """Return whether a file is a SQLite database that can be read to its end."""
    try:
        with closing(sqlite3.connect(file, timeout=CONNECTION["sqlite"]["timeout"])) as database:
            return [row[0] for row in database.execute("pragma quick_check(1)")] == ["ok"]
    except sqlite3.OperationalError:  # it is locked, or cannot be opened
        return True
    except sqlite3.DatabaseError:
        return False


def delete_study(study: Study) -> None:
    """Delete a study's state; it can be rebuilt from the records."""
    optuna.delete_study(study_name=study.storage_name, storage=connect(study))


def patiently(work: Callable[[], None], progress: Callable[[], int], url: str) -> None:
    """Do the work, and restart it after each storage error with increasing waits, which reset when `progress` has grown.

    Raises RunError if the disk is full or all waits are used up.

    Args:
        work: can be restarted at any time.
        progress: returns how much is done.
        url: of the storage, for the error.
    """
    waits, before = iter(BACK_OFF), progress()
    while True:
        try:
            return work()
        except ERRORS as error:
            if (now := progress()) > before:
                waits, before = iter(BACK_OFF), now
            wait = None if _is_full(error) else next(waits, None)
            if wait is None:
                raise out_of_reach(error, url) from None
            time.sleep(wait)


def out_of_reach(error: BaseException, url: str) -> RunError:
    """Return the error that tells the user why the storage cannot be used."""
    place, file = make_url(url), sqlite_file(url)
    if _is_full(error):
        folder = (file or Path()).parent
        return RunError(f"disk full at {folder}{free_space(folder)}; free some space and rerun the command to resume")
    reason = " ".join(str(error.__cause__ or error).partition("\n")[0].split())
    return RunError(
        f"the storage {file or place.render_as_string()} is out of reach: {reason}; rerun the command to resume"
    )


def _is_full(error: BaseException) -> bool:
    return "disk is full" in str(error.__cause__ or error)


def on_network(path: Path, mounts: Path = Path("/proc/mounts")) -> str | None:
    """Return the type of the network file system that holds `path`; None if it is local or cannot be determined."""
    try:
        fields = [line.split(" ")[1:3] for line in mounts.read_text(encoding="utf-8").splitlines()]
    except OSError:
        return None
    holding = [(len(point), kind) for point, kind in fields if path.resolve().is_relative_to(point)]
    _, kind = max(holding, default=(0, ""))
    return kind if kind.startswith(NETWORK_FILE_SYSTEMS) else None
