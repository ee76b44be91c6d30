"""The studies of a protocol, and the facts about its data sets."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

from benchmark.errors import RunError
from benchmark.execution import known_data
from benchmark.execution.own import Own, OwnStudy
from benchmark.protocol import Protocol
from benchmark.records.folder import Folder
from benchmark.records.record import Record
from benchmark.study import Study

Facts = dict[str, dict[str, Any]]  # by data set


def facts(protocol: Protocol, data_dir: Path | None) -> Facts:
    """Return title, columns, rows, fingerprint, licence and citation of each data set, encoding it if necessary.

    If the raw files have not changed since, stored facts are used without loading PyTorch.
    """
    about = {}
    for name in dict.fromkeys(dataset for dataset, _ in protocol.pairs):
        stored = known_data.facts(name, data_dir, protocol.training.train_rows)
        about[name] = stored or known_data.encoded(name, data_dir, protocol.training.train_rows)
    return about


def studies_of(
    protocol: Protocol,
    results: Path,
    storage: str = "",
    data_dir: Path | None = None,
    device: str = "cpu",
    own: Own = Own(),  # noqa: B008 (frozen)
) -> list[Study]:
    """Return all blocks of a protocol's studies: first the first block of each, within a block the most expensive first.

    A run that is stopped early thus leaves whole blocks behind.

    Args:
        protocol: whose data sets, models and budgets are combined.
        results: folder of its results.
        storage: Optuna's storage URL.
        data_dir: folder of the raw data sets; None: the default.
        device: that trains.
        own: the user's files.
    """
    return [
        OwnStudy(protocol, dataset, model, budget, results, storage, data_dir, device, block=block, own=own)
        for block in range(1, protocol.search.blocks + 1)
        for dataset, budget in protocol.pairs
        for model in protocol.models
    ]


def of_record(record: Record, protocol: Protocol, data_dir: Path | None, device: str, own: Own = Own()) -> Study:  # noqa: B008
    """Return the study of a record without its folder, to train the record again.

    Args:
        record: of a results folder.
        protocol: of the folder.
        data_dir: folder of the raw data sets; None: the default.
        device: that trains.
        own: the user's files.
    """
    return OwnStudy(
        protocol.doubled() if record.kind == "doubled" else protocol,
        record.dataset,
        record.model,
        record.budget,
        Path(),
        "",
        data_dir,
        device,
        record.devices,
        record.block,
        own=own,
    )


def by_cell(studies: Iterable[Study]) -> dict[str, list[Study]]:
    """Return the blocks of each data set, model and budget, by the name they share."""
    cells: dict[str, list[Study]] = {}
    for study in studies:
        cells.setdefault(study.cell, []).append(study)
    return cells


def check_reach(studies: Sequence[Study], about: Facts) -> None:
    """Raise RunError if no shape of a model meets the budget of its study."""
    from benchmark.tuning import space  # with PyTorch

    for *_, study in by_cell(studies).values():
        if reason := space.out_of_reach(study, about[study.dataset]):
            raise RunError(f"{study.cell}: {reason}")


def adopted(studies: Sequence[Study], folder: Folder, about: Facts) -> list[Study]:
    """Return the studies with the identity, accepted changes and storage namespace of their results folder.

    Raises RunError if code or search space changed since the folder's records were made and changes are not accepted.

    Args:
        studies: those that have runs left.
        folder: of their results.
        about: facts about their data sets.
    """
    from optuna.distributions import distribution_to_json

    from benchmark.training.inputs import budget_of
    from benchmark.tuning import space

    spaces: dict[str, Any] = {}
    for *_, study in by_cell(studies).values():
        budget = budget_of(study, about[study.dataset])
        distributions = space.distributions(space.default_parameters(study, budget), study, budget)
        spaces[study.cell] = {name: distribution_to_json(value) for name, value in distributions.items()}
    folder.adopt_code(list(spaces), spaces, studies[0].protocol)
    run, namespace = uuid4().hex, folder.namespace()
    return [
        replace(study, identity=folder.identity, accepted=folder.accepted(study.cell), run=run, namespace=namespace)
        for study in studies
    ]
