"""`wukong-bench train`: from a preset, a file or a winner; what it cannot train is one line and leaves nothing behind."""

import signal
import sys
from pathlib import Path
from typing import Any

import pytest

import models
from benchmark.cli.main import main
from benchmark.errors import ProtocolError, RunError
from benchmark.execution import configurations, single
from benchmark.execution.run import run as run_protocol
from benchmark.output import Screen
from benchmark.protocol import load
from benchmark.records import store
from benchmark.study import Event, of_kind
from benchmark.weights import reading

RESULTS = Path(__file__).parents[1] / "results"
SMALL = """
[model]
embedding_dim = 4
hidden = [16]
[optimiser]
learning_rate = 0.003
[training]
epochs = 2
batch_size = 2048
clip_norm = 1
"""


@pytest.fixture
def small(tmp_path: Path) -> Path:
    (tmp_path / "small.toml").write_text(SMALL)
    return tmp_path / "small.toml"


def train(monkeypatch: pytest.MonkeyPatch, *arguments: str | Path) -> int:
    """Run the command in this process and return its exit code."""
    monkeypatch.setattr(sys, "argv", ["wukong-bench", "train", *map(str, arguments)])
    with pytest.raises(SystemExit) as stop:
        main()
    return int(stop.value.code or 0)


def test_a_file_is_trained_and_its_weights_say_so(small: Path, tmp_path: Path, monkeypatch: Any, capsys: Any) -> None:
    out = tmp_path / "deep" / "w"
    code = train(monkeypatch, "mlp", "--datasets", "hotel", "--config", small, "--out", out, "--seed", "5")
    shown = capsys.readouterr().out
    assert code == 0
    about = reading.load(out).about
    assert about.record.config["hidden"] == [16] and about.record.seed == 5 and about.record.epochs == 2
    assert about.record.optimiser["learning_rate"] == 0.003 and about.record.optimiser["clip_norm"] == 1
    assert about.training.batch_size == 2048 and about.record.batch_size == 2048
    assert about.record.valid is not None and about.record.test is not None
    for part, metrics in (("valid", about.record.valid), ("test", about.record.test)):
        assert f"{part}: auc {metrics['auc']:.6f}, logloss {metrics['logloss']:.6f}" in shown
    assert "at most 2 x 47 steps of 2,048 rows on cpu, about" in shown
    assert [path.name for path in out.parent.iterdir()] == ["w"]


def test_a_folder_that_exists_is_not_touched(small: Path, tmp_path: Path, monkeypatch: Any, capsys: Any) -> None:
    code = train(monkeypatch, "mlp", "--datasets", "hotel", "--config", small, "--out", tmp_path)
    assert code == 2 and capsys.readouterr().err.splitlines() == [
        f"wukong-bench: {tmp_path} exists; remove it or choose another --out"
    ]


def test_a_folder_that_cannot_be_made_is_named_before_the_training(small: Path, monkeypatch: Any, capsys: Any) -> None:
    monkeypatch.setattr(single, "Runner", None)  # nothing is trained
    code = train(monkeypatch, "mlp", "--datasets", "hotel", "--config", small, "--out", small / "w")
    errors = capsys.readouterr().err.splitlines()
    assert code == 2 and len(errors) == 1 and "not a folder" in errors[0], errors


@pytest.mark.slow
def test_a_winner_trained_again_has_the_metrics_of_its_final_run(tmp_path: Path) -> None:
    """Of a run with the code of today, whose numbers are those of this machine."""
    protocol = load("smoke", {"datasets": ["hotel"], "models": ["mlp"], "search.trials": 1, "search.blocks": 1})
    run_protocol(protocol, tmp_path, jobs=1, console=Screen(stderr=True), keep_weights=True)
    folder = tmp_path / protocol.name
    budget = protocol.budgets[0]
    chosen = configurations.of_winner("mlp", "hotel", folder, budget, 1, {})
    record = single.train("mlp", "hotel", chosen, tmp_path / "w", console=Screen(stderr=True))
    own = [r for r in of_kind(store.read(folder), "final") if r.budget == budget and r.seed == chosen.seed]
    assert [r.test for r in own] == [record.test]
    assert [r.budget for r in own] == [record.budget]
    kept = folder / "weights" / "hotel" / "mlp" / f"{budget:g}" / str(chosen.seed)
    assert reading.load(kept).about.digests == reading.load(tmp_path / "w").about.digests


def test_a_preset_is_the_published_configuration() -> None:
    chosen = configurations.of_preset("wukong", "table5_1", {"training.epochs": 3})
    assert chosen.config == models.presets("wukong")["table5_1"]
    assert chosen.training.epochs == chosen.training.patience == 3


