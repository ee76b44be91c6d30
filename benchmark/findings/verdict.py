"""The verdict on a data set in one sentence: the winner, or which models may be the best and why no winner is named."""

from dataclasses import dataclass

import polars as pl

from benchmark.findings import Findings
from benchmark.findings.convergence import problem
from benchmark.findings.decision import Decision, Standing
from benchmark.findings.scaling import gain, unit
from benchmark.findings.summary import LABEL, title
from benchmark.records.predictions import LIMIT
from benchmark.statistics import gaps

TRIALS_NEEDED = 10  # per block; with fewer, the best trial depends more on luck than on the model
BLOCKS_NEEDED = 3  # two find a difference less often than a plan states


@dataclass(frozen=True)
class Verdict:
    """The sentence on one data set, the winner if there is one, and otherwise the reasons."""

    sentence: str
    winner: str | None
    reasons: tuple[str, ...] = ()


def verdict(findings: Findings, dataset: str) -> Verdict:
    """Return which model is best in the mean over budgets, by the protocol's metric, or which may be and why none is named."""
    name, metric = findings.title(dataset), findings.metric
    rows = findings.rows(dataset)
    if rows[metric].is_null().all():
        counts = {status: int(rows[status].sum()) for status in ("failed", "collapsed")}
        reason = "; ".join(
            ["no final run is complete", *(f"{count} runs {status}" for status, count in counts.items() if count)]
        )
        return Verdict(f"{name}: no winner is named: {reason}.", None, (reason,))
    decision = findings.decision(dataset)
    reasons = [
        *_missing(findings, dataset),
        *_one_search(findings, dataset),
        *_too_few(findings, dataset),
        *_rows_unknown(findings, dataset),
        *too_short(findings, dataset),
    ]
    where = _where(findings, dataset)
    if decision.winner is None:
        first = _several(findings, decision, where)
        reasons = [*([first] if first else []), *reasons]
        return Verdict(f"{name}: no winner is named: {'; '.join(reasons)}.", None, tuple(reasons))
    best = decision.standings[0]
    score = f"{LABEL[metric]} {_interval(best)}{_lead(findings, dataset, decision)}"
    if reasons:
        text = f"{name}: no winner is named. {title(best.model)} is best {where}, {score}, but {'; '.join(reasons)}."
        return Verdict(text, None, tuple(reasons))
    trend = _trend(findings, dataset, best.model)
    covers = findings.scores(dataset, metric).covers
    return Verdict(f"{name}: {title(best.model)} is best {where}, {score}; ± covers {covers}.{trend}", best.model)


def _where(findings: Findings, dataset: str) -> str:
    """Return the budgets of the comparison in words."""
    budgets = findings.scores(dataset, findings.metric).blocks.budgets
    if len(budgets) == 1:
        return f"at {budgets[0]:g} training MFLOP per example"
    return f"in the mean over {len(budgets)} budgets ({budgets[0]:g} to {budgets[-1]:g} training MFLOP per example)"


def _several(findings: Findings, decision: Decision, where: str) -> str:
    """Return which models may be the best, and how far the cheapest of them are behind at most; empty if none is compared."""
    possible = {standing.model: standing for standing in decision.possible}
    if len(possible) < 2:
        return ""
    text = f"{listed(list(map(title, possible)))} may be the best {where}"
    measures: dict[str, list[str]] = {}  # by the model that is the cheapest
    for model, measure in ((decision.fastest, "measured training time"), (decision.smallest, "dense parameters")):
        if model in possible and possible[model].behind is not None:
            measures.setdefault(model, []).append(measure)
    for model, named in measures.items():
        bound = f"at most {possible[model].behind:.4f} {LABEL[findings.metric]} behind"
        text += f"; the cheapest by {listed(named)} is {title(model)}, {bound}"
    return text


def _interval(standing: Standing) -> str:
    return f"{standing.mean:.4f}" + ("" if standing.half is None else f" ± {standing.half:.4f}")


def _lead(findings: Findings, dataset: str, decision: Decision) -> str:
    best, second = decision.standings[:2]
    scores, both = findings.scores(dataset, findings.metric), {best.model, second.model}
    gap = next(gap for gap in gaps(scores.overall) if {gap.a, gap.b} == both)
    value, half = scores.difference(scores.overall, gap)
    shown = "" if half is None else f" ± {half:.4f}"
    return f", {abs(value):.4f}{shown} ahead of {title(second.model)}"


