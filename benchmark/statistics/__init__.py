"""Statistics over seeds, test examples, trials and budgets: pure functions of numbers."""

from benchmark.statistics.examples import AucTest, auc_test, bootstrap_error, logloss_differences
from benchmark.statistics.groups import letters, pareto
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
    "POWER",
    "SIGNIFICANCE",
    "STEP",
    "AucTest",
    "Difference",
    "Line",
    "Match",
    "PowerLaw",
    "auc_test",
    "bootstrap_error",
    "compute_to_match",
    "difference",
    "expected_best",
    "holm",
    "letters",
    "line",
    "logloss_differences",
    "mean_interval",
    "minimum_detectable",
    "normal_half",
    "pareto",
    "power_law",
]
