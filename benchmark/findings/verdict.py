"""The verdict on a data set in one sentence, the reasons for naming no winner, and warnings for the reader."""

import math
from dataclasses import dataclass

import polars as pl

from benchmark.findings import Findings
from benchmark.findings.comparison import Pair, all_pairs, better, cells
from benchmark.findings.convergence import problem
from benchmark.findings.scaling import FINISHED_SHARE
from benchmark.findings.summary import LABEL, title
from benchmark.statistics import SIGNIFICANCE

TRIALS_NEEDED = 10  # per study; with fewer, the best trial depends more on luck than on the model
SEEDS_NEEDED = 5
NEAR_BOUND = 0.05  # share of the learning rate's range, in logarithms


@dataclass(frozen=True)
class Verdict:
    """The sentence on one data set, the winner if there is one, and otherwise the reasons."""

    sentence: str
    winner: str | None
    reasons: tuple[str, ...] = ()


def verdict(findings: Findings, dataset: str) -> Verdict:
    """Return which model is best at the largest budget, by the protocol's metric, or why no winner is named."""
    name, metric = findings.title(dataset), findings.protocol.training.monitor
    rows = findings.rows(dataset).drop_nulls(metric)
    if rows.is_empty():
        counts = {status: int(findings.rows(dataset)[status].sum()) for status in ("failed", "collapsed")}
        reason = "; ".join(
            ["no final run is complete", *(f"{count} runs {status}" for status, count in counts.items() if count)]
        )
        return Verdict(f"{name}: no winner is named: {reason}.", None, (reason,))
    budget = _compared_budget(rows)
    rows = rows.filter(pl.col("budget") == budget).sort(metric, descending=better(metric) > 0)
    best, value, half = rows.select("model", metric, f"{metric}_interval").row(0)
    values = cells(findings.runs, metric)[dataset, budget]
    pairs = {_other(pair, best): pair for pair in all_pairs(values) if best in (pair.a, pair.b)}
    reasons = [
        *_missing(findings, rows, budget),
        *_too_few(rows),
        *_not_apart(pairs),
        *_few_examples(findings, dataset, budget, best, metric),
        *_too_short(findings, dataset),
    ]
    score = f"{LABEL[metric]} {value:.4f}" + (f" ± {half:.4f}" if half is not None else "")
    lead = _lead(best, rows["model"].to_list(), pairs)
    where = f"at {budget:g} training MFLOP per example"
    if reasons:
        return Verdict(
            f"{name}: no winner is named. {title(best)} has the best mean {where}, {score}{lead}, but {'; '.join(reasons)}.",
            None,
            tuple(reasons),
        )
    return Verdict(f"{name}: {title(best)} is best {where}, {score}{lead}.{_trend(findings, dataset, best)}", best)


def _compared_budget(rows: pl.DataFrame) -> float:
    """Return the largest budget at which at least two models have final runs, or else the largest."""
    counts = rows.group_by("budget").len().sort("budget")
    several = counts.filter(pl.col("len") > 1)["budget"].to_list()
    return float((several or counts["budget"].to_list())[-1])


def _other(pair: Pair, model: str) -> str:
    return pair.b if pair.a == model else pair.a


def _lead(best: str, ranked: list[str], pairs: dict[str, Pair]) -> str:
    if len(ranked) < 2:
        return ""
    pair = pairs[ranked[1]]
    if math.isnan(pair.difference.mean):
        return ""
    half = "" if math.isnan(pair.difference.half) else f" ± {pair.difference.half:.4f}"
    return f", {abs(pair.difference.mean):.4f}{half} ahead of {title(ranked[1])}"


def _too_short(findings: Findings, dataset: str) -> list[str]:
    """Return why the models may not be trained to the end."""
    models = findings.rows(dataset).drop_nulls("logloss")["model"].unique().to_list()
    reason = problem(findings.gains(dataset), models)
    return [reason] if reason else []


def _missing(findings: Findings, rows: pl.DataFrame, budget: float) -> list[str]:
    if len(rows) == 1:
        return ["no other model has a final run at this budget"]
    missing = [title(m) for m in findings.protocol.models if m not in rows["model"].to_list()]
    return (
        [f"{_listed(missing)} {'has' if len(missing) == 1 else 'have'} no final run at this budget"] if missing else []
    )


def _too_few(rows: pl.DataFrame) -> list[str]:
    trials, seeds = rows["trials"].to_list(), rows["seeds"].to_list()
    reasons = []
    if min(trials) != max(trials):
        reasons.append(f"the number of trials differs between models ({min(trials)} to {max(trials)})")
    if min(trials) < TRIALS_NEEDED:
        count = f"{min(trials)} {'trial' if min(trials) == 1 else 'trials'} per study"
        reasons.append(f"{count} is below the {TRIALS_NEEDED} required to name a winner")
    if min(seeds) < SEEDS_NEEDED:
        count = f"{min(seeds)} {'seed' if min(seeds) == 1 else 'seeds'}"
        reasons.append(f"{count} is below the {SEEDS_NEEDED} required to name a winner")
    return reasons