def too_short(findings: Findings, dataset: str) -> list[str]:
    """Return why the models may not be trained to the end; a single pass over the data is not meant to be the end."""
    if findings.protocol.totals:
        return []
    models = findings.rows(dataset).drop_nulls("logloss")["model"].unique().to_list()
    reason = problem(findings.gains(dataset), models)
    return [reason] if reason else []


def _missing(findings: Findings, dataset: str) -> list[str]:
    scores = findings.scores(dataset, findings.metric)
    overall, planned = scores.overall, findings.protocol.models
    perfect = [model for model in planned if model in {model for model, _ in scores.outside}]
    absent = [model for model in planned if model not in (*overall.models, *perfect)]
    thin = [model for model in planned if model in overall.models and model not in (*overall.compared.models, *perfect)]
    reasons = []
    if perfect:
        verb, metric = "has" if len(perfect) == 1 else "have", LABEL[findings.metric]
        reasons.append(
            f"{_titles(perfect)} {verb} final runs with a perfect {metric}, as a leak gives it, and no logarithm"
        )
    if absent:
        where = "at every budget" if len(scores.blocks.budgets) > 1 else "at this budget"
        reasons.append(f"{_titles(absent)} {'has' if len(absent) == 1 else 'have'} no final run {where}")
    if thin and scores.replicated:
        verb = "lacks" if len(thin) == 1 else "lack"
        reasons.append(f"{_titles(thin)} {verb} more than a third of the blocks of a study")
    if len(overall.models) < 2 and not absent and not perfect:
        reasons.append("there is no other model to compare with")
    return reasons


def _titles(models: list[str]) -> str:
    return listed([title(model) for model in models])


def _one_search(findings: Findings, dataset: str) -> list[str]:
    if findings.scores(dataset, findings.metric).replicated:
        return []
    return ["each study is one search, whose luck is not in the interval"]


def _too_few(findings: Findings, dataset: str) -> list[str]:
    blocks = findings.rows(dataset)["blocks"].to_list()
    reasons = []
    counted = (pl.col("kind") == "trial") & pl.col("status").is_in(["complete", "pruned"])
    runs = findings.runs.filter(pl.col("dataset") == dataset)
    trials = runs.group_by("model", "budget", "block").agg(trials=counted.sum())["trials"].to_list()
    if min(trials) != max(trials):
        reasons.append(f"the number of trials differs between searches ({min(trials)} to {max(trials)})")
    if min(trials) < TRIALS_NEEDED:
        count = f"{min(trials)} {'trial' if min(trials) == 1 else 'trials'} per search"
        reasons.append(f"{count} is below the {TRIALS_NEEDED} required to name a winner")
    if max(blocks) > 1 and min(blocks) < BLOCKS_NEEDED:
        count = f"{min(blocks)} {'block' if min(blocks) == 1 else 'blocks'}"
        reasons.append(f"{count} is below the {BLOCKS_NEEDED} required to name a winner")
    return reasons


def _rows_unknown(findings: Findings, dataset: str) -> list[str]:
    """Return that the noise of the test rows is unknown, unless the test part is so large that predictions are never kept."""
    scores, examples = findings.scores(dataset, findings.metric), findings.of(dataset).rows
    if not scores.replicated or scores.blocks.rows is not None or examples.get("test", 0) > LIMIT:
        return []
    why = "metrics are weighted" if findings.of(dataset).weight_column else "predictions are missing"
    return [f"the noise of the test rows is unknown: {why}"]


def _trend(findings: Findings, dataset: str, best: str) -> str:
    """Return how the winner scales, and whether its lead over the reference changes with compute."""
    scores = findings.scores(dataset, findings.metric)
    scaling = next((s for s in findings.scaling(dataset) if s.model == best), None)
    if scaling is None or scaling.slope is None:
        return ""
    own, half = gain(scores, scaling.slope)
    text = f" Its mean gain per 4x compute is {own:+.2f} ± {half:.2f} % of {unit(scores)}"
    if scaling.against is None:
        return f"{text}.".replace("-", "−")
    more, half_more = gain(scores, scaling.against)
    change = (
        "its lead changes with compute"
        if scaling.against.apart
        else "whether its lead changes with compute is not resolved"
    )
    return f"{text}, {more:+.2f} ± {half_more:.2f} points more than {title(scaling.against.b)}'s: {change}.".replace(
        "-", "−"
    )


def listed(names: list[str]) -> str:
    """Return names as a list in words."""
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
