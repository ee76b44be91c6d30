"""What a reader must know before relying on a data set's numbers."""

import math

import polars as pl

from benchmark.findings import Findings
from benchmark.findings.runs import METRICS
from benchmark.findings.scaling import FINISHED_SHARE
from benchmark.findings.summary import LABEL, title
from benchmark.findings.verdict import listed, too_short
from benchmark.records.remarks import ORIGINS

NEAR_BOUND = 0.05  # share of the learning rate's range, in logarithms


def warnings(findings: Findings, dataset: str) -> list[str]:
    """Return what a reader must know before relying on the data set's numbers."""
    return [
        *(f"Data: {line}." for line in findings.of(dataset).warnings),
        *_one_search(findings, dataset),
        *_outside(findings, dataset),
        *_near_bounds(findings, dataset),
        *_unfinished(findings, dataset),
        *_beyond_bayes(findings, dataset),
        *_mixed(findings, dataset),
        *_not_converged(findings, dataset),
        *_stopped_early(findings, dataset),
    ]


def _not_converged(findings: Findings, dataset: str) -> list[str]:
    epochs = findings.protocol.training.epochs
    count = f"{epochs} {'epoch' if epochs == 1 else 'epochs'}"
    return [f"Trained for {count}: {reason}." for reason in too_short(findings, dataset)]


def _stopped_early(findings: Findings, dataset: str) -> list[str]:
    """Return how many trainings ended by the protocol's patience under a rate that had not fallen to zero."""
    training = findings.protocol.training
    if training.schedule != "linear":
        return []
    done = findings.runs.filter(
        pl.col("dataset") == dataset,
        pl.col("status") == "complete",
        pl.col("kind").is_in(["trial", "retrial", "final"]),
    )
    early = done.filter(pl.col("epochs") < training.epochs).height
    if not early:
        return []
    reason = f"a patience of {training.patience}, before the learning rate had fallen to zero"
    return [f"{early} of {done.height} trainings stopped early by {reason}."]


def _one_search(findings: Findings, dataset: str) -> list[str]:
    scores = findings.scores(dataset, findings.metric)
    if scores.replicated or not scores.blocks.finished.any():
        return []
    return [
        "One search per study: its luck is not in the interval, so nothing here says which model is better, or how it scales."
    ]


def _outside(findings: Findings, dataset: str) -> list[str]:
    """Return the scores without a logarithm, which no mean holds."""
    texts = []
    for metric in METRICS:
        if outside := findings.scores(dataset, metric).outside:
            named = ", ".join(f"{title(model)} at {budget:g} MFLOP" for model, budget in outside)
            texts.append(f"Final runs with a perfect {LABEL[metric]} have no logarithm and are left out: {named}.")
    return texts


def _near_bounds(findings: Findings, dataset: str) -> list[str]:
    low, high = (math.log(end) for end in findings.protocol.search.learning_rate)
    margin = NEAR_BOUND * (high - low)
    near = []
    finals = findings.runs.filter((pl.col("dataset") == dataset) & (pl.col("kind") == "final")).drop_nulls(
        "learning_rate"
    )
    for model, budget, rate in (
        finals.select("model", "budget", "learning_rate").unique().sort("model", "budget").iter_rows()
    ):
        if margin > 0 and rate > 0 and not low + margin <= math.log(rate) <= high - margin:
            near.append(f"{title(model)} at {budget:g} MFLOP ({rate:.2g})")
    share = f"{100 * NEAR_BOUND:g} %"
    return [f"The best learning rate is within {share} of an end of its range: {', '.join(near)}."] if near else []


def _unfinished(findings: Findings, dataset: str) -> list[str]:
    texts = []
    search = findings.protocol.search
    requested = search.trials * search.blocks
    for row in findings.rows(dataset).sort("model", "budget").iter_rows(named=True):
        name = f"{title(row['model'])} at {row['budget']:g} MFLOP"
        counted = row["trials"] + row["trials_pruned"]
        attempted = counted + row["trials_failed"] + row["trials_collapsed"]
        if attempted and counted / attempted < FINISHED_SHARE:
            texts.append(f"{name}: {counted} of {attempted} trials finished.")
        elif counted < requested:
            texts.append(f"{name}: {counted} of {requested} trials so far.")
        finals = row["finals"] + row["finals_failed"] + row["finals_collapsed"]
        texts += [
            f"{name}: {row[f'finals_{s}']} of {finals} final runs {s}."
            for s in ("failed", "collapsed")
            if row[f"finals_{s}"]
        ]
        if row["blocks_missing"] and row["blocks"]:
            planned = row["blocks"] + row["blocks_missing"]
            texts.append(f"{name}: {row['blocks_missing']} of {planned} blocks have no finished final run.")
        if row["trials_collapsed"]:
            texts.append(f"{name}: {row['trials_collapsed']} of {attempted} trials collapsed: they do not rank.")
    return texts


def _beyond_bayes(findings: Findings, dataset: str) -> list[str]:
    bayes = findings.bayes(dataset)
    rows = findings.rows(dataset).drop_nulls("logloss_interval")
    if bayes is None or rows.is_empty():
        return []
    beyond = rows.filter(pl.col("logloss") + pl.col("logloss_interval") < bayes)["model"].unique().sort().to_list()
    return (
        [f"Better than the Bayes bound, which is impossible: {listed([title(m) for m in beyond])}."] if beyond else []
    )


def _mixed(findings: Findings, dataset: str) -> list[str]:
    records = [record for record in findings.records if record.dataset == dataset]
    texts = []
    kinds = {name: set(map(origin, records)) for name, origin in ORIGINS.items()}
    texts += [f"Records come from {len(values)} different {kind}." for kind, values in kinds.items() if len(values) > 1]
    if any(record.dirty for record in records):
        texts.append("Some records were made with uncommitted changes in the suite.")
    if findings.protocol.overrides:
        texts.append(f"The protocol was changed on the command line: {', '.join(findings.protocol.overrides)}.")
    scores = findings.scores(dataset, findings.metric)
    if column := findings.of(dataset).weight_column:
        texts.append(f"Metrics are weighted by {column}; the intervals do not hold the noise of the test rows.")
    elif scores.replicated and scores.blocks.rows is None:
        texts.append("Test predictions are missing, so the noise of the test rows is unknown and not in the intervals.")
    if assumed := sorted({title(model) for model, _ in scores.assumed}):
        texts.append(
            f"Test predictions of {listed(assumed)} are missing; the noise of the test rows is taken to be the largest of the "
            "other models', and independent of theirs."
        )
    return texts
