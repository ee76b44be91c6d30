"""Checks of submitted records. They read data only; none of the sender's code is run or imported.

A file that passes is consistent; its numbers stay unverified until somebody reruns them.
"""

from collections.abc import Iterator
from pathlib import Path

import models
from benchmark.errors import RecordError
from benchmark.findings.runs import tidy
from benchmark.protocol import NAME, Protocol
from benchmark.protocol.numbers import TOLERANCE
from benchmark.records import predictions, store
from benchmark.records.about import About
from benchmark.records.record import Record
from benchmark.statistics import auc, logloss
from benchmark.study import COUNTED, Study, of_kind, winner
from models.base.config import TRAINING_FLOPS_PER_FORWARD_FLOP

LARGEST_BYTES = 256 * 2**20
METRIC_TOLERANCE = 2e-6  # between a metric from the run and the same metric recomputed from its float32 logits


def problems_of(path: Path, protocol: Protocol) -> list[str]:
    """Return what is wrong with a file of records, one sentence each; empty if it is consistent with the protocol."""
    if path.stat().st_size > LARGEST_BYTES:
        return [f"{path} has {path.stat().st_size:,} bytes; the limit is {LARGEST_BYTES:,}"]
    try:
        records = store.read_file(path)
        tidy(records)
    except RecordError as error:
        return [str(error)]
    if not records:
        return [f"no records in {path}"]
    problems = [*_names(path, records), *_identity(records, protocol)]
    if problems:
        return problems
    return [*_repeats(records), *_budgets(records, path), *_studies(records, protocol), *_metrics(records, path)]


def _where(record: Record) -> str:
    return f"budget {record.budget:g}, {record.kind}, trial {record.trial}, seed {record.seed}"


def _names(path: Path, records: list[Record]) -> Iterator[str]:
    for kind, values, expected in (
        ("data set", {record.dataset for record in records}, path.parent.name),
        ("model", {record.model for record in records}, path.stem),
    ):
        for value in sorted(values):
            if not NAME.fullmatch(value):
                yield f"invalid {kind} name {value!r}; use 1 to 64 letters, digits, '.', '_' and '-', without a leading '.'"
            elif value != expected:
                yield f"{kind} {value!r} is in the file of {expected!r}; expected records/<data set>/<model>.jsonl"


def _identity(records: list[Record], protocol: Protocol) -> Iterator[str]:
    for record in records:
        if record.protocol_id != protocol.identity():
            yield f"the records are of protocol {record.protocol_id}, the folder's protocol is {protocol.identity()}"
            return


def _repeats(records: list[Record]) -> Iterator[str]:
    seen = set()
    for record in records:
        key = (record.budget, record.block, record.kind, record.trial, None if record.kind == "trial" else record.seed)
        if key in seen:
            yield f"{_where(record)}: recorded twice"
        seen.add(key)


def _budgets(records: list[Record], path: Path) -> Iterator[str]:
    """Check that every trained configuration meets its budget, with recomputed FLOPs if the model is known."""
    fields = _fields(path)
    for record in records:
        if record.status not in COUNTED:
            continue
        flops, forward = record.training_flops, record.forward_flops
        if not record.budget:
            yield f"{_where(record)}: a budget of 0"
        elif not flops or not forward or flops != TRAINING_FLOPS_PER_FORWARD_FLOP * forward:
            factor = TRAINING_FLOPS_PER_FORWARD_FLOP
            yield f"{_where(record)}: training FLOPs {flops} are not {factor} x forward FLOPs {forward}"
        elif abs(flops / (record.budget * 1e6) - 1) > TOLERANCE:
            yield f"{_where(record)}: {flops:,} training FLOPs are off the budget by {flops / (record.budget * 1e6) - 1:+.1%}"
        elif fields and models.known(record.model):
            try:
                expected = models.load(record.model).Config.model_validate(record.config).flops(*fields)
            except (ValueError, TypeError) as error:
                yield f"{_where(record)}: invalid configuration of {record.model}: {str(error).splitlines()[0]}"
                continue
            if expected != forward:
                yield f"{_where(record)}: the configuration has {expected:,} forward FLOPs, the record says {forward:,}"


def _fields(path: Path) -> tuple[int, int] | None:
    """Return the numbers of dense and sparse fields from the facts in the results folder, if it has them."""
    facts = path.parent.parent.parent / "datasets" / f"{path.parent.name}.json"
    if not facts.is_file():
        return None
    about = About.read(facts)
    if about.dense_columns is None or about.sparse_columns is None:
        return None
    return len(about.dense_columns), len(about.sparse_columns)


def _studies(records: list[Record], protocol: Protocol) -> Iterator[str]:
    """Check that each block has its trials and retrials, and a final run of its winner with every seed."""
    cells = {(record.budget, block) for record in records for block in range(1, protocol.search.blocks + 1)}
    for budget, block in sorted(cells):
        where = f"budget {budget:g}, block {block}"
        studied = [record for record in records if (record.budget, record.block) == (budget, block)]
        study = Study(protocol, records[0].dataset, records[0].model, budget, Path(), "", block=block)
        finals = of_kind(studied, "final")
        n_trials = sum(record.status in COUNTED for record in of_kind(studied, "trial"))
        if n_trials != protocol.search.trials:
            yield f"{where}: {n_trials} complete or pruned trials; the protocol asks for {protocol.search.trials}"
        seeds = {record.seed for record in finals if record.status == "complete"}
        if len(seeds) < len(protocol.final.seeds):
            yield f"{where}: {len(seeds)} complete final runs; the protocol asks for {len(protocol.final.seeds)}"
        if extra := sorted(
            seeds - {*study.final_seeds, *(protocol.final.seeds if protocol.search.blocks == 1 else ())}
        ):
            yield f"{where}: final runs with seeds {extra}, which are not those of the block"
        if lacking := study.missing_retrials(studied):
            yield f"{where}: {len(lacking)} retrials of its finalists are missing"
        best = winner(studied, protocol)
        for record in [*finals, *of_kind(studied, "doubled")]:
            if best and (record.trial, record.config, record.optimiser) != (best.trial, best.config, best.optimiser):
                yield f"{_where(record)}: not the configuration of trial {best.trial}, the best on validation"


def _metrics(records: list[Record], path: Path) -> Iterator[str]:
    """Check metrics against the epochs' history and against the predictions, if those were sent."""
    for record in records:
        if record.status not in COUNTED or record.valid is None:
            continue
        if record.history and record.best_epoch and 0 < record.best_epoch <= len(record.history):
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
        metrics = {"auc": auc(labels, logits), "logloss": logloss(labels, logits)}
    except ValueError as error:
        yield str(error)
        return
    if predictions.digest(logits, labels) != record.predictions:
        yield f"{file}: the hash of the predictions is not the one in the record"
        return
    for name, sampled in metrics.items():
        value = float(sampled.values[0])
        if abs(value - (record.test or {}).get(name, value)) > METRIC_TOLERANCE:
            yield f"{_where(record)}: test {name} {(record.test or {})[name]} is {value:.7f} from its predictions"
