"""Errors during training become failed records; what would corrupt a table is refused beforehand."""

import datetime as dt
import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from commands import Truth, first_block, study, truth

from benchmark.execution.devices import lanes
from benchmark.records import record as record_file
from benchmark.records.provenance import anonymous
from benchmark.study import winner
from benchmark.training import task
from benchmark.tuning import tuner
from datamodules.base import DataError
from models.base import Diverged, Predictions
from models.mlp import MLP

ERRORS = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB\nmore lines"),
    MemoryError("unable to allocate"),
    IndexError("index out of range in self"),
    TypeError("a bug of the model"),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_an_error_in_a_step_is_a_failed_trial_and_the_study_continues(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    forward, calls = MLP.forward, []

    def breaks(self: MLP, *batch: torch.Tensor) -> torch.Tensor:
        calls.append(None)
        if len(calls) == 3:
            raise error
        return forward(self, *batch)

    monkeypatch.setattr(MLP, "forward", breaks)
    found = study(tmp_path)
    tuner.run(found)
    first, *rest = [(r.kind, r.status) for r in found.records() if r.status != "collapsed"]
    assert first == ("trial", "failed")
    assert set(rest) == {("trial", "complete"), ("final", "complete")} and rest[-1] == ("final", "complete")
    assert sum(r.kind == "trial" and r.status != "failed" for r in found.records()) == 2
    assert found.records()[0].error == f"{type(error).__name__}: {str(error).splitlines()[0]}"
    assert found.records()[0].config, "the configuration that failed is on record"


def test_a_failed_final_run_is_recorded_once_without_test_metrics(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, found = task.train, study(tmp_path, final={"seeds": [1, 2]})
    first, second = found.final_seeds

    def breaks(*args: Any, **kwargs: Any) -> Any:
        if kwargs["test"] and kwargs["seed"] == first:
            raise torch.OutOfMemoryError("no memory")
        return original(*args, **kwargs)

    monkeypatch.setattr(task, "train", breaks)
    tuner.run(found)
    tuner.run(found)
    finals = [r for r in found.records() if r.kind == "final"]
    assert [(r.seed, r.status) for r in finals] == [(first, "failed"), (second, "complete")]
    assert finals[0].test is None
    best = winner(found.records(), found.protocol)
    assert best is not None and found.missing_seeds(found.records(), best) == []


def test_an_error_that_corrupts_the_process_is_recorded_and_the_process_exits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def asserts(*args: Any, **kwargs: Any) -> Any:
        raise torch.AcceleratorError("CUDA error: device-side assert triggered")

    monkeypatch.setattr(task, "train", asserts)
    found = study(tmp_path)
    with pytest.raises(SystemExit):
        tuner.run(found)
    assert [(r.status, r.trial) for r in found.records()] == [("failed", 0)]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_non_finite_predictions_are_refused_before_any_metric(value: float) -> None:
    metric = Predictions()
    metric.update(torch.tensor([value, 0.1, 0.2]), torch.tensor([1.0, 0.0, 1.0]))
    with pytest.raises(Diverged, match="1 of 3 predictions are not finite"):
        metric.compute()


@pytest.mark.parametrize("label", [0.0, 1.0])
def test_the_metric_refuses_labels_of_a_single_class(label: float) -> None:
    """The check of the data before training is tested with the data sets."""
    metric = Predictions()
    metric.update(torch.tensor([0.3, 0.1, 0.2]), torch.full((3,), label))
    with pytest.raises(ValueError, match="needs both classes"):
        metric.compute()


def test_a_truncated_encoded_part_is_never_scored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import shutil

    import datamodules

    data = datamodules.load("synthetic")(train_rows=4096)
    copy = tmp_path / "cache" / data.folder.name
    shutil.copytree(data.folder, copy)
    (copy / "valid" / "label.npy").write_bytes((copy / "valid" / "label.npy").read_bytes()[:-100])
    monkeypatch.setenv("WUKONG_BENCH_CACHE", str(copy.parent))
    with pytest.raises(Exception, match=r"mmap|damaged"):
        np.load(copy / "valid" / "label.npy", mmap_mode="c")
    found = study(tmp_path / "results", search={"trials": 1})
    with pytest.raises(DataError, match="damaged"):
        tuner.run(found)
    assert found.records() == []


def test_a_clock_running_backwards_in_another_time_zone_changes_no_duration_or_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: Truth
) -> None:
    class Backwards(dt.datetime):
        day = dt.datetime(2031, 3, 30, 3, tzinfo=dt.UTC)

        @classmethod
        def now(cls, tz: dt.tzinfo | None = None) -> dt.datetime:
            cls.day -= dt.timedelta(days=1)
            return cls.day.astimezone(tz)

    monkeypatch.setattr(record_file, "datetime", Backwards)
    monkeypatch.setattr(time, "time", lambda: Backwards.now(dt.UTC).timestamp())
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        found = study(tmp_path)
        tuner.run(found)
    finally:
        monkeypatch.undo()
        time.tzset()
    assert truth(tmp_path) == first_block(whole, "mlp")
    assert all((r.seconds or 0) > 0 and r.finished.utcoffset() == dt.timedelta(0) for r in found.records())


MEMORY = """
    import sys
    from pathlib import Path
    import torch
    from commands import study
    from benchmark.tuning import tuner
    torch.set_num_threads(1)
    rss = []
    def watch(event):
        if event.finished:
            rss.append(int(Path("/proc/self/statm").read_text().split()[1]))
    tuner.run(study(Path(sys.argv[1]), search={"trials": 20, "learning_rate": [1e-4, 1e-1]}), watch)
    print(rss[2], rss[19])
"""


def test_memory_does_not_grow_over_twenty_trials(tmp_path: Path) -> None:
    said = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(MEMORY), str(tmp_path)],
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": f"{Path(__file__).parent}{os.pathsep}{Path.cwd()}"},
        capture_output=True,
        text=True,
        check=True,
    )
    after_3, after_20 = map(int, said.stdout.split())
    assert after_20 <= 1.1 * after_3, f"{after_3} pages after 3 trials, {after_20} after 20"


