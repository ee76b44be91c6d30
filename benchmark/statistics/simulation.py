"""Simulated searches: how often the rules for blocks make false claims, cover the truth and find a lead.

python -m benchmark.statistics.simulation --blocks 4 --trials 10 --seeds 3 --models 9 --budgets 4 --replications 500
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from scipy import special

from benchmark.statistics.blocks import Blocks, Contrasts, column, over_budgets
from benchmark.statistics.families import candidates, gaps
from benchmark.statistics.planning import detectable
from benchmark.statistics.trends import slopes

RATIOS = (1.0, 3.0, 5.0)  # noise of the search in standard deviations of a seed
MODELS_SPREAD, BUDGETS_SPREAD, STUDIES_SPREAD = 0.55, 0.35, 0.2  # of the log standard deviations where they are unequal
ANNOUNCED = 60  # seconds; a longer simulation says how long it takes before it starts

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Design:
    """What is simulated: R blocks of T trials and S final runs for each of K models at each of B budgets."""

    blocks: int = 4
    trials: int = 10
    seeds: int = 3
    models: int = 9
    budgets: int = 4

    def detectable(self, averaged: bool) -> float:
        """Return the detectable difference at one budget or of the mean over budgets, in standard deviations of a block."""
        return detectable(
            blocks=self.blocks,
            models=self.models,
            budgets=self.budgets,
            search=1.0,
            seed=0.0,
            seeds=self.seeds,
            averaged=averaged,
        )


@dataclass(frozen=True)
class Noise:
    """How blocks vary. The root mean square over studies of a block's standard deviation is 1."""

    ratio: float  # standard deviation of the search in standard deviations of a seed
    unequal: bool = False  # over models and budgets; equal otherwise
    skewed: bool = False  # exponential trials, which have a best possible result; normal otherwise

    def __str__(self) -> str:
        return f"{'unequal' if self.unequal else 'equal'}, {'skewed' if self.skewed else 'normal'}"


CONDITIONS = tuple(
    Noise(ratio, unequal, skewed) for unequal in (False, True) for skewed in (False, True) for ratio in RATIOS
)


@dataclass(frozen=True)
class Shares:
    """Shares over replications. One model leads for `power_*`; all are equal for the others."""

    false_column: float  # some pair of models apart at a budget, mean over budgets
    false_worst: float  # the same at the budget where it is most frequent
    false_mean: float  # some pair apart in the mean over budgets
    covered_study: float  # intervals of a study's mean that hold the true mean
    covered_mean: float  # of a model's mean over budgets
    covered_slope: float  # of a model's slope; nan for a single budget
    power_column: float  # pairs with the leading model that are apart, at a budget
    power_mean: float  # in the mean over budgets
    best_kept: float  # budgets at which one of the equal models is in the set that may hold the best


def draw(design: Design, noise: Noise, generator: np.random.Generator) -> Array:
    """Return results of the blocks of equal models (K, B, R), with mean 0: the best of T trials, and the mean of S runs.

    Args:
        design: the numbers of each.
        noise: how blocks vary.
        generator: of the random draws.
    """
    shape = (design.models, design.budgets, design.blocks)
    grid = (np.arange(20_000) + 0.5) / 20_000
    typical = _best(grid, design.trials, noise.skewed)
    search = (_best(generator.random(shape), design.trials, noise.skewed) - typical.mean()) / typical.std()
    seed = generator.normal(size=shape) / math.sqrt(design.seeds)
    block = (noise.ratio * search + seed) / math.sqrt(noise.ratio**2 + 1 / design.seeds)
    return block * _deviations(design, generator)[..., None] if noise.unequal else block


def simulate(
    design: Design,
    noise: Noise,
    replications: int,
    *,
    seed: int | Sequence[int] = 0,
    lead: float | None = None,
    on_step: Callable[[], None] = lambda: None,
) -> Shares:
    """Return how often the rules are right and wrong over independent repetitions of a whole comparison.

    Args:
        design: of the comparison.
        noise: how blocks vary.
        replications: number of comparisons.
        seed: of the random draws.
        lead: true lead of the first model in standard deviations of a block; what is detectable in each family if None.
        on_step: called after each comparison.
    """
    generator = np.random.default_rng(seed)
    leads = [design.detectable(averaged) if lead is None else lead for averaged in (False, True)]
    rows = []
    for _ in range(replications):
        rows.append(_replicate(design, draw(design, noise, generator), *leads))
        on_step()
    mean = np.mean(rows, 0)
    columns = mean[: design.budgets]
    return Shares(float(columns.mean()), float(columns.max()), *mean[design.budgets :].tolist())


