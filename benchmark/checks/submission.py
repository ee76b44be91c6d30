"""Checks of records that somebody sends: data only, nothing of the sender's is run or imported.

A passing file is consistent, not proven: its numbers stay unverified until somebody runs them again.
"""

from collections.abc import Iterator
from pathlib import Path

import models
from benchmark.errors import RecordError
from benchmark.findings.summary import tidy
from benchmark.protocol import NAME, Protocol
from benchmark.records import files, predictions, store
from benchmark.records.record import Record
from benchmark.statistics import auc_test, logloss_differences
from benchmark.study import missing_retrials, of_kind, winner

LARGEST_BYTES = 256 * 2**20
BUDGET_TOLERANCE = 0.02
METRIC_TOLERANCE = 2e-6  # between a metric computed in a run and anew from its float32 logits


def problems_of(path: Path, protocol: Protocol) -> list[str]:
    """Return the problems of a file of records, one sentence each; none if it is consistent with its folder's protocol."""
    if path.stat().st_size > LARGEST_BYTES:
        return [f"{path} has {path.stat().st_size:,} bytes; at most {LARGEST_BYTES:,} are read"]
    try:
        found = store.read_file(path)
        tidy(found)
    except RecordError as error:
        return [str(error)]
    if not found:
        return [f"{path} holds no records"]
    problems = [*_names(path, found), *_identity(found, protocol)]
    if problems:
        return problems
    return [*_repeats(found), *_budgets(found, path), *_studies(found, protocol), *_metrics(found, path)]


def _where(record: Record) -> str:
    return f"budget {record.budget:g}, {record.kind}, trial {record.trial}, seed {record.seed}"


def _names(path: Path, found: list[Record]) -> Iterator[str]:
    for what, values, folder in (
        ("data set", {record.dataset for record in found}, path.parent.name),
        ("model", {record.model for record in found}, path.stem),
    ):
        for value in sorted(values):
            if not NAME.fullmatch(value):
                yield f"{what} {value!r} is no name; allowed are 1 to 64 letters, digits, '.', '_' and '-', no leading '.'"
            elif value != folder:
                yield f"{what} {value!r} stands in the file of {folder!r}; expected records/<data set>/<model>.jsonl"


def _identity(found: list[Record], protocol: Protocol) -> Iterator[str]:
    for record in found:
        if record.protocol_id != protocol.identity():
            yield f"records of protocol {record.protocol_id}, the folder's is {protocol.identity()}"
            return


def _repeats(found: list[Record]) -> Iterator[str]:
    seen = set()
    for record in found:
        key = (record.budget, record.kind, record.trial, None if record.kind == "trial" else record.seed)
        if key in seen:
            yield f"{_where(record)}: recorded twice"
        seen.add(key)


def _budgets(found: list[Record], path: Path) -> Iterator[str]:
    """Whether every trained configuration meets its budget, its FLOPs computed anew where the model is known."""
    fields = _fields(path)
    for record in found:
        if record.status != "complete":
            continue
        flops, forward = record.training_flops, record.forward_flops
        if not flops or not forward or flops != 3 * forward:
            yield f"{_where(record)}: training FLOPs {flops} are not 3 x forward FLOPs {forward}"
        elif abs(flops / (record.budget * 1e6) - 1) > BUDGET_TOLERANCE:
            yield f"{_where(record)}: {flops:,} training FLOPs are off the budget by {flops / (record.budget * 1e6) - 1:+.1%}"
        elif fields and models.known(record.model):
            try:
                own = models.load(record.model).Config.model_validate(record.config).flops(*fields)
            except (ValueError, TypeError) as error:
                yield f"{_where(record)}: no configuration of {record.model}: {str(error).splitlines()[0]}"
                continue
            if own != forward:
                yield f"{_where(record)}: the configuration has {own:,} forward FLOPs, the record says {forward:,}"


def _fields(path: Path) -> tuple[int, int] | None:
    """Numbers of dense and sparse fields, from the facts in the file's results folder."""
    facts = path.parent.parent.parent / "datasets" / f"{path.parent.name}.json"
    if not facts.is_file():
        return None
    values = files.read_json(facts)
    if not isinstance(values, dict) or not all(
        isinstance(values.get(f"{kind}_columns"), list) for kind in ("dense", "sparse")
    ):
        return None
    return len(values["dense_columns"]), len(values["sparse_columns"])


def _studies(found: list[Record], protocol: Protocol) -> Iterator[str]:
    """Whether each study has the asked trials and retrials, and final runs of its winner with every seed."""
    for budget in sorted({record.budget for record in found}):
        studied = [record for record in found if record.budget == budget]
        finals = of_kind(studied, "final")
        n_complete = sum(record.status == "complete" for record in of_kind(studied, "trial"))
        if n_complete != protocol.search.trials:
            yield f"budget {budget:g}: {n_complete} complete trials; the protocol asks for {protocol.search.trials}"
        seeds = {record.seed for record in finals if record.status == "complete"}
        if missing := sorted(set(protocol.final.seeds) - seeds):
            yield f"budget {budget:g}: no complete final run with seeds {missing}"
        if extra := sorted(seeds - set(protocol.final.seeds)):
            yield f"budget {budget:g}: final runs with seeds {extra}, which the protocol does not list"
        if lacking := missing_retrials(studied, protocol):
            yield f"budget {budget:g}: {len(lacking)} retrials of its finalists are missing"
        best = winner(studied, protocol)
        for record in finals:
            if best and (record.trial, record.config, record.optimiser) != (best.trial, best.config, best.optimiser):
                yield f"{_where(record)}: not the configuration of trial {best.trial}, the best on validation"


def _metrics(found: list[Record], path: Path) -> Iterator[str]:
    """Whether metrics agree with the history of epochs and, where predictions were sent, with those."""
    for record in found:
        if record.status != "complete" or record.valid is None:
            continue
        if record.history and record.best_epoch and record.best_epoch <= len(record.history):
            epoch = record.history[record.best_epoch - 1]
            for name in sorted(record.valid.keys() & epoch.keys()):
                if record.valid[name] != epoch[name]:
                    yield f"{_where(record)}: validation {name} {record.valid[name]} is {epoch[name]} in its history"
        for name, value in {**record.valid, **(record.test or {})}.items():
            if (name == "auc" and not 0 <= value <= 1) or (name == "logloss" and value < 0):
                yield f"{_where(record)}: {name} {value} is out of range"
        if record.predictions and record.test:
            yield from _predicted(record, path.parent.parent.parent)


def _predicted(record: Record, folder: Path) -> Iterator[str]:
    file = predictions.prediction_file(folder, record.dataset, record.model, record.budget, record.seed)
    if not file.exists():
        return
    try:
        logits, labels = predictions.read(file)
        test = auc_test(labels, logits)
    except ValueError as error:
        yield str(error)
        return
    if predictions.digest(logits, labels) != record.predictions:
        yield f"{file}: not the predictions whose hash the record holds"
        return
    own = {"auc": float(test.auc[0]), "logloss": float(logloss_differences(labels, logits)[0][0])}
    for name, value in own.items():
        if abs(value - (record.test or {}).get(name, value)) > METRIC_TOLERANCE:
            yield f"{_where(record)}: test {name} {(record.test or {})[name]} is {value:.7f} by its predictions"
