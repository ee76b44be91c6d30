"""A folder notices what its records were made with: data, code, packages, search space."""

from pathlib import Path
from typing import Any

import pytest
from commands import PROTOCOL, study, truth

from benchmark import protocol as protocols
from benchmark.errors import RunError
from benchmark.records import store
from benchmark.records.folder import Folder
from benchmark.tuning import tuner

TINY = protocols.validated(PROTOCOL, "tiny")


def facts(fingerprint: str) -> dict[str, dict[str, Any]]:
    return {"synthetic": {"fingerprint": fingerprint}}


def test_changed_data_are_refused_or_their_records_set_aside(tmp_path: Path) -> None:
    tuner.run(study(tmp_path, search={"trials": 1}))
    n_records = len(store.read(tmp_path))
    Folder(tmp_path).adopt_data(facts("old"), TINY)
    with pytest.raises(RunError, match=r"holds results on other data: synthetic old -> new\. .*--accept-changes"):
        Folder(tmp_path).adopt_data(facts("new"), TINY)
    folder = Folder(tmp_path, accept=True)
    folder.adopt_data(facts("new"), TINY)
    assert folder.accepted[0].endswith("synthetic old -> new")
    assert Folder(tmp_path).accepted == folder.accepted
    assert store.read(tmp_path) == []
    kept = (tmp_path / "superseded" / "synthetic-old" / "mlp.jsonl").read_text()
    assert kept.count("\n") == n_records


def test_changed_code_packages_and_spaces_are_refused_with_all_differences(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from benchmark.records import folder

    Folder(tmp_path).adopt_code({"mlp": {"depth": "1 to 3", "width": "wide"}}, TINY)
    Folder(tmp_path).adopt_code({"mlp": {"depth": "1 to 3", "width": "wide"}}, TINY)
    monkeypatch.setattr(folder, "version", lambda name: "0.0")
    monkeypatch.setattr(folder, "_digest", lambda paths: "f" * 12)
    with pytest.raises(RunError) as refused:
        Folder(tmp_path).adopt_code({"mlp": {"depth": "1 to 4", "width": "wide"}}, TINY)
    message = str(refused.value)
    assert "space.mlp.depth 1 to 3 -> 1 to 4" in message and "width" not in message
    assert "code.models/mlp" in message and "packages.torch" in message
    Folder(tmp_path, accept=True).adopt_code({"mlp": {"depth": "1 to 4", "width": "wide"}}, TINY)
    Folder(tmp_path).adopt_code({"mlp": {"depth": "1 to 4", "width": "wide"}}, TINY)


def test_a_model_that_joins_later_is_no_change(tmp_path: Path) -> None:
    Folder(tmp_path).adopt_code({"mlp": {}}, TINY)
    with_wukong = protocols.validated({**PROTOCOL, "models": ["mlp", "wukong"]}, "tiny")
    Folder(tmp_path).adopt_code({"mlp": {}, "wukong": {}}, with_wukong)


def test_trials_outside_a_narrowed_space_stay_on_record_and_no_longer_guide_the_search(tmp_path: Path) -> None:
    tuner.run(study(tmp_path, search={"trials": 3, "dropout": [0.0, 0.2]}))
    trials = [record for record in truth(tmp_path) if record["kind"] == "trial"]
    tuner.run(study(tmp_path, search={"trials": 5, "dropout": [0.0], "learning_rate": [1e-3, 1e-2]}))
    now = [record for record in truth(tmp_path) if record["kind"] == "trial"]
    assert now[:3] == trials and len(now) == 5
    assert all(record["params"]["dropout"] == 0.0 for record in now[3:])


@pytest.mark.parametrize("name", ["../up", "/etc", "a/b", ".hidden", "a\0b", "", "x" * 65, "a\n"])
def test_a_name_that_would_leave_its_folder_is_refused(name: str) -> None:
    with pytest.raises(protocols.ProtocolError, match="invalid name"):
        protocols.validated({**PROTOCOL, "name": name}, "tiny")
