"""Statistics over blocks, seeds, test examples, trials and budgets: pure functions of numbers."""

from benchmark.statistics.blocks import (
    MOST_MISSING,
    Blocks,
    Contrasts,
    Study,
    column,
    contrasts,
    over_budgets,
    row_covariance,
)
from benchmark.statistics.examples import AucTest, auc_test, bootstrap_error, logloss_differences
from benchmark.statistics.groups import letters, pareto
from benchmark.statistics.moderation import moderate
from benchmark.statistics.scales import Scale
from benchmark.statistics.scaling import STEP, Line, Match, PowerLaw, compute_to_match, line, power_law
from benchmark.statistics.search import expected_best
from benchmark.statistics.seeds import (
    CONFIDENCE,
    POWER,
    SIGNIFICANCE,
    Difference,
    difference,
    holm,
    mean_interval,
    minimum_detectable,
    normal_half,
)

__all__ = [
    "CONFIDENCE",
    "MOST_MISSING",
    "POWER",
    "SIGNIFICANCE",
    "STEP",
    "AucTest",
    "Blocks",
    "Contrasts",
    "Difference",
    "Line",
    "Match",
    "PowerLaw",
    "Scale",
    "Study",
    "auc_test",
    "bootstrap_error",
    "column",
    "compute_to_match",
    "contrasts",
    "difference",
    "expected_best",
    "holm",
    "letters",
    "line",
    "logloss_differences",
    "mean_interval",
    "minimum_detectable",
    "moderate",
    "normal_half",
    "over_budgets",
    "pareto",
    "power_law",
    "row_covariance",
]
