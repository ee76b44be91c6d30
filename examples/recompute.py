"""Recompute a report's means, intervals and letters from its parquet export, without the suite's code.

    wukong-bench export NAME --format parquet --out DIR
    python examples/recompute.py DIR

Imports polars, numpy and scipy only. The rules are those of docs/statistics.md, written out once more. Prints the mean over
budgets of each model, and the largest difference from what the export states.
"""

import itertools
import math
import string
import sys
from pathlib import Path

import numpy as np
import polars as pl
from scipy import optimize, special, stats

LEVEL = 0.05
Study = tuple[str, float]  # model, budget


def working(metric: str, values: pl.Series, floor: float) -> list[float]:
    """Return ln(1 - AUC) or ln(LogLoss - floor)."""
    return ((1 - values) if metric == "auc" else (values - floor)).log().to_list()


def natural(metric: str, y: float, floor: float) -> float:
    """Return the metric at y."""
    return 1 - math.exp(y) if metric == "auc" else floor + math.exp(y)


def blocks_of(runs: pl.DataFrame, metric: str, floor: float) -> dict[Study, list[float]]:
    """Return the finished blocks of each study: means of final runs on the working scale."""
    done = runs.filter(pl.col("kind") == "final", pl.col("status") == "complete")
    done = done.with_columns(y=pl.Series(working(metric, done[f"test_{metric}"], floor)))
    means = done.group_by("model", "budget", "block").agg(pl.col("y").mean()).sort("model", "budget", "block")
    blocks: dict[Study, list[float]] = {}
    for model, budget, _, y in means.iter_rows():
        blocks.setdefault((model, budget), []).append(y)
    return blocks


def moderated(s2: np.ndarray, d: np.ndarray, budgets: list[float]) -> tuple[np.ndarray, np.ndarray]:
    """Return moderated variances and their degrees of freedom, from variances with d degrees."""
    if len(s2) == 1 or not s2.any():
        return np.where(s2 > 0, s2, np.nan), d
    groups = sorted(set(budgets))
    of_group = [np.array(budgets) == budget for budget in groups]
    median = float(np.median(s2)) or float(s2[s2 > 0].min())
    z = np.log(np.maximum(s2, 1e-5 * median)) - special.digamma(d / 2) + np.log(d / 2)
    center = [float(z[group].mean()) for group in of_group]
    scatter = sum(float(((z[g] - e) ** 2).sum()) for g, e in zip(of_group, center, strict=True))
    excess = scatter / max(len(s2) - len(groups), 1) - float(special.polygamma(1, d / 2).mean())
    prior = 1e4
    if excess > 0:
        prior = min(prior, 2 * optimize.brentq(lambda x: special.polygamma(1, x) - excess, 1e-9, 1e9))
    location = []
    for group, e in zip(of_group, center, strict=True):
        typical = math.exp(e + special.digamma(prior / 2) - math.log(prior / 2))
        location.append(math.sqrt(typical * float(s2[group].mean())) if s2[group].any() else math.nan)
    common = math.exp(float(np.nanmean(np.log(location))))
    target = np.array(
        [max(common, location[groups.index(b)]) if s2[of_group[groups.index(b)]].any() else common for b in budgets]
    )
    weight = np.minimum(prior, d * min(4.0, (len(s2) - 1) / 8))
    return (weight * target + d * s2) / (weight + d), weight + d


def compared(
    blocks: dict[Study, list[float]],
    parts: dict[str, list[Study]],
    rows: dict[tuple[Study, Study], float],
    missing: dict[Study, float],
) -> tuple[dict[str, float], dict[str, float], dict[str, str]]:
    """Return mean, half-width and letters of models, each the mean over its studies.

    Args:
        blocks: of all studies of the data set.
        parts: the studies of each model: one for a budget, all for the mean over budgets.
        rows: covariance of studies by test rows on the working scale; empty if unknown.
        missing: share of each study's blocks; above a third, its model gets no letters.
    """
    names = [name for name, studies in parts.items() if all(len(blocks.get(study, [])) > 1 for study in studies)]
    if not names:
        return {}, {}, {}
    several = len(parts[names[0]]) > 1
    if several:  # variances of the models' means, moderated over the models
        share = 1 / len(parts[names[0]])
        terms = [[share**2 * np.var(blocks[s], ddof=1) / len(blocks[s]) for s in parts[name]] for name in names]
        raw = np.array([sum(row) for row in terms])
        own = [[len(blocks[s]) - 1 for s in parts[name]] for name in names]
        nu = np.mean(
            [
                total**2 / sum(t**2 / d for t, d in zip(row, degrees, strict=True)) if total > 0 else sum(degrees)
                for total, row, degrees in zip(raw, terms, own, strict=True)
            ]
        )
        variance, degrees = moderated(raw, np.full(len(names), nu), [0.0] * len(names))
    else:  # variances of all studies of the data set, moderated together
        known = [study for study, of in blocks.items() if len(of) > 1]
        s2 = np.array([np.var(blocks[study], ddof=1) for study in known])
        v, f = moderated(s2, np.array([len(blocks[study]) - 1.0 for study in known]), [budget for _, budget in known])
        at = [known.index(parts[name][0]) for name in names]
        variance, degrees = v[at] / [len(blocks[known[i]]) for i in at], f[at]
    mean = np.array([np.mean([np.mean(blocks[study]) for study in parts[name]]) for name in names])
    size = len(parts[names[0]])
    covariance = np.array(
        [[sum(rows.get((s, t), 0.0) for s in parts[a] for t in parts[b]) / size**2 for b in names] for a in names]
    )
    total = variance + covariance.diagonal()
    half = stats.t.ppf(1 - LEVEL / 2, total**2 / (variance**2 / degrees)) * np.sqrt(total)
    enough = [i for i, name in enumerate(names) if max(missing[study] for study in parts[name]) <= 1 / 3 + 1e-9]
    pairs, p = list(itertools.combinations(enough, 2)), []
    for i, j in pairs:
        of_rows = max(0.0, covariance[i, i] + covariance[j, j] - 2 * covariance[i, j])
        square = variance[i] + variance[j] + of_rows
        nu = square**2 / (variance[i] ** 2 / degrees[i] + variance[j] ** 2 / degrees[j])
        p.append(2 * stats.t.sf(abs(mean[i] - mean[j]) / math.sqrt(square), nu))
    apart, running = set(), 0.0
    for rank, k in enumerate(np.argsort(p)):  # Holm
        running = max(running, (len(p) - rank) * p[k])
        if running < LEVEL:
            apart.add(frozenset(names[i] for i in pairs[k]))
    ranked = [names[i] for i in sorted(enough, key=lambda i: (mean[i], names[i]))]
    means, halves = (dict(zip(names, values.tolist(), strict=True)) for values in (mean, half))
    return means, halves, letters(ranked, apart)


