"""Speed of encoding raw Criteo rows, against pandas and FuxiCTR, and of loading batches: `python -m benchmark.speed.data`.

Each program runs in its own process, in interleaved rounds (ABC, CBA, ...), on the same synthetic twin of the raw Criteo
log. The timing covers the work from the raw file to arrays on disk; importing packages and starting FuxiCTR's workers is
reported separately. All programs split by time 8:1:1, keep categories seen at least 10 times in the train part and scale the
13 counts.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path
from typing import Any

COUNTS = [f"I{i}" for i in range(1, 14)]
CATEGORIES = [f"C{i}" for i in range(1, 27)]

OURS = """
import time
begun = time.monotonic()
import datamodules
from pathlib import Path
data = datamodules.load("criteo_kaggle")(Path(folder))
started, used = time.monotonic(), time.process_time()
data.prepare_data()
"""

PANDAS = """
import time
begun = time.monotonic()
import numpy as np, pandas as pd
started, used = time.monotonic(), time.process_time()
names = ["label", *counts, *categories]
frame = pd.read_csv(f"{folder}/train.txt", sep="\\t", header=None, names=names, dtype=dict.fromkeys(categories, str))
n = len(frame)
train = frame.iloc[: int(n * 0.8)]
sparse = np.empty((n, len(categories)), np.int32)
for i, name in enumerate(categories):
    seen = train[name].value_counts()
    kept = seen[seen >= 10].index
    ids = frame[name].map(pd.Series(np.arange(2, len(kept) + 2), index=kept)).fillna(0)
    sparse[:, i] = ids.where(frame[name].notna(), 1)