def _replicate(design: Design, values: Array, lead: float, lead_mean: float) -> list[float]:
    """Return the shares of one comparison, the false claims of each column first."""
    blocks = Blocks({(f"m{k}", float(b)): values[k, b].tolist() for k, b in np.ndindex(values.shape[:2])})
    columns, mean = [column(blocks, budget) for budget in blocks.budgets], over_budgets(blocks)
    slope = slopes(blocks, {study: 4.0 ** study[1] for study in blocks.values})
    ahead = [_ahead(part, lead) for part in columns]
    return [
        *(float(any(gap.apart for gap in gaps(part))) for part in columns),
        float(any(gap.apart for gap in gaps(mean))),
        float(np.mean([np.abs(part.values) <= part.half for part in columns])),
        float(np.mean(np.abs(mean.values) <= mean.half)),
        float(np.mean(np.abs(slope.values) <= slope.half)) if slope.models else math.nan,
        float(np.mean([_detected(part) for part in ahead])),
        _detected(_ahead(mean, lead_mean)),
        float(np.mean([c.possible for part in columns for c in candidates(part) if c.model == "m0"])),
    ]


def _ahead(contrasts: Contrasts, lead: float) -> Contrasts:
    """Return the contrasts with the first model ahead by `lead`."""
    return replace(contrasts, values=contrasts.values - lead * (np.arange(len(contrasts.models)) == 0))


def _detected(contrasts: Contrasts) -> float:
    """Return the share of pairs with the first model in which it is found better."""
    return float(np.mean([gap.apart and gap.value < 0 for gap in gaps(contrasts) if gap.a == "m0"]))


def _best(uniform: Array, trials: int, skewed: bool) -> Array:
    """Return the least of T trials from its quantile levels: the quantile 1 - (1 - u)^(1 / T) of one trial."""
    tail = np.log1p(-uniform) / trials
    return -tail if skewed else np.asarray(special.ndtri(-np.expm1(tail)))


def _deviations(design: Design, generator: np.random.Generator) -> Array:
    """Return standard deviations of the blocks of each study (K, B): models within a factor of 3, small budgets noisier."""
    budget = np.linspace(BUDGETS_SPREAD, -BUDGETS_SPREAD, design.budgets) if design.budgets > 1 else np.zeros(1)
    model = generator.uniform(-MODELS_SPREAD, MODELS_SPREAD, (design.models, 1))
    study = STUDIES_SPREAD * generator.normal(size=(design.models, design.budgets))
    square = (
        math.sinh(2 * MODELS_SPREAD) / (2 * MODELS_SPREAD) * np.exp(2 * budget).mean() * math.exp(2 * STUDIES_SPREAD**2)
    )
    return np.asarray(np.exp(model + budget + study) / math.sqrt(square))


def table(outcomes: list[tuple[Noise, Shares]]) -> Table:
    """Return a table of the shares: a line per condition (ratio: search noise / seed noise) and the mean over them."""
    heads = ("column", "worst", "mean", "study", "mean", "slope", "column", "mean", "kept")
    groups = ("false", "false", "false", "cover", "cover", "cover", "power", "power", "best")
    result = Table("noise", "ratio", box=None, pad_edge=False)
    for group, head in zip(groups, heads, strict=True):
        result.add_column(f"{group}\n{head}", justify="right")
    numbers = [list(vars(shares).values()) for _, shares in outcomes]
    for (noise, _), row in zip(outcomes, numbers, strict=True):
        result.add_row(str(noise), f"{noise.ratio:g}", *map(_short, row))
    result.add_row("mean", "", *map(_short, np.mean(numbers, 0).tolist()))
    return result


def _short(share: float) -> str:
    return "-" if math.isnan(share) else f"{share:.3f}".removeprefix("0")


def _main(
    blocks: Annotated[int, typer.Option(min=2, help="Blocks per study.")] = 4,
    trials: Annotated[int, typer.Option(min=1, help="Trials per block.")] = 10,
    seeds: Annotated[int, typer.Option(min=1, help="Final runs per block.")] = 3,
    models: Annotated[int, typer.Option(min=2, help="Models.")] = 9,
    budgets: Annotated[int, typer.Option(min=1, help="Budgets.")] = 4,
    replications: Annotated[int, typer.Option(min=1, help="Simulated comparisons per condition.")] = 500,
    lead: Annotated[float | None, typer.Option(help="Lead in block sd; what is detectable if left out.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the random draws.")] = 0,
) -> None:
    """Print false claims, coverage and power of the rules for blocks on simulated searches."""
    console, design = Console(), Design(blocks, trials, seeds, models, budgets)
    start, tried = time.perf_counter(), 5
    simulate(design, CONDITIONS[0], tried, seed=seed, lead=lead)
    expected = (time.perf_counter() - start) / tried * replications * len(CONDITIONS)
    if expected > ANNOUNCED:
        console.print(f"{len(CONDITIONS)} conditions x {replications} comparisons: about {expected / 60:.1f} min")
    outcomes = []
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bars:
        task = bars.add_task("comparisons", total=replications * len(CONDITIONS))
        for i, noise in enumerate(CONDITIONS):
            shares = simulate(
                design, noise, replications, seed=[seed, i], lead=lead, on_step=lambda: bars.advance(task)
            )
            outcomes.append((noise, shares))
    least, least_mean = (design.detectable(averaged) if lead is None else lead for averaged in (False, True))
    error = math.sqrt(0.05 * 0.95 / replications)
    console.print(f"lead: {least:.2f} sd of a block at each budget, {least_mean:.2f} in the mean over budgets")
    console.print(table(outcomes))
    console.print(f"standard error of a share of .05: {error:.3f}")


if __name__ == "__main__":
    typer.run(_main)
