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
from benchmark.statistics.examples import Sampled, auc, logloss
from benchmark.statistics.families import (
    DIAGRAM_SETS,
    Candidate,
    Change,
    Gap,
    beyond_sets,
    block_letters,
    candidates,
    changes,
    gaps,
    leader,
    over_sets,
    rank_intervals,
    ranking,
    winner,
)
from benchmark.statistics.groups import letters, pareto
from benchmark.statistics.moderation import moderate
from benchmark.statistics.planning import detectable
from benchmark.statistics.scales import Scale
from benchmark.statistics.scaling import STEP, PowerLaw, power_law
from benchmark.statistics.search import expected_best
from benchmark.statistics.seeds import CONFIDENCE, POWER, SIGNIFICANCE, holm, mean_interval, t_quantile
from benchmark.statistics.student import replicate_coverage
from benchmark.statistics.trends import Crossing, crossing, last_steps, line, slopes

__all__ = [
    "CONFIDENCE",
    "DIAGRAM_SETS",
    "MOST_MISSING",
    "POWER",
    "SIGNIFICANCE",
    "STEP",
    "Blocks",
    "Candidate",
    "Change",
    "Contrasts",
    "Crossing",
    "Gap",
    "PowerLaw",
    "Sampled",
    "Scale",
    "Study",
    "auc",
    "beyond_sets",
    "block_letters",
    "candidates",
    "changes",
    "column",
    "contrasts",
    "crossing",
    "detectable",
    "expected_best",
    "gaps",
    "holm",
    "last_steps",
    "leader",
    "letters",
    "line",
    "logloss",
    "mean_interval",
    "moderate",
    "over_budgets",
    "over_sets",
    "pareto",
    "power_law",
    "rank_intervals",
    "ranking",
    "replicate_coverage",
    "row_covariance",
    "slopes",
    "t_quantile",
    "winner",
]