x = np.sign(frame[counts]) * np.log1p(frame[counts].abs())
known = x.iloc[: len(train)]
dense = ((x - known.mean()) / known.std()).fillna(0.0)
np.save(f"{out}/dense.npy", dense.to_numpy(np.float32))
np.save(f"{out}/sparse.npy", sparse)
np.save(f"{out}/label.npy", frame["label"].to_numpy(np.float32))
"""

FUXICTR = """
import time
begun = time.monotonic()
import logging
from fuxictr.preprocess import FeatureProcessor, build_dataset
from fuxictr.preprocess.build_dataset import init_ray
init_ray()
started, used = time.monotonic(), time.process_time()
fields = [
    {"active": True, "dtype": "float", "name": counts, "type": "numeric", "normalizer": "StandardScaler"},
    {"active": True, "dtype": "str", "name": categories, "type": "categorical"},
]
label = {"dtype": "float", "name": "label"}
encoder = FeatureProcessor(feature_cols=fields, label_col=label, dataset_id="twin", data_root=out)
parts = {f"{part}_data": f"{folder}/{part}.csv" for part in ("train", "valid", "test")}
build_dataset(encoder, min_categr_count=10, **parts)
"""

ENDING = """
import json, resource
ended, cpu = time.monotonic(), time.process_time() - used
peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
measured = {"start": started - begun, "seconds": ended - started, "cpu_seconds": cpu, "peak_mb": peak / 1000}
print(json.dumps({key: round(value, 2) for key, value in measured.items()}))
"""


def measure(python: str, program: str, folder: Path) -> dict[str, Any]:
    """Return startup seconds, seconds of work and peak memory of one program in its own process.

    Raises SystemExit with the last line that a failed program wrote.

    Args:
        python: interpreter that runs it.
        program: source of the program.
        folder: raw files.
    """
    with tempfile.TemporaryDirectory() as out:
        head = f"folder, out = {str(folder)!r}, {out!r}\ncounts, categories = {COUNTS}, {CATEGORIES}\n"
        environment = {**os.environ, "WUKONG_BENCH_CACHE": out, "RAY_ADDRESS": "local", "RAY_TMPDIR": out}
        done = subprocess.run(  # noqa: S603 (our own programs)
            [python, "-c", head + program + ENDING], env=environment, capture_output=True, text=True, check=False
        )
    if done.returncode:
        raise SystemExit(f"the program failed: {done.stderr.strip().splitlines()[-1]}")
    return json.loads(done.stdout.splitlines()[-1])


def write_twin(folder: Path, rows: int) -> None:
    """Write the twin as raw TSV and, for FuxiCTR, as three csv files with headers."""
    import datamodules
    from datamodules.base import twins

    [path] = twins.write(datamodules.load("criteo_kaggle").layout(), folder, rows)
    header = ",".join(["label", *COUNTS, *CATEGORIES]) + "\n"
    with path.open(encoding="ascii") as lines:
        for part, n in (("train", int(rows * 0.8)), ("valid", int(rows * 0.9) - int(rows * 0.8)), ("test", rows)):
            with (folder / f"{part}.csv").open("w", encoding="ascii") as file:
                file.write(header)
                file.writelines(line.replace("\t", ",") for line, _ in zip(lines, range(n), strict=False))


def batch_rate(folder: Path, batch_size: int = 4096) -> float:
    """Return shuffled training rows per CPU second, read from the memory map; median of 5 epochs."""
    import torch

    import datamodules

    torch.set_num_threads(1)
    loader = datamodules.load("criteo_kaggle")(folder, batch_size=batch_size).train_dataloader()
    rates = []
    for _ in range(5):
        started = time.process_time()
        rows = sum(len(label) for _, _, label in loader)
        rates.append(rows / (time.process_time() - started))
    return statistics.median(rates)


def main() -> None:
    """Print one line per program and round, then medians and ratios."""
    parser = argparse.ArgumentParser(description=textwrap.dedent(__doc__ or ""))
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--fuxictr", metavar="PYTHON", help="interpreter of an environment with fuxictr 2.3.10 and polars 1"
    )
    arguments = parser.parse_args()
    programs = {"wukong-bench": (sys.executable, OURS), "pandas": (sys.executable, PANDAS)}
    if arguments.fuxictr:
        programs["FuxiCTR"] = (arguments.fuxictr, FUXICTR)
    runs_of: dict[str, list[dict[str, Any]]] = {name: [] for name in programs}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_twin(folder, arguments.rows)
        for i in range(arguments.rounds):
            for name in list(programs)[:: 1 if i % 2 == 0 else -1]:
                try:
                    runs_of[name].append(measure(*programs[name], folder))
                except SystemExit as error:
                    if name == "wukong-bench":
                        raise
                    print(f"{name} is left out: {error}", flush=True)
                    del programs[name], runs_of[name]
                    continue
                print(f"round {i + 1}  {name:12}  {json.dumps(runs_of[name][-1])}", flush=True)
        for name, runs in runs_of.items():
            seconds, cpu, start = (
                statistics.median(run[key] for run in runs) for key in ("seconds", "cpu_seconds", "start")
            )
            wall_ratio, cpu_ratio = (
                statistics.median(run[key] / ours[key] for run, ours in zip(runs, runs_of["wukong-bench"], strict=True))
                for key in ("seconds", "cpu_seconds")
            )
            print(
                f"{name:12}  {seconds:7.2f} s  {arguments.rows / seconds / 1e3:7.1f} k rows/s  {wall_ratio:6.2f} x our time  "
                f"{cpu:.2f} CPU-s of its own process ({cpu_ratio:.2f} x)  start {start:.1f} s  "
                f"peak {max(run['peak_mb'] for run in runs):.0f} MB"
            )
        whole = folder / "train.txt"
        with (folder / "four.txt").open("wb") as file:
            for _ in range(4):
                file.write(whole.read_bytes())
        (folder / "four.txt").replace(whole)
        peak = measure(*programs["wukong-bench"], folder)
        print(f"four times the rows, the same values: {json.dumps(peak)}")
        os.environ["WUKONG_BENCH_CACHE"] = str(folder / "cache")
        print(f"training batches of 4096: {batch_rate(folder) / 1e6:.2f} M rows/CPU-s")


if __name__ == "__main__":
    main()