def test_lanes_are_one_worker_per_core_or_visible_gpu() -> None:
    assert lanes("cpu", None, 1, cores=3, gpus=0) == ["cpu"] * 3
    assert lanes("cuda", None, 1, cores=8, gpus=2) == ["cuda:0", "cuda:1"]
    assert lanes("cuda", None, 2, cores=8, gpus=2) == ["cuda:0", "cuda:1", "cuda:0", "cuda:1"]
    assert lanes("cuda:1", None, 3, cores=8, gpus=2) == ["cuda:1"] * 3
    assert lanes("cuda", 3, 1, cores=8, gpus=2) == ["cuda:0", "cuda:1", "cuda:0"]


def test_each_lane_uses_its_device_and_gives_the_records_of_one_process(tmp_path: Path, whole: Truth) -> None:
    """Use two fake devices, both the CPU, for which PyTorch accepts an index."""
    from dataclasses import replace

    from benchmark.execution.workers import in_processes

    studies = [replace(study(tmp_path, model), run="one") for model in ("mlp", "dcnv2")]
    for one in studies:
        from benchmark.tuning.storage import open_study

        open_study(one)
    in_processes(studies, tuner.run, ["cpu:0", "cpu:1"], lambda event: None)
    assert truth(tmp_path) == first_block(whole, "mlp", "dcnv2")


def test_a_recorded_error_names_no_home_folder_host_or_path(tmp_path: Path) -> None:
    import platform

    text = f"OSError: {Path.home()}/data on {platform.node()} in {tmp_path} and {sys.prefix}/lib"
    told = anonymous(text + "\nsecond line")
    assert not any(private in told for private in (f"{Path.home()}/", platform.node(), str(tmp_path), sys.prefix))
    assert "second" not in told