def _not_apart(pairs: dict[str, Pair]) -> list[str]:
    others = [title(model) for model, pair in pairs.items() if not pair.apart]
    return [f"it cannot be told apart from {_listed(others)} by its seeds"] if others else []


def _few_examples(findings: Findings, dataset: str, budget: float, best: str, metric: str) -> list[str]:
    noise = [n for n in findings.row_noise(dataset) if n.budget == budget and n.leader == best and n.model != best]
    close = [title(n.model) for n in noise if abs(n.gap[metric]) < n.detectable(metric)]
    if not close:
        return []
    return [f"the gap to {_listed(close)} is within the sampling noise of the {noise[0].examples:,} test examples"]


def _trend(findings: Findings, dataset: str, best: str) -> str:
    """Return how the winner scales, and whether its lead over the reference changes with compute."""
    _, _, scalings = findings.scaling(dataset)
    scaling = next((s for s in scalings if s.curve.model == best), None)
    if scaling is None or math.isnan(scaling.slope[1]):
        return ""
    slope = f" Its LogLoss changes by {scaling.slope[0]:+.2f} ± {scaling.slope[1]:.2f} % per 4x compute".replace(
        "-", "−"
    )
    if scaling.against is None:
        return f"{slope}."
    against = f"{scaling.against.difference.mean:+.2f} ± {scaling.against.difference.half:.2f}".replace("-", "−")
    significant = scaling.against.p < SIGNIFICANCE
    lead = "its lead changes with compute" if significant else "no significant change of its lead with compute"
    return f"{slope}, a difference of {against} points from {title(scaling.against.b)}: {lead}."


def _listed(names: list[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def warnings(findings: Findings, dataset: str) -> list[str]:
    """Return what a reader must know before relying on the data set's numbers."""
    return [
        *_near_bounds(findings, dataset),
        *_unfinished(findings, dataset),
        *_beyond_bayes(findings, dataset),
        *_mixed(findings, dataset),
        *_not_converged(findings, dataset),
    ]


def _not_converged(findings: Findings, dataset: str) -> list[str]:
    epochs = findings.protocol.training.epochs
    count = f"{epochs} {'epoch' if epochs == 1 else 'epochs'}"
    return [f"Trained for {count}: {reason}." for reason in _too_short(findings, dataset)]


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
    requested = findings.protocol.search.trials
    for row in findings.rows(dataset).sort("model", "budget").iter_rows(named=True):
        name = f"{title(row['model'])} at {row['budget']:g} MFLOP"
        attempted = row["trials"] + row["trials_failed"] + row["trials_collapsed"]
        if attempted and row["trials"] / attempted < FINISHED_SHARE:
            texts.append(f"{name}: {row['trials']} of {attempted} trials finished.")
        elif row["trials"] < requested:
            texts.append(f"{name}: {row['trials']} of {requested} trials so far.")
        seeds = row["seeds"] + row["seeds_failed"] + row["seeds_collapsed"]
        texts += [
            f"{name}: {row[f'seeds_{s}']} of {seeds} seeds {s}." for s in ("failed", "collapsed") if row[f"seeds_{s}"]
        ]
        if row["trials_collapsed"]:
            texts.append(f"{name}: {row['trials_collapsed']} of {attempted} trials collapsed: they do not rank.")
    return texts


def _beyond_bayes(findings: Findings, dataset: str) -> list[str]:
    bound = findings.bounds(dataset).get("Bayes")
    rows = findings.rows(dataset).drop_nulls("logloss_interval")
    if not bound or rows.is_empty():
        return []
    beyond = (
        rows.filter(pl.col("logloss") + pl.col("logloss_interval") < bound["logloss"])["model"]
        .unique()
        .sort()
        .to_list()
    )
    return (
        [f"Better than the Bayes bound, which is impossible: {_listed([title(m) for m in beyond])}."] if beyond else []
    )


def _mixed(findings: Findings, dataset: str) -> list[str]:
    records = [record for record in findings.records if record.dataset == dataset]
    texts = []
    kinds: dict[str, set[object]] = {
        "devices": {record.device for record in records},
        "commits of the suite": {record.commit for record in records},
        "package versions": {tuple(sorted(record.versions.items())) for record in records},
    }
    texts += [f"Records come from {len(values)} different {kind}." for kind, values in kinds.items() if len(values) > 1]
    if any(record.dirty for record in records):
        texts.append("Some records were made with uncommitted changes in the suite.")
    if findings.protocol.overrides:
        texts.append(f"The protocol was changed on the command line: {', '.join(findings.protocol.overrides)}.")
    if not findings.row_noise(dataset) and any(record.test for record in records):
        texts.append("No test predictions were kept, so the sampling noise of the test part is unknown.")
    return texts