def letters(ranked: list[str], apart: set[frozenset[str]]) -> dict[str, str]:
    """Return letters by brute force: one for each largest group of models of which no two are apart."""
    groups = [
        set(group)
        for size in range(len(ranked), 0, -1)
        for group in itertools.combinations(ranked, size)
        if not any(frozenset(pair) in apart for pair in itertools.combinations(group, 2))
    ]
    largest = [group for group in groups if not any(group < other for other in groups)]
    largest.sort(key=lambda group: sorted(ranked.index(name) for name in group))
    named = {name: "".join(string.ascii_lowercase[i] for i, g in enumerate(largest) if name in g) for name in ranked}
    return named if len(ranked) > 1 else {}


def main(folder: Path) -> float:
    """Print the recomputed means over budgets and return the largest relative difference from the export."""
    runs, summary, overall, noise = (
        pl.read_parquet(folder / f"{name}.parquet") for name in ("runs", "summary", "overall", "row_noise")
    )
    worst, differing = 0.0, 0
    for dataset, metric in itertools.product(sorted(runs["dataset"].unique()), ("logloss", "auc")):
        of_set = summary.filter(pl.col("dataset") == dataset)
        if of_set["blocks"].max() == 1:
            print(f"{dataset}: one search per study, so there is nothing to recompute")
            continue
        floor = float(of_set["floor"][0]) if metric == "logloss" else 0.0
        blocks = blocks_of(runs.filter(pl.col("dataset") == dataset), metric, floor)
        scale = {study: math.exp(np.mean(of)) for study, of in blocks.items()}
        rows = {
            ((a, x), (b, y)): c / scale[a, x] / scale[b, y]
            for a, x, b, y, c in noise.filter(pl.col("dataset") == dataset, pl.col("metric") == metric)
            .select("model", "budget", "other_model", "other_budget", "covariance")
            .iter_rows()
        }
        missing = {
            (row["model"], row["budget"]): row["blocks_missing"] / (row["blocks"] + row["blocks_missing"])
            for row in of_set.filter(pl.col("blocks") > 0).iter_rows(named=True)
        }
        budgets, models = sorted({budget for _, budget in blocks}), sorted({model for model, _ in blocks})
        families = [{m: [(m, b)] for m in models} for b in budgets] + [{m: [(m, b) for b in budgets] for m in models}]
        print(f"\n{dataset}, {metric}, mean over {len(budgets)} budgets")
        for family in families:
            mean, half, groups = compared(blocks, family, rows, missing)
            last = family is families[-1]
            for model in mean:
                if last:
                    kept = overall.filter(
                        pl.col("dataset") == dataset, pl.col("metric") == metric, pl.col("model") == model
                    ).row(0, named=True)
                    stated = (kept["mean"], kept["interval"], kept["letters"])
                else:
                    kept = of_set.filter(pl.col("model") == model, pl.col("budget") == family[model][0][1]).row(
                        0, named=True
                    )
                    stated = (kept[metric], kept[f"{metric}_interval"], kept[f"{metric}_letters"])
                ours = natural(metric, mean[model], floor), math.exp(mean[model]) * half[model]
                worst = max(worst, *(abs(a / b - 1) for a, b in zip(ours, stated[:2], strict=True)))
                differing += groups.get(model) != stated[2]
                if last:
                    print(f"{model:12} {ours[0]:.4f} ± {ours[1]:.4f} {groups.get(model, '')}")
    print(f"\nlargest relative difference from the export: {worst:.1e}; {differing} letters differ")
    return worst + differing


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])) > 1e-6)
