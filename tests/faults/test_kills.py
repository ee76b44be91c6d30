"""Kill and stop real processes: the final records equal those of an uninterrupted run."""

import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from commands import Truth, alive, finish, kill, kill_group, output, start, truth, wait_for_records, workers

from benchmark.records import store


def test_a_killed_command_resumes(tmp_path: Path, whole: Truth) -> None:
    """Killed once together with its workers and once alone, after which its workers exit on their own."""
    process = start(tmp_path, "--jobs", "2")
    wait_for_records(process, tmp_path / "tiny", 2)
    kill_group(process)
    process = start(tmp_path, "--jobs", "1")
    wait_for_records(process, tmp_path / "tiny", 5)
    orphans = workers(process.pid)
    kill(process.pid)
    process.communicate(timeout=60)  # the pipe closes when the last worker has exited
    assert orphans and not any(alive(pid) for pid in orphans)
    finish(tmp_path, "--jobs", "2")
    assert truth(tmp_path / "tiny") == whole
    assert "nothing to train" in finish(tmp_path)


def test_a_killed_worker_is_replaced_and_the_records_stay_the_same(tmp_path: Path, whole: Truth) -> None:
    process = start(tmp_path, "--jobs", "2")
    wait_for_records(process, tmp_path / "tiny", 1)
    victim, *others = workers(process.pid)
    kill(victim)
    said = output(process)
    assert len(others) == 1
    assert truth(tmp_path / "tiny") == whole, said


DIES_IN_TRIAL_0 = """
    import sys
    if any("spawn_main" in argument for argument in sys.orig_argv):
        import os, signal
        from pathlib import Path
        import benchmark.training.task as task
        train = task.train
        first = Path(__file__).with_name("first")  # the workers' common memory
        def dies(model, config, optimiser, *rest, **more):
            configuration = repr((config, optimiser))
            if not first.exists():
                first.write_text(configuration)
            if first.read_text() == configuration and not more["test"]:
                os.kill(os.getpid(), signal.SIGKILL)
            return train(model, config, optimiser, *rest, **more)
        task.train = dies
"""


def test_a_configuration_that_kills_its_worker_twice_is_failed_and_the_study_continues(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(textwrap.dedent(DIES_IN_TRIAL_0))
    finish(tmp_path, "--jobs", "1", models=["mlp"], env={"PYTHONPATH": f"{tmp_path}{os.pathsep}{Path.cwd()}"})
    found = store.read(tmp_path / "tiny")
    failed = [record for record in found if record.status == "failed"]
    assert [(r.block, r.kind, r.trial) for r in failed] == [(1, "trial", 0), (2, "trial", 0)]  # the same default
    assert {r.error for r in failed} == {"worker process died 2 times during training (out of memory?)"}
    rest = [(r.block, r.kind) for r in found if r.status in ("complete", "collapsed")]
    assert rest == [(block, kind) for block in (1, 2) for kind in ("trial", "trial", "final")]


def test_workers_that_die_at_startup_end_the_run_with_advice(tmp_path: Path) -> None:
    dies = "import os, sys\nif any('spawn_main' in a for a in sys.orig_argv): os._exit(9)\n"
    (tmp_path / "sitecustomize.py").write_text(dies)
    said = output(
        start(tmp_path, "--jobs", "1", models=["mlp"], env={"PYTHONPATH": f"{tmp_path}{os.pathsep}{Path.cwd()}"}), 2
    )
    assert "3 worker processes in a row died before they finished a training" in said and "Traceback" not in said


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stopped_run_ends_promptly_says_how_to_resume_and_resumes(
    tmp_path: Path, whole: Truth, number: signal.Signals, code: int
) -> None:
    process = start(tmp_path, "--jobs", "2")
    wait_for_records(process, tmp_path / "tiny", 1)
    stopped = time.monotonic()
    if number == signal.SIGINT:
        os.killpg(process.pid, number)  # as a terminal does
    else:
        process.send_signal(number)
    said = output(process, code, timeout=30)
    assert time.monotonic() - stopped < 20
    assert said.endswith("stopped; rerun the command to resume after the last finished trial\n")
    assert "Traceback" not in said
    finish(tmp_path, "--jobs", "2")
    assert truth(tmp_path / "tiny") == whole


def test_a_second_run_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    process = start(tmp_path, "--jobs", "1", search={"trials": 1000})
    wait_for_records(process, tmp_path / "tiny", 1)
    assert "is in use by another run" in finish(tmp_path, code=2)
    kill_group(process)


WRITES = """
    import sys
    from pathlib import Path
    import optuna
    from commands import study
    from benchmark.tuning.storage import open_study
    one = open_study(study(Path(sys.argv[1])))
    print("ready", flush=True)
    while True:
        trial = one.ask()
        trial.suggest_float("x", 0, 1)
        one.tell(trial, 0.5)
"""


def test_kills_during_database_writes_leave_the_database_intact(tmp_path: Path) -> None:
    told = 0
    for moment in range(6):
        writer = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(WRITES), str(tmp_path)],
            env={**os.environ, "PYTHONPATH": f"{Path(__file__).parent}{os.pathsep}{Path.cwd()}"},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert writer.stdout is not None
        writer.stdout.readline()
        time.sleep(0.2 + 0.013 * moment)
        kill(writer.pid)
        writer.communicate()
        with sqlite3.connect(tmp_path / "study.db") as database:
            assert database.execute("pragma integrity_check").fetchone() == ("ok",)
            now = database.execute("select count(*) from trials where state = 'COMPLETE'").fetchone()[0]
            assert now >= told
            told = now
    assert told > 0
