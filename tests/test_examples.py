"""The scripts of examples/ run as they stand and print what their docstrings say."""

import ast
import math
import os
import re
import subprocess
import sys
from pathlib import Path
from statistics import fmean

import polars as pl
import pytest
from made_records import failed, folder, replicated, with_predictions

import models
from benchmark import protocol as protocols
from benchmark.findings import read
from benchmark.records import store
from benchmark.records.record import Record
from benchmark.reports import export
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
    means = {study: math.exp(fmean(map(math.log, values))) for study, values in losses.items()}
    assert shown == pytest.approx(means, abs=1e-6)


def test_read_results_prints_a_correlation_for_each_model(tmp_path: Path) -> None:
    effect = printed("read_results.py", cwd=tmp_path).partition("rank correlation")[2]
    shown = dict(re.findall(r"^│ (\w+) +┆ \d+ +┆ +(-?[\d.]+) +│$", effect, re.MULTILINE))
    assert sorted(shown) == sorted(protocols.of_folder(ROOT / "results" / "hotel").models)
    assert all(-1 <= float(correlation) <= 1 for correlation in shown.values())


def test_read_results_reads_the_folder_that_is_named(tmp_path: Path) -> None:
    text = printed("read_results.py", str(ROOT / "results" / "synthetic"), cwd=tmp_path)
    assert "Synthetic, protocol synthetic" in text
    assert all(models.known(name) for name in re.findall(r"^│ (?!model)(\w+) +┆", text, re.MULTILINE))


def losing(made: list[Record]) -> list[Record]:
    """Return the records with two blocks of MLP failed at one budget, one of DLRM, and one final run of DCNv2."""
    lost = {("mlp", 0.4): (1, 2), ("dlrm", 1.6): (3,)}
    return [
        failed(r)
        if r.kind == "final"
        and (r.block in lost.get((r.model, r.budget), ()) or (r.model, r.block, r.seed) == ("dcnv2", 2, 101))
        else r
        for r in made
    ]


@pytest.mark.parametrize("case", ["test rows", "a floor, blocks missing"])
def test_an_outsider_recomputes_means_intervals_and_letters_from_the_export(tmp_path: Path, case: str) -> None:
    if case == "test rows":
        made = with_predictions(tmp_path / "made", replicated(noise=3e-3), examples=1000)
        folder(tmp_path / "made", made)
    else:
        made = losing(replicated(noise=3e-3))
        folder(tmp_path / "made", made, facts={"bounds": {"Bayes": {"auc": 0.9, "logloss": 0.38}}})
    export.write(read(tmp_path / "made"), "parquet", tmp_path / "export")
    text = printed("recompute.py", "export", cwd=tmp_path)
    assert float(re.findall(r"difference from the export: (.*); 0 letters differ", text)[0]) < 1e-9
    shown = re.findall(r"^(\w+) +([\d.]+) ± ([\d.]+) (\w+)$", text, re.MULTILINE)
    assert len(shown) == (8 if case == "test rows" else 6)  # MLP, half of a study's blocks missing, is not compared
    overall = read(tmp_path / "made").overall.drop_nulls("letters")
    assert [
        (f"{row['mean']:.4f}", row["letters"]) for row in overall.sort("metric", "model").iter_rows(named=True)
    ] == [(mean, letter) for _, mean, _, letter in shown[len(shown) // 2 :] + shown[: len(shown) // 2]]


def test_a_forged_export_is_found_out(tmp_path: Path) -> None:
    folder(tmp_path / "made", replicated(noise=3e-3))
    export.write(read(tmp_path / "made"), "parquet", tmp_path / "export")
    path = tmp_path / "export" / "overall.parquet"
    pl.read_parquet(path).with_columns(interval=pl.col("interval") * 0.99).write_parquet(path)
    script = ROOT / "examples" / "recompute.py"
    done = subprocess.run([sys.executable, script, tmp_path / "export"], capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "1.0e-02; 0 letters differ" in done.stdout


def test_the_recomputation_uses_nothing_of_the_suite() -> None:
    tree = ast.parse((ROOT / "examples" / "recompute.py").read_text(encoding="utf-8"))
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.partition(".")[0] for name in names} <= {*sys.stdlib_module_names, "numpy", "polars", "scipy"}


@pytest.mark.slow
def test_a_script_without_a_main_guard_is_told_so(tmp_path: Path) -> None:
    script = tmp_path / "unguarded.py"
    script.write_text('from benchmark import run\nrun("smoke", changes={"models": ["lr"], "budgets": [0.1]}, jobs=1)\n')
    done = subprocess.run(
        [sys.executable, script],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0 and "call it under `if __name__ ==" in done.stderr
