"""Run the command line as a separate process that the tests of this folder kill, starve and stop."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmark import protocol as protocols
from benchmark.records import store
from benchmark.study import Study
from benchmark.tuning import tuner

PROTOCOL: dict[str, Any] = {
    "name": "tiny",
    "datasets": ["synthetic"],
    "models": ["mlp", "dcnv2"],
    "budgets": [0.1],
    "embedding_dim": 4,
    "training": {"batch_size": 512, "train_rows": 4096},
    "search": {"blocks": 2, "trials": 2, "dropout": [0.0, 0.2]},
    "final": {"seeds": [1]},
}
Truth = list[dict[str, Any]]


def protocol_file(folder: Path, **changes: Any) -> Path:
    """Write the tiny protocol, with sections replaced, to a file and return its path."""
    values = {**PROTOCOL, **changes}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tiny.toml").write_text(protocols.validated(values, "tiny").toml())
    return folder / "tiny.toml"


def study(results: Path, model: str = "mlp", **changes: Any) -> Study:
    """Return the first block of one study of the tiny protocol, to be run in this process."""
    results.mkdir(parents=True, exist_ok=True)
    protocol = protocols.validated({**PROTOCOL, **changes}, "tiny")
    return Study(protocol, "synthetic", model, 0.1, results, f"sqlite:///{results / 'study.db'}")


def truth(results: Path) -> Truth:
    """Return the records in order, without what depends on the clock or the state of the git checkout."""
    return [{**record.timeless(), "commit": None, "dirty": None} for record in store.read(results)]


def first_block(records: Truth, *models: str) -> Truth:
    """Return the records of the models' first block."""
    return [record for record in records if record["block"] == 1 and record["model"] in models]


def uninterrupted(results: Path, **changes: Any) -> Truth:
    """Run the tiny protocol's studies one by one in this process and return their records."""
    for model in {**PROTOCOL, **changes}["models"]:
        first = study(results, model, **changes)
        for block in range(1, first.protocol.search.blocks + 1):
            tuner.run(replace(first, block=block))
    return truth(results)


def start(folder: Path, *arguments: str, env: dict[str, str] | None = None, **changes: Any) -> "subprocess.Popen[str]":
    """Start `run` of the tiny protocol in its own process group.

    Args:
        folder: where the protocol and the results go
        arguments: further command-line arguments
        env: environment variables to add
        changes: sections of the protocol to replace
    """
    return launch("run", str(protocol_file(folder, **changes)), "--results", str(folder), *arguments, env=env)


def _heed_interrupts() -> None:
    """Restore the default handling of SIGINT, which shells ignore in background jobs."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def launch(*arguments: str, env: dict[str, str] | None = None) -> "subprocess.Popen[str]":
    """Start the command line with these arguments."""
    return subprocess.Popen(
        [sys.executable, "-m", "benchmark", *arguments],
        env={**os.environ, "OMP_NUM_THREADS": "1", **(env or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        preexec_fn=_heed_interrupts,  # noqa: PLW1509 (no other thread runs when the tests launch)
    )


def output(process: "subprocess.Popen[str]", code: int = 0, timeout: float = 300) -> str:
    """Wait for the process to end and return its output.

    Args:
        process: a process from `launch` or `start`
        code: the exit code it must have
        timeout: in seconds
    """
    said, _ = process.communicate(timeout=timeout)
    assert process.returncode == code, f"exit code {process.returncode}, not {code}:\n{said}"
    return said


def finish(folder: Path, *arguments: str, code: int = 0, env: dict[str, str] | None = None, **changes: Any) -> str:
    """Run the tiny protocol until it exits and return its output; the arguments are those of `start` and `output`."""
    return output(start(folder, *arguments, env=env, **changes), code)


def workers(pid: int) -> list[int]:
    """Return the process ids of a run's workers, from the children that Linux lists."""
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            try:
                command = Path(f"/proc/{child}/cmdline").read_bytes()
            except OSError:
                continue
            if b"spawn_main" in command:
                found.append(int(child))
    return found


def wait_for_records(process: "subprocess.Popen[str]", results: Path, n: int, seconds: float = 200) -> None:
    """Wait until the run has written n records.

    Args:
        process: the run, which must not end before
        results: its results folder
        n: number of records
        seconds: how long to wait at most
    """
    deadline = time.monotonic() + seconds
    while sum(path.read_bytes().count(b"\n") for path in results.glob("records/*/*.jsonl")) < n:
        assert process.poll() is None, f"ended with code {process.returncode}: {process.communicate()[0]}"
        assert time.monotonic() < deadline, f"no {n} records within {seconds} s"
        time.sleep(0.01)


def alive(pid: int) -> bool:
    """Return whether the process exists and is not a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def kill(pid: int) -> None:
    """Send SIGKILL, which no process can catch."""
    os.kill(pid, signal.SIGKILL)


def kill_group(process: "subprocess.Popen[str]") -> None:
    """Send SIGKILL to a run and all its workers at once."""
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
