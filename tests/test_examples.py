"""The scripts of examples/ run as they stand and print what their docstrings say."""

import os
import re
import subprocess
import sys
from pathlib import Path
from statistics import fmean

import pytest

import models
from benchmark import protocol as protocols
from benchmark.findings import read
from benchmark.records import store
from benchmark.study import winner

ROOT = Path(__file__).parents[1]


def printed(script: str, *arguments: str, cwd: Path) -> str:
    """Return what an example prints, run from another folder than the repository's."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / script), *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200", "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_example_is_tested() -> None:
    source = Path(__file__).read_text(encoding="utf-8")
    assert [path.name for path in (ROOT / "examples").glob("*.py") if f'"{path.name}"' not in source] == []


@pytest.mark.slow
def test_tune_one_model_prints_the_chosen_trial_within_the_budget(tmp_path: Path) -> None:
    text = printed("tune_one_model.py", "results", cwd=tmp_path)
    findings = read(tmp_path / "results" / "one_model")
    best = winner(findings.records, findings.protocol)
    assert best is not None and best.valid is not None
    assert f"chosen: trial {best.trial} of wukong" in text
    shown = dict(re.findall(r"^  (\w+) = (.*)$", text, re.MULTILINE))
    assert shown == {name: str(value) for name, value in (best.config | best.optimiser).items()}
    flops, off, budget = re.findall(r"example: ([\d,]+), ([\d.]+)% off the budget of ([\d.]+) MFLOP", text)[0]
    assert abs(int(flops.replace(",", "")) / (float(budget) * 1e6) - 1) <= 0.02
    assert float(off) <= 2
    assert f"validation: LogLoss {best.valid['logloss']:.4f}, AUC {best.valid['auc']:.4f}" in text
    again = printed("tune_one_model.py", "results", cwd=tmp_path)
    assert "nothing to train" in again
    assert again.partition("chosen: ")[2] == text.partition("chosen: ")[2]


def test_read_results_prints_the_mean_of_the_final_runs_for_each_model_and_budget(tmp_path: Path) -> None:
    quality = printed("read_results.py", cwd=tmp_path).partition("rank correlation")[0]
    header, *rows = (re.findall(r"[\w.]+", line) for line in quality.splitlines() if line.startswith("│"))
    shown = {
        (row[0], float(budget)): float(number)
        for row in rows
        for budget, number in zip(header[1:], row[1:], strict=True)
    }
    losses: dict[tuple[str, float], list[float]] = {}
    for record in store.read(ROOT / "results" / "hotel"):
        if record.kind == "final" and record.test is not None:
            losses.setdefault((record.model, record.budget), []).append(record.test["logloss"])
    assert shown == pytest.approx({study: fmean(values) for study, values in losses.items()}, abs=1e-6)


def test_read_results_prints_a_correlation_for_each_model(tmp_path: Path) -> None:
    effect = printed("read_results.py", cwd=tmp_path).partition("rank correlation")[2]
    shown = dict(re.findall(r"^│ (\w+) +┆ \d+ +┆ +(-?[\d.]+) +│$", effect, re.MULTILINE))
    assert sorted(shown) == sorted(protocols.load("hotel").models)
    assert all(-1 <= float(correlation) <= 1 for correlation in shown.values())


def test_read_results_reads_the_folder_that_is_named(tmp_path: Path) -> None:
    text = printed("read_results.py", str(ROOT / "results" / "synthetic"), cwd=tmp_path)
    assert "Synthetic, protocol synthetic" in text
    assert all(models.known(name) for name in re.findall(r"^│ (?!model)(\w+) +┆", text, re.MULTILINE))


def test_a_script_without_a_main_guard_is_told_so(tmp_path: Path) -> None:
    script = tmp_path / "unguarded.py"
    script.write_text(
        "from benchmark import protocol\nfrom benchmark.execution.run import run\n"
        'run(protocol.load("smoke", {"models": ["lr"], "budgets": [0.1]}), "results", jobs=1)\n'
    )
    done = subprocess.run(
        [sys.executable, script],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0 and "call it under `if __name__ ==" in done.stderr
