"""A results folder detects changes of the data, code, packages and search space behind its records."""

from pathlib import Path
from typing import Any

import pytest
from commands import PROTOCOL, study, truth

from benchmark import protocol as protocols
from benchmark.errors import ProtocolError, RunError
from benchmark.records import store
from benchmark.records.folder import Folder
from benchmark.tuning import tuner

TINY = protocols.validated(PROTOCOL, "tiny")


def facts(fingerprint: str) -> dict[str, dict[str, Any]]:
    return {"synthetic": {"fingerprint": fingerprint}}


def test_changed_data_are_refused_or_accepted_and_the_old_records_set_aside(tmp_path: Path) -> None:
    tuner.run(study(tmp_path, search={"trials": 1}))
    n_records = len(store.read(tmp_path))
    old = store.read(tmp_path)[0].data_fingerprint
    Folder(tmp_path).adopt_data(facts(old), TINY)
    with pytest.raises(RunError, match=rf"holds results on other data: synthetic {old} -> new\. .*--accept-changes"):
        Folder(tmp_path).adopt_data(facts("new"), TINY)
    folder = Folder(tmp_path, accept=True)
    folder.adopt_data(facts("new"), TINY)
    assert folder.accepted()[0].endswith(f"synthetic {old} -> new")
    assert Folder(tmp_path).accepted() == folder.accepted()
    assert store.read(tmp_path) == []
    kept = (tmp_path / "superseded" / f"synthetic-{old}" / "mlp.jsonl").read_text()
    assert kept.count("\n") == n_records


def test_changed_packages_and_spaces_are_refused_listing_all_differences(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from benchmark.records import code

    one = study(tmp_path, search={"trials": 1})
    folder, name = Folder(tmp_path), one.name
    folder.adopt_code([name], {name: {"depth": "1 to 3", "width": "wide"}}, TINY)
    tuner.run(one)
    Folder(tmp_path).adopt_code([name], {name: {"depth": "1 to 3", "width": "wide"}}, TINY)
    monkeypatch.setattr(code, "version", lambda package: "0.0")
    narrowed = {name: {"depth": "1 to 2", "width": "wide"}}
    with pytest.raises(RunError) as refused:
        Folder(tmp_path).adopt_code([name], narrowed, TINY)
    message = str(refused.value)
    assert f"space.{name}.depth 1 to 3 -> 1 to 2" in message and "width" not in message
    assert "torch 2" in message and "models" not in message
    Folder(tmp_path, accept=True).adopt_code([name], narrowed, TINY)
    Folder(tmp_path).adopt_code([name], narrowed, TINY)


def test_trials_outside_a_narrowed_space_stay_recorded_but_no_longer_guide_the_search(tmp_path: Path) -> None:
    tuner.run(study(tmp_path, search={"trials": 3, "dropout": [0.0, 0.2]}))
    trials = [record for record in truth(tmp_path) if record["kind"] == "trial"]
    tuner.run(study(tmp_path, search={"trials": 5, "dropout": [0.0], "learning_rate": [1e-3, 1e-2]}))
    now = [record for record in truth(tmp_path) if record["kind"] == "trial"]
    assert now[:3] == trials and len(now) == 5
    assert all(record["params"]["dropout"] == 0.0 for record in now[3:])


@pytest.mark.parametrize("name", ["../up", "/etc", "a/b", ".hidden", "a\0b", "", "x" * 65, "a\n"])
def test_a_protocol_name_that_is_not_a_plain_folder_name_is_refused(name: str) -> None:
    with pytest.raises(ProtocolError, match="invalid name"):
        protocols.validated({**PROTOCOL, "name": name}, "tiny")
