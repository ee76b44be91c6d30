"""Optuna's storage: where the state of the studies is kept, and what to do when it is out of reach.

SQLite in the results folder, or PostgreSQL for many machines. The storage can always be rebuilt from the records, so that
losing it costs no finished trial.
"""

import time
from collections.abc import Callable
from pathlib import Path

import optuna
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from benchmark.errors import RunError, free_space
from benchmark.study import Study

optuna.logging.set_verbosity(optuna.logging.WARNING)  # the display says what is worth saying

ERRORS = (optuna.exceptions.StorageInternalError, SQLAlchemyError)
BACK_OFF = (1, 2, 4, 8, 15, *[30] * 20)  # seconds between attempts to reach a database: ten minutes in all
CONNECTION = {
    "sqlite": {"timeout": 120},  # seconds to wait for another process's write
    "postgresql": {"connect_timeout": 10, "keepalives_idle": 30, "tcp_user_timeout": 30_000},
}
BEATS_MISSED = 3  # after which a trial counts as lost
NETWORK_FILE_SYSTEMS = ("nfs", "cifs", "smb", "lustre", "gpfs", "beegfs", "fuse.sshfs")


def storage_url(text: str | None, results: Path) -> str:
    """The storage's URL, SQLite in the results folder by default.

    Raises RunError for another kind of database or a password in the URL: every user of the machine can read a command
    line. PostgreSQL's library takes the password from $PGPASSWORD or ~/.pgpass by itself, so it never passes through here.
    """
    if text is None:
        return f"sqlite:///{results / 'study.db'}"
    try:
        url = make_url(text)
    except ArgumentError:
        raise RunError(
            "the storage is no URL; allowed are sqlite:///FILE and postgresql://USER@HOST/DATABASE"
        ) from None
    if url.password is not None or "password" in url.query:
        raise RunError(
            f"the storage {url.host}/{url.database} came with a password; leave it out and put it into $PGPASSWORD or ~/.pgpass"
        )
    if url.get_backend_name() == "postgresql":
        try:
            import psycopg  # noqa: F401
        except ImportError:
            raise RunError("PostgreSQL needs the extra 'cluster': pip install -e '.[cluster]'") from None
        return url.set(drivername="postgresql+psycopg").render_as_string()
    if url.get_backend_name() == "sqlite":
        return url.render_as_string()
    raise RunError(f"no storage of kind {url.get_backend_name()!r}; allowed are sqlite and postgresql")


def connect(study: Study, heartbeat: int | None = None) -> optuna.storages.RDBStorage:
    """The storage of a study; its running trials beat every `heartbeat` seconds, if given, and are retried when lost."""
    return optuna.storages.RDBStorage(
        study.storage,
        engine_kwargs={"pool_pre_ping": True, "connect_args": CONNECTION[make_url(study.storage).get_backend_name()]},
        heartbeat_interval=heartbeat,
        grace_period=BEATS_MISSED * heartbeat if heartbeat else None,
        failed_trial_callback=optuna.storages.RetryFailedTrialCallback(max_retry=2) if heartbeat else None,
    )


def open_study(
    study: Study, sampler: optuna.samplers.BaseSampler | None = None, *, heartbeat: int | None = None
) -> optuna.Study:
    """The Optuna study of that name, created if need be."""
    return optuna.create_study(
        storage=connect(study, heartbeat),
        study_name=study.storage_name,
        direction="maximize" if study.protocol.training.monitor == "auc" else "minimize",
        sampler=sampler,
        load_if_exists=True,
    )


def delete_study(study: Study) -> None:
    """Forget a study's state; its records rebuild it."""
    optuna.delete_study(study_name=study.storage_name, storage=connect(study))


def patiently(work: Callable[[], None], progress: Callable[[], int], url: str) -> None:
    """Do the work, again from its start whenever the storage fails, with longer and longer waits until `progress` rises.

    Raises RunError if waiting does not help.
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
    """What a storage error means to the user."""
    place = make_url(url)
    if _is_full(error):
        folder = Path(place.database or ".").parent
        return RunError(f"disk full at {folder}{free_space(folder)}; make room and repeat the command to go on")
    reason = " ".join(str(error.__cause__ or error).partition("\n")[0].split())
    return RunError(f"the storage {place.render_as_string()} is out of reach: {reason}; repeat the command to go on")


def _is_full(error: BaseException) -> bool:
    return "disk is full" in str(error.__cause__ or error)


def on_network(path: Path, mounts: Path = Path("/proc/mounts")) -> str | None:
    """The kind of network file system that holds `path`; None on a local one or where it cannot be told."""
    try:
        fields = [line.split(" ")[1:3] for line in mounts.read_text(encoding="utf-8").splitlines()]
    except OSError:
        return None
    kind = max(((len(point), kind) for point, kind in fields if path.resolve().is_relative_to(point)), default=(0, ""))[
        1
    ]
    return kind if kind.startswith(NETWORK_FILE_SYSTEMS) else None
