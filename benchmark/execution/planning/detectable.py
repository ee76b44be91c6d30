"""What a protocol will be able to tell apart, before it trains anything."""

import math
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from benchmark import findings as readings
from benchmark.findings.noise import Components, components
from benchmark.findings.runs import Metric
from benchmark.findings.summary import LABEL
from benchmark.protocol import Protocol
from benchmark.reports.cells import WITH_POWER
from benchmark.statistics import detectable

# standard deviations of a search and of a seed, estimated from the records of the first edition (CPU protocols)
ESTIMATES: dict[tuple[str, Metric], tuple[float, float]] = {
    ("frappe", "auc"): (0.0026, 0.0017),
    ("movielens_1m", "auc"): (0.0008, 0.0013),
    ("synthetic", "logloss"): (0.0015, 0.0037),
    ("hotel", "logloss"): (0.0025, 0.0085),
}


def differences(protocol: Protocol, folder: Path) -> Iterator[str]:
    """Yield for each data set of the protocol, in a sentence, the difference it will be able to tell apart.

    Args:
        protocol: what would run.
        folder: its results folder; noise recorded there goes before estimates.
    """
    recorded = _recorded(protocol, folder)
    for dataset in protocol.datasets:
        yield f"{dataset}: {_sentence(protocol, dataset, recorded.get(dataset))}"


def _sentence(protocol: Protocol, dataset: str, recorded: Components | None) -> str:
    metric, search = protocol.training.monitor, protocol.search
    if len(protocol.models) < 2:
        return "one model, so there is nothing to tell apart."
    if search.blocks < 2:
        return "one search per study, whose luck is not measured, so nothing can be told apart; set search.blocks to 4."
    if recorded is not None:
        noise, source = recorded, "the noise recorded here"
        source += " and test rows" if recorded.rows else "; test rows not counted"
    elif (dataset, metric) in ESTIMATES:
        noise = Components(*ESTIMATES[dataset, metric], rows=0.0)
        source = f"estimates (search {noise.search:g}, seed {noise.seed:g}; test rows not counted)"
    else:
        noise, source = Components(search=1.0, seed=0.0, rows=0.0), ""
    budgets = len(protocol.budgets)
    least = [_least(protocol, noise, averaged=averaged) for averaged in ([False, True] if budgets > 1 else [False])]
    if source:
        shown = [f"{value:.4f} in {LABEL[metric]}" for value in least]
    else:
        shown = [f"{value:.1f} standard deviations of a block" for value in least]
    where = f"{shown[0]} at one budget" + (f", {shown[1]} in the mean over {budgets} budgets" if budgets > 1 else "")
    why = f", by {source}." if source else ", whose size is not known for this data set and metric."
    few = " Two blocks are few: the power is .62 to .82." if search.blocks == 2 else ""
    return f"two of {len(protocol.models)} models are told apart {WITH_POWER} if they differ by {where}{why}{few}"


def _least(protocol: Protocol, noise: Components, *, averaged: bool) -> float:
    return detectable(
        blocks=protocol.search.blocks,
        models=len(protocol.models),
        budgets=len(protocol.budgets),
        search=noise.search,
        seed=noise.seed,
        seeds=len(protocol.final.seeds),
        rows=noise.rows,
        averaged=averaged,
    )


def _recorded(protocol: Protocol, folder: Path) -> dict[str, Components]:
    """Return the noise of the data sets with several finished blocks in the results folder."""
    if not (folder / "protocol.toml").is_file():
        return {}
    contents = readings.read(folder)
    noises = {}
    for dataset in contents.datasets:
        metric = protocol.training.monitor
        runs = contents.runs.filter(pl.col("dataset") == dataset)
        noise = components(runs, metric, contents.row_noise(dataset).of(metric))
        if noise is not None and math.isfinite(noise.search) and noise.search + noise.seed + noise.rows > 0:
            noises[dataset] = noise
    return noises
