"""Input cannot run code or escape its folder; output does not reveal where or by whom it was made."""

import ast
import getpass
import platform
import re
import tomllib
from pathlib import Path

import numpy as np
import pytest
import tomli_w
from commands import PROTOCOL, study, truth
from hypothesis import given
from hypothesis import strategies as st
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import datamodules
import models
from benchmark import protocol as protocols
from benchmark.errors import ProtocolError, RecordError, RunError
from benchmark.records import store
from benchmark.records.record import Record
from benchmark.tuning import storage, tuner

ROOT = Path(__file__).parents[2]
SOURCES = [path for package in ("benchmark", "models", "datamodules") for path in (ROOT / package).rglob("*.py")]
RUN_CODE = {"eval", "exec", "compile", "__import__", "loads_pickle", "load_from_checkpoint", "unsafe_load", "full_load"}
CODE_FORMATS = {"pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "yaml", "jsonpickle"}


def names_called(tree: ast.AST) -> set[str]:
    calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return {call.id if isinstance(call, ast.Name) else ast.unparse(call) for call in calls}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_source_reads_a_format_that_can_run_code(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imported = {
        alias.name.split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names
    }
    imported |= {(node.module or "").split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    called = names_called(tree)
    assert not imported & CODE_FORMATS
    assert not called & RUN_CODE
    loads = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) == "torch.load"]
    assert all("weights_only=True" in map(ast.unparse, node.keywords) for node in loads)
    assert not any("allow_pickle=True" in line for line in path.read_text(encoding="utf-8").splitlines())


def test_a_module_is_imported_only_if_its_name_is_a_file_of_its_folder(tmp_path: Path) -> None:
    """Both calls of import_module check the name against the folder's listing first; so does a protocol that is to be run."""
    path = tmp_path / "tiny.toml"
    for key, name in (
        ("models", "os.system"),
        ("datasets", "../../etc/passwd"),
        ("models", "base"),
        ("models", "__init__"),
    ):
        path.write_text(tomli_w.dumps({**PROTOCOL, key: [name]}))
        with pytest.raises(ProtocolError, match=re.escape(repr(name))):
            protocols.load(str(path))
        with pytest.raises((models.UnknownModel, datamodules.UnknownDataset)):
            (models if key == "models" else datamodules).load(name)


@pytest.mark.parametrize("key", ["class_path", "_target_", "__reduce__", "_instantiator", "py/object"])
def test_a_config_or_record_that_names_code_is_refused(tmp_path: Path, record: Record, key: str) -> None:
    with pytest.raises(ProtocolError, match="no key"):
        protocols.validated({**PROTOCOL, key: "os.system"}, "tiny")
    store.append(tmp_path, record)
    path = store.record_file(tmp_path, "d", "mlp")
    path.write_text(path.read_text().replace("{", f'{{"{key}": "os.system", ', 1))
    with pytest.raises(RecordError, match="line 1"):
        store.read(tmp_path)


@given(st.text(max_size=80) | st.from_regex(r"(\.\./|/|~|[A-Za-z0-9._-])+", fullmatch=True))
def test_a_name_is_refused_or_stays_in_its_folder(name: str) -> None:
    results = Path("/results")
    try:
        protocol = protocols.validated({**PROTOCOL, "name": name}, "tiny")
    except ProtocolError:
        return
    resolved = (results / protocol.name).resolve()
    assert resolved.parent == results and not resolved.name.startswith(".") and "\0" not in name


@given(st.text(max_size=80) | st.from_regex(r"(\.\./|/|~|[A-Za-z0-9._-])+", fullmatch=True))
def test_a_record_with_names_that_escape_the_folder_is_invalid(name: str) -> None:
    values = {
        "kind": "trial",
        "status": "failed",
        "error": "e",
        "protocol": "p",
        "protocol_id": "i",
        "data_fingerprint": "f",
        "budget": 1.0,
        "trial": 0,
        "seed": 0,
    }
    try:
        record = Record.model_validate({**values, "dataset": name, "model": name})
    except ValueError:
        return
    path = store.record_file(Path("/results"), record.dataset, record.model)
    assert path.resolve().parent.parent == Path("/results/records")


def test_a_results_folder_reveals_no_home_host_user_or_path(tmp_path: Path) -> None:
    tuner.run(study(tmp_path, search={"trials": 1}))
    assert truth(tmp_path)
    for path in tmp_path.rglob("*"):
        content = path.read_bytes() if path.is_file() else b""
        if path.suffix == ".npz":  # binary numbers may contain any short name by chance
            assert sorted(np.load(path, allow_pickle=False)) == ["labels", "logits"]
            continue
        for private in (f"{Path.home()}/", platform.node(), f"/{getpass.getuser()}/", str(tmp_path), str(ROOT)):
            assert private.encode() not in content, f"{path.name} tells {private}"


@given(st.text(alphabet=st.characters(codec="ascii", categories=["L", "N"]), min_size=6, max_size=20))
def test_a_password_in_a_url_is_refused_and_never_repeated(secret: str) -> None:
    word = f"pw{secret}"
    with pytest.raises(RunError) as refused:
        storage.storage_url(f"postgresql://user:{word}@host/db", Path("/results"))
    assert word not in str(refused.value)


def test_the_lock_pins_every_dependency_with_hashes_and_names_no_index() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lock = (ROOT / "requirements.lock").read_text()
    pinned = dict(re.findall(r"^([a-z0-9.-]+)(?:\[[a-z,]+\])?==(\S+)", lock, re.MULTILINE))
    entries = re.findall(r"^[a-z0-9].*==(?:.*\\\n)+?.*--hash=sha256:[0-9a-f]{64}", lock, re.MULTILINE)
    assert len(entries) == len(re.findall(r"^[a-z0-9].*==", lock, re.MULTILINE))
    for text in [*project["dependencies"], *project["optional-dependencies"]["cluster"]]:
        need = Requirement(text)
        name = canonicalize_name(need.name)
        if name != "torch":
            assert need.specifier.contains(pinned[name]), f"{text}: the lock has {pinned[name]}"
    assert not re.search(r"://|--(extra-)?index|--find-links|^torch==", lock, re.MULTILINE)
    lightning = tuple(map(int, pinned["lightning"].split(".")[:3]))
    assert lightning >= (2, 6, 6), "2.6.2 and 2.6.3 carried malware"
