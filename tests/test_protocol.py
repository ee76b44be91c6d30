"""Shipped protocols load; invalid ones are rejected with the name of the key."""

from collections.abc import Callable
from pathlib import Path

import pytest

from benchmark import protocol as protocols
from benchmark.errors import ProtocolError
from benchmark.protocol import Protocol

MINIMAL = """
datasets = ["hotel"]
models = ["mlp"]
budgets = [0.3]
embedding_dim = 8
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "mine.toml"


def load(path: Path, text: str) -> Protocol:
    path.write_text(text)
    return protocols.load(str(path))


@pytest.mark.parametrize("name", protocols.names())
def test_a_shipped_protocol_loads_and_is_read_back_from_its_toml(name: str, path: Path) -> None:
    protocol = protocols.load(name)
    assert protocol.name == name and protocol.title
    assert load(path, protocol.toml()) == protocol


def test_quickstart_is_six_models_at_three_budgets_four_times_apart() -> None:
    protocol = protocols.load("quickstart")
    assert len(protocol.models) == 6 and protocol.datasets == ("hotel",)
    low, middle, high = protocol.budgets
    assert middle / low == pytest.approx(4) and high / middle == pytest.approx(4)
    assert len(protocol.final.seeds) == 3 and protocol.training.train_rows is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (MINIMAL + "epoch = 3", r"no key 'epoch'"),
        (MINIMAL + "[training]\nepoch = 3", r"no key 'training.epoch'; did you mean 'epochs'\?"),
        (MINIMAL + "[serach]\ntrials = 3", r"no key 'serach'; did you mean 'search'\?"),
        (MINIMAL + "[training]\nepochs = 0", r"training.epochs: .*greater than 0"),
        (MINIMAL + "[training]\nmonitor = 'loss'", r"training.monitor: .*'auc' or 'logloss'"),
        (MINIMAL + "[search]\nlearning_rate = [1e-2, 1e-3]", r"search.learning_rate: the range .* is reversed"),
        (MINIMAL + "[final]\nseeds = []", r"final.seeds"),
        (MINIMAL + "[final]\nseeds = [1, 1]", r"final.seeds: seeds \[1, 1\] contain duplicates"),
        (MINIMAL.replace("mlp", "mpl"), r"no model 'mpl'; did you mean 'mlp'\?"),
        (MINIMAL.replace("hotel", "hotels"), r"no data set 'hotels'; did you mean 'hotel'\?"),
        (MINIMAL.replace("[0.3]", "[-1]"), r"budgets.0: .*greater than 0"),
        (MINIMAL.replace("[0.3]", "[0.3, 0.3]"), r"budgets \[0.3, 0.3\] contain duplicates"),
        (MINIMAL.replace("embedding_dim = 8", ""), r"embedding_dim: Field required"),
        (MINIMAL + "name = '../evil'", r"name: invalid name '../evil'"),
        (MINIMAL + "name = '.hidden'", r"name: invalid name '.hidden'"),
        ("models = [", r"mine.toml: "),
    ],
)
def test_an_invalid_value_is_rejected_with_its_key(path: Path, text: str, message: str) -> None:
    with pytest.raises(ProtocolError, match=message):
        load(path, text)


def test_an_unknown_name_or_path_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(ProtocolError, match=r"no protocol 'quickstrat'; did you mean 'quickstart'\?"):
        protocols.load("quickstrat")
    with pytest.raises(ProtocolError, match="no such file"):
        protocols.load(str(tmp_path / "none.toml"))


def test_changes_are_applied_and_recorded(path: Path) -> None:
    path.write_text(MINIMAL)
    protocol = protocols.load(str(path), {"search.trials": 7, "models": ["dlrm"]})
    assert protocol.search.trials == 7 and protocol.models == ("dlrm",)
    assert protocol.overrides == ('models=["dlrm"]', "search.trials=7")
    with pytest.raises(ProtocolError, match=r"no key 'search\.trails'"):
        protocols.load(str(path), {"search.trails": 7})


@pytest.mark.parametrize(
    ("key", "value", "value_in"),
    [
        ("search.trials", 2, lambda protocol: protocol.search.trials),
        ("training.train_rows", 1000, lambda protocol: protocol.training.train_rows),
    ],
)
def test_a_change_wins_over_the_smallest_form_and_is_recorded(
    key: str, value: int, value_in: Callable[[Protocol], int]
) -> None:
    smallest, changed = (protocols.load("quickstart", changes, smoke=True) for changes in ({}, {key: value}))
    assert value_in(smallest) != value == value_in(changed)
    assert smallest.overrides == () and changed.overrides == (f"{key}={value}",)
    assert smallest.name == changed.name == "quickstart-smoke"


def test_a_renamed_smallest_form_keeps_its_suffix() -> None:
    assert protocols.load("quickstart", {"name": "mine"}, smoke=True).name == "mine-smoke"


def test_identity_depends_on_settings_but_not_on_title_models_and_budgets(path: Path) -> None:
    one = load(path, MINIMAL)
    assert load(path, MINIMAL.replace('"mlp"', '"mlp", "dlrm"')).identity() == one.identity()
    assert load(path, MINIMAL.replace("[0.3]", "[0.3, 1.2]") + 'title = "x"').identity() == one.identity()
    for change in (
        "embedding_dim = 16",
        "embedding_dim = 8\n[training]\nepochs = 2",
        "embedding_dim = 8\n[search]\ntrials = 3",
    ):
        assert load(path, MINIMAL.replace("embedding_dim = 8", change)).identity() != one.identity()
