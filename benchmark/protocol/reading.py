"""Read protocols: those shipped with the suite, those in files, those of results folders."""

import json
import tomllib
from pathlib import Path
from typing import Any

from pydantic import ValidationError

import datamodules
import models
from benchmark.errors import ProtocolError, nearest
from benchmark.protocol.rules import LISTS, LONGEST_TITLE, Protocol

SHIPPED = Path(__file__).parents[1] / "protocols"


def names() -> list[str]:
    """Return the names of the protocols shipped with the suite."""
    return sorted(path.stem for path in SHIPPED.glob("*.toml"))


def load(name_or_path: str, changes: dict[str, Any] | None = None, *, smoke: bool = False) -> Protocol:
    """Return the shipped protocol with that name, or the one in that file. Raises ProtocolError.

    Args:
        name_or_path: name of a shipped protocol, or path of a file ending in .toml.
        changes: values by dotted key, e.g. `search.trials`; the protocol lists them as overrides.
        smoke: start from the protocol's smallest version; changes are applied on top of it.
    """
    path = Path(name_or_path) if name_or_path.endswith(".toml") else SHIPPED / f"{name_or_path}.toml"
    if not name_or_path.endswith(".toml") and name_or_path not in names():
        raise ProtocolError(
            f"no protocol {name_or_path!r}; {nearest(name_or_path, names())}, or a path ending in .toml"
        )
    values = _read(path)
    values.setdefault("name", path.stem)
    if smoke:
        smallest = validated(values, str(path)).smoke()
        values = smallest.model_dump(mode="json", exclude_none=True)
        if changes and "name" in changes:
            changes = {**changes, "name": f"{changes['name']}-smoke"}
    for key, value in (changes or {}).items():
        _assign(values, key, value)
    if changes:
        values["overrides"] = [f"{key}={json.dumps(value)}" for key, value in sorted(changes.items())]
        if "title" not in changes and (keys := sorted(set(changes) - {"name"})):
            values["title"] = changed_title(f"{path.stem}-smoke" if smoke else path.stem, keys)
    protocol = validated(values, str(path))
    try:
        protocol.check_known()
    except (models.UnknownModel, datamodules.UnknownDataset) as error:
        raise ProtocolError(f"{path}: {error}") from None
    return protocol


def of_folder(folder: Path, changes: dict[str, Any] | None = None) -> Protocol:
    """Return the protocol of a results folder; without a number of blocks, as 0.1 wrote it, each study is one block.

    Its models and data sets need not be known here. Raises ProtocolError if the file is missing or invalid.

    Args:
        folder: of the results.
        changes: values by dotted key, e.g. `search.pruner`.
    """
    path = folder / "protocol.toml"
    values = _read(path)
    if isinstance(search := values.setdefault("search", {}), dict):
        search.setdefault("blocks", 1)
    for key, value in (changes or {}).items():
        _assign(values, key, value)
    return validated(values, str(path))


def combined(kept: Protocol, now: Protocol) -> Protocol:
    """Return `now` with all that either has of LISTS, with the rows of both and with the larger number of blocks.

    Raises ProtocolError.

    Args:
        kept: of the results folder.
        now: of the same identity.
    """
    lists = {key: tuple(dict.fromkeys((*getattr(kept, key), *getattr(now, key)))) for key in LISTS}
    blocks = max(kept.search.blocks, now.search.blocks)
    limits = [limit for protocol in (kept, now) for limit in protocol.rows or ()]
    rows = (min(limits), max(limits)) if limits else None
    update: dict[str, Any] = {**lists, "rows": rows, "search": now.search.model_copy(update={"blocks": blocks})}
    further = {of.title: [key for key in LISTS if {*lists[key]} != {*getattr(of, key)}] for of in (now, kept)}
    title, keys = min(further.items(), key=lambda item: len(item[1]))
    update["title"] = changed_title(kept.name, keys) if keys else title
    both = now.model_copy(update=update).model_dump(mode="json", exclude_none=True)
    return validated(both, f"{kept.name}, as in its folder and now")


def changed_title(name: str, keys: list[str]) -> str:
    """Return the title of a changed protocol, of which the title that it had would not be true.

    Args:
        name: of the protocol.
        keys: of the changed values.
    """
    return f"{name} with changed {', '.join(keys)}"[:LONGEST_TITLE]


def validated(values: dict[str, Any], source: str) -> Protocol:
    """Return the protocol with these values. Raises ProtocolError naming the source and the first invalid key."""
    try:
        return Protocol.model_validate(values)
    except ValidationError as error:
        problem = error.errors()[0]
        key = ".".join(str(part) for part in problem["loc"])
        if problem["type"] == "extra_forbidden":
            section = Protocol.model_fields
            for part in problem["loc"][:-1]:
                section = section[str(part)].annotation.model_fields  # type: ignore[union-attr]
            raise ProtocolError(
                f"{source}: no key {key!r}; {nearest(str(problem['loc'][-1]), list(section))}"
            ) from None
        message = problem["msg"].removeprefix("Value error, ")
        if not problem["type"].startswith(("value_error", "missing")):
            message = f"{json.dumps(problem['input'], default=str)[:40]} is not allowed; {_expected(problem['type'], message)}"
        raise ProtocolError(f"{source}: {key}: {message}" if key else f"{source}: {message}") from None


def _expected(kind: str, message: str) -> str:
    """Return what a key allows in TOML's words, given pydantic's kind of problem and its message."""
    kinds = {"tuple_type": "use a list", "model_type": "use a section", "string_type": "use a text"}
    return kinds.get(kind, message[0].lower() + message[1:]).replace("input should be", "use")


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ProtocolError(f"{path}: no such file") from None
    except (OSError, ValueError, RecursionError) as error:  # not TOML, not UTF-8, nested too deep, a number too long
        raise ProtocolError(f"{path}: {error}") from None


def _assign(values: dict[str, Any], dotted: str, value: object) -> None:
    *sections, key = dotted.split(".")
    for section in sections:
        values = values.setdefault(section, {})
        if not isinstance(values, dict):
            raise ProtocolError(f"{section!r} is not a section of a protocol")
    values[key] = value