def test_the_winner_of_committed_results_is_the_one_of_its_final_runs() -> None:
    chosen = configurations.of_winner("mlp", "hotel", RESULTS / "hotel", 0.2, 1, {})
    finals = [r for r in of_kind(store.read(RESULTS / "hotel"), "final") if (r.model, r.budget) == ("mlp", 0.2)]
    assert chosen.config.model_dump(mode="json") == finals[0].config and chosen.seed == finals[0].seed
    assert chosen.optimiser.model_dump(mode="json") == finals[0].optimiser
    assert chosen.fingerprint == finals[0].data_fingerprint


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[model", "Expected"),
        ("", "model.embedding_dim is missing"),
        ("model = 3", "model is 3; use a table"),
        ("[models]\nembedding_dim = 4", "no table 'models'; did you mean 'model'"),
        ("[model]\nembeding_dim = 4", "model.embeding_dim"),
        ("[model]\nembedding_dim = '4'", 'model.embedding_dim: "4" is not allowed'),
        ("[model]\nembedding_dim = 4.5", "model.embedding_dim"),
        ("[model]\nembedding_dim = 1979-05-27", "date is not JSON"),
        ("[model]\nembedding_dim = 4\ndropout = nan", "[model]"),
        ("[model]\nembedding_dim = 4\n[optimiser]\nlearning_rate = -1", "optimiser.learning_rate: -1 is not allowed"),
        ("[model]\nembedding_dim = 4\n[optimiser]\nlr = 1", "no key 'optimiser.lr'"),
        ("[model]\nembedding_dim = 4\n[training]\nepochs = 0", "training.epochs: 0 is not allowed"),
        ("[model]\nembedding_dim = 4\n[training]\nclass_path = 'os.system'", "no key 'training.class_path'"),
    ],
)
def test_a_file_with_a_fault_is_one_line(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text(text)
    with pytest.raises(ProtocolError) as raised:
        configurations.of_file("mlp", tmp_path / "bad.toml", {})
    assert message in str(raised.value) and "\n" not in str(raised.value)
    assert str(raised.value).startswith(str(tmp_path / "bad.toml"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "give one of --preset, --config and --from; presets of wukong: "),
        (("--preset", "criteo_tb", "--from", "results"), "give one of"),
        (("--preset", "criteo_bt"), "did you mean 'criteo_tb'"),
        (("--preset", "criteo_tb", "--budget", "1"), "it goes with --from"),
        (("--preset", "criteo_tb", "--set", "epochs=1"), "--set epochs"),
        (("--config", "none.toml"), "none.toml: no such file"),
        (("--from", "none"), "no such file"),
        (("--from", str(RESULTS / "hotel")), "choose one with --budget: 0.05, 0.2, 0.8, 3.2"),
        (("--from", str(RESULTS / "hotel"), "--budget", "7"), "no budget 7; it has 0.05"),
        (("--from", str(RESULTS / "hotel"), "--budget", "0.2", "--block", "9"), "no block 9"),
        (("--from", str(RESULTS / "frappe")), "no records of wukong on hotel"),
    ],
)
def test_a_choice_that_is_none_is_one_line(
    arguments: tuple[str, ...], message: str, tmp_path: Path, monkeypatch: Any, capsys: Any
) -> None:
    code = train(monkeypatch, "wukong", "--datasets", "hotel", "--out", tmp_path / "w", *arguments)
    errors = capsys.readouterr().err.splitlines()
    assert code == 2 and len(errors) == 1 and message in errors[0], errors
    assert list(tmp_path.iterdir()) == []


def test_a_training_that_fails_is_one_line_and_leaves_no_weights(small: Path, tmp_path: Path) -> None:
    chosen = configurations.of_file("mlp", small, {"optimiser.learning_rate": 1e30, "optimiser.clip_norm": 0})
    with pytest.raises(RunError, match=r"hotel/mlp: (failed|collapsed)"):
        single.train("mlp", "hotel", chosen, tmp_path / "w", console=Screen(stderr=True))
    assert not (tmp_path / "w").exists()


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_training_that_is_stopped_says_so_and_leaves_no_weights(
    name: str, small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = configurations.of_file("mlp", small, {"training.epochs": 50})
    progress = single.RunDisplay.__call__

    def stop(display: single.RunDisplay, event: Event) -> None:
        progress(display, event)
        if event.share > 0:
            signal.raise_signal(getattr(signal, name))

    monkeypatch.setattr(single.RunDisplay, "__call__", stop)
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job starts with it ignored
    with pytest.raises(RunError, match="hotel/mlp: stopped; nothing was written"):
        single.train("mlp", "hotel", chosen, tmp_path / "w", console=Screen(stderr=True))
    signal.signal(signal.SIGINT, previous)
    assert not (tmp_path / "w").exists()


def test_weights_are_not_kept_where_another_machine_trains(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="this machine only"):
        run_protocol(load("smoke"), tmp_path, cluster="auto", keep_weights=True)
    assert list(tmp_path.iterdir()) == []
