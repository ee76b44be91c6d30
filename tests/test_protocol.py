"""Shipped protocols load; invalid ones are rejected with the name of the key."""

from collections.abc import Callable
from pathlib import Path

import pytest

from benchmark import protocol as protocols
from benchmark.errors import ProtocolError
from benchmark.protocol import Protocol, combined

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


def test_quickstart_is_six_models_at_two_budgets_four_times_apart_in_three_blocks() -> None:
    protocol = protocols.load("quickstart")
    assert len(protocol.models) == 6 and protocol.datasets == ("synthetic.rows_64000",)
    low, high = protocol.budgets
    assert high / low == pytest.approx(4)
    assert protocol.search.blocks == 3 and protocol.training.train_rows is None  # --datasets takes all of their rows


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (MINIMAL + "epoch = 3", r"no key 'epoch'"),
        (MINIMAL + "[training]\nepoch = 3", r"no key 'training.epoch'; did you mean 'epochs'\?"),
        (MINIMAL + "[serach]\ntrials = 3", r"no key 'serach'; did you mean 'search'\?"),
        (MINIMAL + "[training]\nepochs = 0", r"training.epochs: 0 is not allowed; use a whole number from 1"),
        (MINIMAL + "[training]\nmonitor = 'loss'", r"training.monitor: .*'auc' or 'logloss'"),
        (MINIMAL + "[search]\nlearning_rate = [1e-2, 1e-3]", r"search.learning_rate: the range .* is reversed"),
        (MINIMAL + "[final]\nseeds = []", r"final.seeds"),
        (MINIMAL + "[final]\nseeds = [1, 1]", r"final.seeds: \[1, 1\] contain duplicates"),
        (MINIMAL.replace("mlp", "mpl"), r"no model 'mpl'; did you mean 'mlp'\?"),
        (MINIMAL.replace("hotel", "hotels"), r"no data set 'hotels'; did you mean 'hotel'\?"),
        (MINIMAL.replace("[0.3]", "[-1]"), r"budgets.0: -1 is not allowed; use a finite number above 0"),
        (MINIMAL.replace("[0.3]", "[0.3, 0.3]"), r"budgets: \[0.3, 0.3\] contain duplicates"),
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


def test_without_a_patience_a_training_goes_on_to_its_last_epoch(path: Path) -> None:
    training = "embedding_dim = 8\n[training]\nepochs = 7\n"
    assert load(path, MINIMAL.replace("embedding_dim = 8", training)).training.patience == 7
    assert load(path, MINIMAL.replace("embedding_dim = 8", training + "patience = 2")).training.patience == 2
    assert load(path, MINIMAL).training.patience == 1


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


ISOFLOP = """
datasets = ["synthetic", "synthetic_teacher"]
models = ["mlp"]
totals = [3, 12]
budgets = [0.005, 0.02, 0.08]
rows = [37500, 2400000]
embedding_dim = 4

[training]
batch_size = 512
batch_rows = 2400000
"""


def test_totals_are_split_into_all_pairs_of_budget_and_rows_whose_product_they_are(path: Path) -> None:
    protocol = load(path, ISOFLOP)
    for split in protocol.splits:
        assert split.rows * split.budget * 1e6 == pytest.approx(split.total * 1e9)
        assert 37_500 <= split.rows <= 2_400_000
    synthetic = {(s.total, s.budget, s.rows) for s in protocol.splits if s.law == "synthetic"}
    assert synthetic == {
        *((3, 0.005, 600_000), (3, 0.02, 150_000), (3, 0.08, 37_500)),
        *((12, 0.005, 2_400_000), (12, 0.02, 600_000), (12, 0.08, 150_000)),
    }
    assert len(protocol.splits) == 2 * len(synthetic) == len(set(protocol.pairs))
    assert ("synthetic_teacher.rows_600000", 0.02) in protocol.pairs
    assert [budget for _, budget in protocol.pairs] == sorted((b for _, b in protocol.pairs), reverse=True)


def test_without_totals_every_data_set_has_every_budget(path: Path) -> None:
    protocol = load(path, MINIMAL.replace("[0.3]", "[0.3, 1.2]").replace('"hotel"', '"hotel", "synthetic"'))
    assert protocol.splits == []
    assert protocol.pairs == [("hotel", 1.2), ("synthetic", 1.2), ("hotel", 0.3), ("synthetic", 0.3)]


def test_rows_per_step_double_with_four_times_the_rows_so_that_steps_do_too(path: Path) -> None:
    training = load(path, ISOFLOP).training
    assert [training.rows_per_step(rows) for rows in (37_500, 150_000, 600_000, 2_400_000)] == [64, 128, 256, 512]
    assert training.rows_per_step(1) == 1
    assert load(path, MINIMAL).training.rows_per_step(7) == 1024


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("rows = [37500, 2400000]\n", "", r"totals need rows = \[fewest, most\]"),
        ("totals = [3, 12]\n", "", r"rows limits the splits of totals, and there are no totals"),
        ("totals = [3, 12]", "totals = [3, 3]", r"totals: \[3.0, 3.0\] contain duplicates"),
        (
            "totals = [3, 12]",
            "totals = [3, 9000]",
            r"no budget splits the total of 9000 GFLOP into 37,500 to 2,400,000",
        ),
        ("[training]", "[training]\nepochs = 2", r"in one pass; leave out training.train_rows and training.epochs"),
        ("[training]", "[training]\ntrain_rows = 9", r"in one pass; leave out training.train_rows and training.epochs"),
    ],
)
def test_totals_that_cannot_be_split_are_rejected(path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(ProtocolError, match=message):
        load(path, ISOFLOP.replace(old, new))


def test_totals_and_limits_of_rows_may_grow_and_the_batch_rule_is_part_of_the_identity(path: Path) -> None:
    kept = load(path, ISOFLOP)
    now = load(path, ISOFLOP.replace("[3, 12]", "[12, 48]").replace("[37500, 2400000]", "[150000, 9600000]"))
    assert kept.identity() == now.identity()
    both = combined(kept, now)
    assert (both.totals, both.rows) == ((3, 12, 48), (37_500, 9_600_000))
    assert load(path, ISOFLOP.replace("batch_rows = 2400000", "batch_rows = 600000")).identity() != kept.identity()
    plain = load(path, MINIMAL)
    assert "batch_rows" not in plain.compared()["training"]
    assert combined(plain, plain).rows is None


def test_the_smallest_form_of_totals_still_has_two_splits_of_each(path: Path) -> None:
    smoke = load(path, ISOFLOP).smoke()
    assert load(path, smoke.toml()) == smoke
    assert max(split.rows for split in smoke.splits) == 4096
    for total in smoke.totals:
        assert sum(split.total == total and split.law == "synthetic" for split in smoke.splits) == 2
