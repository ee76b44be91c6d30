"""Which models may be the best in the mean over budgets, and which of them are the cheapest."""

import math
from dataclasses import dataclass

import polars as pl

from benchmark.findings.scores import Scores
from benchmark.statistics import candidates, rank_intervals, winner


@dataclass(frozen=True)
class Standing:
    """A model in the mean over budgets, in natural units of the metric."""

    model: str
    mean: float
    half: float | None  # half-width of the interval; None if unknown
    possible: bool  # it may be the best: no other model surely beats it
    behind: float | None  # at most this far behind the best; None if unknown
    ranks: tuple[int, int]  # best and worst possible


@dataclass(frozen=True)
class Decision:
    """The compared models from the best mean down. With `winner` None, several may be the best, or nothing is known."""

    standings: tuple[Standing, ...]
    winner: str | None
    fastest: str | None  # of the possible ones, by measured training time; None if it was not measured of all
    smallest: str | None  # of the possible ones, by dense parameters; None if they are not known of all

    @property
    def possible(self) -> list[Standing]:
        """Return the models that may be the best."""
        return [standing for standing in self.standings if standing.possible]


def decision(scores: Scores, rows: pl.DataFrame) -> Decision:
    """Return the decision on a data set by the mean over its budgets.

    Args:
        scores: of the data set in the metric that decides.
        rows: its summary rows.
    """
    decided = candidates(scores.overall)
    ranks = rank_intervals(scores.overall)
    standings = []
    for candidate in decided:
        y = scores.overall.value_of(candidate.model) or 0.0
        mean, half = scores.mean(candidate.model) or (math.nan, None)
        known = half is not None and not math.isnan(candidate.behind)
        behind = abs(scores.scale.natural(y - candidate.behind) - mean) if known else None
        standings.append(
            Standing(
                candidate.model, mean, half, candidate.possible, behind, ranks.get(candidate.model, (1, len(decided)))
            )
        )
    possible = [standing.model for standing in standings if standing.possible]
    seconds, parameters = 1 / pl.col("examples_per_second"), pl.col("dense_parameters")
    return Decision(
        tuple(standings), winner(decided), _least(rows, possible, seconds), _least(rows, possible, parameters)
    )


def _least(rows: pl.DataFrame, names: list[str], cost: pl.Expr) -> str | None:
    """Return the model with the least cost, mean over budgets; None if a cost is unknown."""
    costs = rows.filter(pl.col("model").is_in(names)).select("model", cost=cost)
    if costs.is_empty() or costs["cost"].has_nulls():
        return None
    return str(costs.group_by("model").agg(pl.col("cost").mean()).sort("cost", "model")["model"][0])
