"""What every model must satisfy: the checks behind `wukong-bench check`, `benchmark.check` and the conformance tests.

Each check returns a sentence on its outcome, or raises Fault with a sentence on what is wrong and how to fix it.
"""

import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import torch

from benchmark.checks import behaviour, compute, learning
from benchmark.checks.sample import Fault
from benchmark.errors import CheckError
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


def check(model: type[CTRModel], *, must_pass: bool = False) -> list[Line]:
    """Return the outcome of every check of a model: its name, whether the model passed, and what was seen or is wrong.

    Takes up to a minute. An exception raised by the model is a failed check.

    Args:
        model: the class to check, as `models.load` and `models.load_file` return it.
        must_pass: raise CheckError if a check fails.
    """
    if not (isinstance(model, type) and issubclass(model, CTRModel)):
        raise TypeError(f"check needs a subclass of models.base.CTRModel, got {model!r}")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        lines = list(outcomes(model))
    finally:
        torch.set_num_threads(threads)
    failures = [f"{line.name}: {line.text}" for line in lines if not line.passed]
    if must_pass and failures:
        raise CheckError(f"{model.__name__} fails {len(failures)} of {len(lines)} checks: {'; '.join(failures)}")
    return lines


def outcomes(model_class: type[CTRModel], names: Iterable[str] = CHECKS) -> Iterator[Line]:
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
