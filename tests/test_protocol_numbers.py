"""A number that cannot work is refused where the protocol is read, with its key and what is allowed."""

import math
from pathlib import Path
from typing import Any

import pytest

from benchmark import protocol as protocols
from benchmark.errors import ProtocolError
from benchmark.protocol import Protocol
from benchmark.protocol.sections import Final, Search, Training

WORKS: dict[str, Any] = {"name": "p", "datasets": ["hotel"], "models": ["mlp"], "budgets": [0.1], "embedding_dim": 8}
NO_NUMBERS = (True, False, math.nan, math.inf, -math.inf, -1, "1", None, [], {}, 10**400)
LISTS = {
    "search": ("learning_rate", "embedding_l2", "weight_decay", "dropout", "embedding_std", "retrial_seeds"),
    "final": ("seeds",),
    "": ("budgets", "totals", "rows"),
}
RANGES = ("learning_rate", "rows")  # the two ends, in order
MAY_BE_LEFT_OUT = ("train_rows", "batch_rows", "prune_from")
SINGLE = {
    "training": ("batch_size", "epochs", "patience", "warmup", "clip_norm", "train_rows", "batch_rows"),
    "search": ("blocks", "trials", "train_share", "seed", "prune_from", "prune_after", "prune_keep", "finalists"),
    "": ("embedding_dim",),
}


def changed(section: str, key: str, value: Any) -> dict[str, Any]:
    return {**WORKS, section: {key: value}} if section else {**WORKS, key: value}


def message(values: dict[str, Any]) -> str:
    with pytest.raises(ProtocolError) as refused:
        protocols.validated(values, "p.toml")
    text = str(refused.value)
    assert "\n" not in text and text.startswith("p.toml: ")
    return text


def test_the_lists_below_name_every_number_of_a_protocol() -> None:
    def numbers(section: type[Any]) -> set[str]:
        plain = ("str", "Literal", "bool", "Training", "Search", "Final")
        return {
            name for name, field in section.model_fields.items() if not any(p in str(field.annotation) for p in plain)
        }

    for name, section in {"training": Training, "search": Search, "final": Final, "": Protocol}.items():
        assert numbers(section) == {*LISTS.get(name, ()), *SINGLE.get(name, ())}


@pytest.mark.parametrize(("section", "key"), [(section, key) for section, keys in SINGLE.items() for key in keys])
def test_what_is_no_number_of_a_key_is_refused(section: str, key: str) -> None:
    for value in NO_NUMBERS:
        if value is not None or key not in MAY_BE_LEFT_OUT:
            text = message(changed(section, key, value))
            assert f"{section}.{key}:".removeprefix(".") in text and " is not allowed; use a " in text, text


@pytest.mark.parametrize(("section", "key"), [(section, key) for section, keys in LISTS.items() for key in keys])
def test_what_is_no_number_of_a_list_is_refused(section: str, key: str) -> None:
    for value in NO_NUMBERS:
        text = message(changed(section, key, [value, 1e-3] if key in RANGES else [1e-3, value]))
        assert f"{section}.{key}.".removeprefix(".") in text and " is not allowed; use a " in text, text
    if key not in RANGES:
        assert key == "totals" or "is empty; give at least one value" in message(changed(section, key, []))
        twice = [1, 1] if "seeds" in key else [0.5, 0.5]
        assert "contain duplicates" in message(changed(section, key, twice))


@pytest.mark.parametrize(
    ("values", "text"),
    [
        (
            changed("search", "dropout", [0.0, 1.5]),
            "search.dropout.1: 1.5 is not allowed; use a finite number from 0 to below 1",
        ),
        (changed("search", "dropout", [1.0]), "search.dropout.0: 1.0 is not allowed"),
        (
            changed("final", "seeds", [2**32]),
            "final.seeds.0: 4294967296 is not allowed; use a whole number from 0 to 4,294,967,295",
        ),
        (changed("search", "seed", 2**32), "search.seed: 4294967296 is not allowed"),
        (changed("search", "trials", 3.0), "search.trials: 3.0 is not allowed; use a whole number"),
        (changed("training", "compile", 1), "training.compile: 1 is not allowed"),
        (changed("", "budgets", [0.01, 0.0100000001]), "budgets 0.01 and 0.0100000001 are too close to tell apart"),
        (changed("", "budgets", [0.01, 0.0103]), "budgets 0.01 and 0.0103 are too close to tell apart"),
        (changed("search", "normalisation", []), "search.normalisation: [] is empty"),
        (
            changed("search", "normalisation", ["none", "none"]),
            "search.normalisation: ['none', 'none'] contain duplicates",
        ),
    ],
)
def test_ranges_end_where_training_would_fail(values: dict[str, Any], text: str) -> None:
    assert text in message(values)


@pytest.mark.parametrize("name", ["dropout_above_one", "l2_nan", "seed_too_large", "weight_decay_negative"])
def test_the_cases_that_were_reported_are_refused(shared: Path, name: str) -> None:
    path = shared / "cases" / "protocol_numbers" / f"{name}.toml"
    with pytest.raises(ProtocolError, match="is not allowed; use a"):
        protocols.load(str(path))


def test_a_folder_does_not_take_up_a_budget_too_close_to_one_it_has() -> None:
    kept, now = (protocols.validated({**WORKS, "budgets": [budget]}, "p.toml") for budget in (0.01, 0.0100000001))
    with pytest.raises(ProtocolError, match="too close to tell apart"):
        protocols.combined(kept, now)


def test_the_largest_seed_trains_and_the_bounds_are_allowed() -> None:
    values = {**WORKS, "final": {"seeds": [0, 2**32 - 1]}, "search": {"seed": 2**32 - 1, "dropout": [0]}}
    assert protocols.validated(values, "p.toml").final.seeds == (0, 2**32 - 1)
