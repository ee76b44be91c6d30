"""What every model must satisfy: the checks behind `wukong-bench check` and the conformance tests.

Each check returns a sentence on its outcome, or raises Fault with a sentence on what is wrong and how to fix it.
"""

import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from benchmark.checks import behaviour, compute, learning
from benchmark.checks.sample import Fault
from models.base import CTRModel

CHECKS: dict[str, Callable[[type[CTRModel]], str]] = {
    "flops": compute.check_flops,
    "budgets": compute.check_budgets,
    "gradients": behaviour.check_gradients,
    "fields": behaviour.check_fields,
    "rows": behaviour.check_rows,
    "modes": behaviour.check_modes,
    "determinism": behaviour.check_determinism,
    "precision and capture": behaviour.check_precision_and_capture,
    "memorising": learning.check_memorising,
    "trial 0": learning.check_trial_0,
}


@dataclass(frozen=True)
class Line:
    """The outcome of one check."""

    name: str
    passed: bool
    text: str


def check(model_class: type[CTRModel], names: Iterable[str] = CHECKS) -> Iterator[Line]:
    """Run checks on a model; an exception raised by the model is a failed check."""
    for name in names:
        yield _outcome(name, CHECKS[name], model_class)


def _outcome(name: str, run: Callable[[type[CTRModel]], str], model_class: type[CTRModel]) -> Line:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Initializing zero-element tensors")  # DLRM of one field has no pairs
        try:
            return Line(name, True, run(model_class))
        except Fault as fault:
            return Line(name, False, str(fault))
        except Exception as error_:
            return Line(name, False, f"{type(error_).__name__}: {error_}")
