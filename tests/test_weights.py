"""Weights outlive their process: what they predict for new rows is what the run predicted; faults are one line."""

import gzip
import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from processes import command

import datamodules
import models
from benchmark import budget as budgets
from benchmark import protocol as protocols
from benchmark import weights
from benchmark.cli.main import main
from benchmark.errors import RunError
from benchmark.records import predictions, store
from benchmark.study import Study, of_kind
from benchmark.tuning import tuner
from benchmark.weights import exporting, predicting, reading, writing
from benchmark.weights.rows import ROWS_AT_A_TIME
from datamodules.base import twins
from datamodules.base.encoder import DenseRule, Rules, SequenceRule, TableRule, encoder_of
from models.base import Budget
from models.base.metrics import Predictions

PROTOCOL = {
    "name": "kept",
    "datasets": ["hotel"],
    "models": ["mlp"],
    "budgets": [0.05],
    "embedding_dim": 4,
    "training": {"batch_size": 512},
    "search": {"blocks": 1, "trials": 1},
    "final": {"seeds": [1, 2]},
}
FILES = ["weights.json", "model.safetensors", "vocabulary.parquet"]


def finished(folder: Path, **changes: Any) -> Study:
    protocol = protocols.validated(PROTOCOL, "test")
    study = Study(protocol, "hotel", "mlp", 0.05, folder, f"sqlite:///{folder / 'study.db'}", **changes)
    tuner.run(study)
    return study


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return finished(tmp_path_factory.mktemp("kept"), keep_weights=True)


@pytest.fixture(scope="module")
def folder(kept: Study) -> Path:
    """Return the weights of the study's first final run."""
    path = kept.weights_folder(kept.final_seeds[0])
    assert path is not None
    return path


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file of the test part with its columns in another order, and with others."""
    test = datamodules.load("hotel")().read()["test"].with_columns(more=pl.lit("x"))
    path = tmp_path_factory.mktemp("rows") / "rows.parquet"
    test.select(sorted(test.columns, reverse=True)).write_parquet(path)
    return path


def run(*arguments: str | Path, monkeypatch: pytest.MonkeyPatch) -> int:
    """Run a command in this process and return its exit code."""
    monkeypatch.setattr(sys, "argv", ["wukong-bench", *map(str, arguments)])
    with pytest.raises(SystemExit) as stop:
        main()
    return int(stop.value.code or 0)


def test_kept_weights_predict_in_another_process_what_the_run_predicted(
    kept: Study, folder: Path, rows: Path, tmp_path: Path
) -> None:
    done = command("predict", str(folder), str(rows), "--out", "s.parquet", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    for seed in kept.final_seeds:
        if (own := kept.weights_folder(seed)) != folder:
            assert own is not None
            predicting.score(reading.load(own), rows, tmp_path / "s.parquet")
        scores = pl.read_parquet(tmp_path / "s.parquet")
        logits, labels = predictions.read(predictions.prediction_file(kept.results, "hotel", "mlp", kept.budget, seed))
        np.testing.assert_allclose(scores["logit"].to_numpy(), logits, rtol=0, atol=1e-6)
        np.testing.assert_allclose(scores["score"].to_numpy(), 1 / (1 + np.exp(-logits.astype(float))), rtol=1e-6)
        (record,) = [r for r in of_kind(kept.records(), "final") if r.seed == seed]
        metric = Predictions()
        metric.update(torch.tensor(scores["logit"].to_numpy()), torch.tensor(labels, dtype=torch.float32))
        assert record.test is not None
        assert metric.compute() == pytest.approx(record.test, abs=1e-7)


def test_keeping_weights_changes_no_number_and_no_record(kept: Study, tmp_path: Path) -> None:
    plain = finished(tmp_path)
    assert [r.timeless() for r in plain.records()] == [r.timeless() for r in kept.records()]
    assert not (tmp_path / "weights").exists()
    lines = [store.record_file(s.results, "hotel", "mlp").read_text().splitlines() for s in (plain, kept)]
    keys = [[list(json.loads(line)) for line in own] for own in lines]
    assert keys[0] == keys[1]


def test_weights_hold_the_record_of_their_run(kept: Study, folder: Path) -> None:
    (record,) = [r for r in of_kind(kept.records(), "final") if r.seed == kept.final_seeds[0]]
    assert reading.load(folder).about.record == record
    assert sorted(path.name for path in folder.iterdir()) == sorted(FILES)


def test_csv_gzipped_csv_and_parquet_give_the_same_scores(folder: Path, rows: Path, tmp_path: Path) -> None:
    loaded, frame = reading.load(folder), pl.read_parquet(rows)
    frame.write_csv(tmp_path / "rows.csv")
    (tmp_path / "rows.csv.gz").write_bytes(gzip.compress((tmp_path / "rows.csv").read_bytes()))
    scores = []
    for path in (rows, tmp_path / "rows.csv", tmp_path / "rows.csv.gz"):
        scored = predicting.score(loaded, path, tmp_path / "s.parquet")
        assert scored.rows == len(frame)
        scores.append(pl.read_parquet(tmp_path / "s.parquet"))
    assert scores[0].equals(scores[1]) and scores[0].equals(scores[2])
    assert scores[0].schema == {"score": pl.Float64, "logit": pl.Float32}


def test_a_row_is_scored_alike_whatever_rows_are_around_it(folder: Path, rows: Path, tmp_path: Path) -> None:
    """Blocks of rows end anywhere; the file has more rows than a block."""
    loaded, frame = reading.load(folder), pl.read_parquet(rows)
    assert len(frame) > ROWS_AT_A_TIME
    frame[9000:9007].write_parquet(tmp_path / "few.parquet")
    predicting.score(loaded, rows, tmp_path / "all.parquet")
    predicting.score(loaded, tmp_path / "few.parquet", tmp_path / "s.parquet")
    some = pl.read_parquet(tmp_path / "all.parquet")["logit"][9000:9007]
    np.testing.assert_allclose(pl.read_parquet(tmp_path / "s.parquet")["logit"], some, rtol=0, atol=1e-5)


def test_a_missing_column_counts_as_missing_cells_if_that_is_allowed(folder: Path, rows: Path, tmp_path: Path) -> None:
    loaded, frame = reading.load(folder), pl.read_parquet(rows)
    frame.drop("agent", "adr").write_parquet(tmp_path / "without.parquet")
    frame.with_columns(agent=None, adr=None).write_parquet(tmp_path / "empty.parquet")
    predicting.score(loaded, tmp_path / "without.parquet", tmp_path / "a.parquet", allow_missing=True)
    predicting.score(loaded, tmp_path / "empty.parquet", tmp_path / "b.parquet")
    assert pl.read_parquet(tmp_path / "a.parquet").equals(pl.read_parquet(tmp_path / "b.parquet"))


def test_unseen_values_are_counted(folder: Path, rows: Path, tmp_path: Path) -> None:
    frame = pl.read_parquet(rows).head(10).with_columns(agent=pl.lit("never seen"))
    frame.write_parquet(tmp_path / "rows.parquet")
    scored = predicting.score(reading.load(folder), tmp_path / "rows.parquet", tmp_path / "s.parquet")
    assert scored.unseen["agent"] == 10


def test_a_loaded_model_is_in_eval_mode_and_gives_the_runs_logits(kept: Study, folder: Path) -> None:
    model = weights.load_model(folder)
    assert isinstance(model, models.load("mlp")) and not model.training
    dense, sparse, _ = next(iter(datamodules.load("hotel")(batch_size=100).test_dataloader()))
    path = predictions.prediction_file(kept.results, "hotel", "mlp", kept.budget, kept.final_seeds[0])
    np.testing.assert_allclose(model(dense, sparse).numpy(), predictions.read(path)[0][:100], rtol=0, atol=1e-6)


def test_the_suite_can_be_told_that_code_has_changed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = reading.load(folder)
    assert loaded.other_code() == []
    monkeypatch.setattr(reading, "code_of", lambda model: {**loaded.about.code, "layers": "other"})
    assert loaded.other_code() == ["layers"]


def test_weights_bring_frozen_tables_and_need_no_raw_files(tmp_path: Path) -> None:
    dataset = datamodules.load("kuaivideo_x1.clean")
    twins.write(dataset.layout(), tmp_path / "raw", 600)
    data, model_class = dataset(tmp_path / "raw"), models.load("mlp")
    config = model_class.Config(embedding_dim=4, hidden=(8,))
    model = model_class(config, data.n_dense, data.cardinalities).eval()
    about = next(iter(store.read(Path(__file__).parents[1] / "results" / "hotel"))).model_copy(
        update={"dataset": "kuaivideo_x1.clean", "model": "mlp", "config": config.model_dump(mode="json")}
    )
    rows = data.read()["test"]
    rows = pl.concat(rows.batches()) if not isinstance(rows, pl.DataFrame) else rows
    rows.write_csv(tmp_path / "rows.csv")
    writing.write(tmp_path / "w", writing.state_of(model), data, about, protocols.load("smoke").training)
    dense, sparse, *_ = next(iter(dataset(tmp_path / "raw", batch_size=10**6).test_dataloader()))
    expected = model(dense, sparse).detach()
    shutil.rmtree(tmp_path / "raw")
    assert (tmp_path / "w" / "frozen.safetensors").is_file()
    predicting.score(reading.load(tmp_path / "w"), tmp_path / "rows.csv", tmp_path / "s.parquet")
    logits = pl.read_parquet(tmp_path / "s.parquet")["logit"].to_numpy()
    np.testing.assert_allclose(logits, expected.numpy(), rtol=0, atol=1e-6)


BAD_ROWS: dict[str, tuple[Callable[[Path, Path], Path], str]] = {
    "no file": (lambda rows, tmp: tmp / "none.parquet", "No such file"),
    "a folder": (lambda rows, tmp: tmp, "Is a directory"),
    "a missing column": (lambda rows, tmp: written(pl.read_parquet(rows).drop("agent"), tmp), "no column 'agent'"),
    "a misspelt column": (
        lambda rows, tmp: written(pl.read_parquet(rows).rename({"agent": "agnet"}), tmp),
        "did you mean 'agnet'",
    ),
    "no row": (lambda rows, tmp: written(pl.read_parquet(rows).head(0), tmp), "no data rows"),
    "half a Parquet file": (lambda rows, tmp: bytes_in(tmp, rows.read_bytes()[:5000]), "cannot be read"),
    "no number": (
        lambda rows, tmp: written(pl.read_parquet(rows).with_columns(adr=pl.lit("many")), tmp),
        "row 1: adr is 'many'",
    ),
    "an infinite number late in the file": (
        lambda rows, tmp: written(
            pl.read_parquet(rows).with_columns(adr=pl.when(pl.int_range(pl.len()) == 9_001).then(float("inf"))), tmp
        ),
        "row 9002: adr is inf",
    ),
    "a column of lists": (
        lambda rows, tmp: written(pl.read_parquet(rows).with_columns(agent=pl.lit([1, 2])), tmp),
        "cannot be encoded",
    ),
    "a zip archive": (lambda rows, tmp: bytes_in(tmp, b"PK\x03\x04 and more"), "is a zip archive"),
    "an uneven csv": (lambda rows, tmp: bytes_in(tmp, b"a,b\n1,2\n3\n"), "line 3"),
    "an empty file": (lambda rows, tmp: bytes_in(tmp, b""), "is empty"),
}


def written(frame: pl.DataFrame, tmp: Path) -> Path:
    frame.write_parquet(tmp / "bad.parquet")
    return tmp / "bad.parquet"


def bytes_in(tmp: Path, content: bytes) -> Path:
    (tmp / "bad").write_bytes(content)
    return tmp / "bad"


def check_one_line(capsys: pytest.CaptureFixture[str], code: int, text: str) -> None:
    errors = capsys.readouterr().err.splitlines()
    assert code == 2 and len(errors) == 1, errors
    assert errors[0].startswith("wukong-bench: ") and text in errors[0], errors[0]


@pytest.mark.parametrize("case", BAD_ROWS)
def test_rows_that_cannot_be_scored_are_one_line_and_nothing_is_written(
    case: str, folder: Path, rows: Path, tmp_path: Path, monkeypatch: Any, capsys: Any
) -> None:
    make, text = BAD_ROWS[case]
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    bad = make(rows, tmp_path / "in")
    check_one_line(
        capsys, run("predict", folder, bad, "--out", tmp_path / "out" / "s.parquet", monkeypatch=monkeypatch), text
    )
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(
    ("out", "text"), [("s.csv", "ends in .parquet"), ("none/s.parquet", "no folder"), ("rows.parquet", "is the file")]
)
def test_a_place_where_scores_cannot_be_written_is_one_line(
    out: str, text: str, folder: Path, rows: Path, tmp_path: Path, monkeypatch: Any, capsys: Any
) -> None:
    shutil.copy(rows, tmp_path / "rows.parquet")
    before = (tmp_path / "rows.parquet").read_bytes()
    code = run("predict", folder, tmp_path / "rows.parquet", "--out", tmp_path / out, monkeypatch=monkeypatch)
    check_one_line(capsys, code, text)
    assert [path.name for path in tmp_path.iterdir()] == ["rows.parquet"]
    assert (tmp_path / "rows.parquet").read_bytes() == before


def changed(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    about = json.loads(path.read_text())
    change(about)
    path.write_text(json.dumps(about))


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "no folder": (shutil.rmtree, "no weights here"),
    "a results folder": (lambda w: (w / "weights.json").unlink(), "no weights here"),
    **{
        f"half of {name}": (lambda w, n=name: (w / n).write_bytes((w / n).read_bytes()[:-50]), "damaged")  # type: ignore[misc]
        for name in FILES
    },
    "no weights": (lambda w: (w / "model.safetensors").unlink(), "No such file"),
    "a changed weight": (
        lambda w: (w / "model.safetensors").write_bytes((w / "model.safetensors").read_bytes()[:-4] + b"\0\0\0\x40"),
        "model.safetensors is not the file that was written",
    ),
    "no digests": (lambda w: changed(w / "weights.json", lambda a: a["digests"].clear()), "no digest of"),
    "a path for a digest": (
        lambda w: changed(w / "weights.json", lambda a: a["digests"].update({"../x": "0" * 64})),
        "damaged",
    ),
    "another format": (lambda w: changed(w / "weights.json", lambda a: a.update(format=2)), "another version"),
    "a class path": (lambda w: changed(w / "weights.json", lambda a: a.update(_target_="os.system")), "_target_"),
    "an unknown model": (
        lambda w: changed(w / "weights.json", lambda a: a["record"].update(model="mpl")),
        "no model 'mpl'; did you mean 'mlp'?",
    ),
    "a model outside the folder": (
        lambda w: changed(w / "weights.json", lambda a: a["record"].update(model="../x")),
        "damaged",
    ),
    "an unknown data set": (
        lambda w: changed(w / "weights.json", lambda a: a["record"].update(dataset="hotels")),
        "no data set 'hotels'",
    ),
    "another model": (lambda w: changed(w / "weights.json", lambda a: a["record"].update(model="dlrm")), "damaged"),
    "another width": (
        lambda w: changed(w / "weights.json", lambda a: a["record"]["config"].update(embedding_dim=5)),
        "size mismatch",
    ),
    "fewer fields": (lambda w: changed(w / "weights.json", lambda a: a["encoder"]["tables"].pop("agent")), "damaged"),
    "smaller tables": (
        lambda w: changed(w / "weights.json", lambda a: a["encoder"]["tables"]["agent"].update(rows=2)),
        "does not fit its table",
    ),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_damaged_and_foreign_weights_are_one_line(
    case: str, folder: Path, rows: Path, tmp_path: Path, monkeypatch: Any, capsys: Any
) -> None:
    damage, text = DAMAGE[case]
    shutil.copytree(folder, tmp_path / "w")
    damage(tmp_path / "w")
    code = run("predict", tmp_path / "w", rows, "--out", tmp_path / "s.parquet", monkeypatch=monkeypatch)
    check_one_line(capsys, code, text)
    assert not (tmp_path / "s.parquet").exists()


def test_a_failed_write_leaves_the_earlier_weights_and_nothing_else(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded, data = reading.load(folder), datamodules.load("hotel")()
    arguments = writing.state_of(loaded.model), data, loaded.about.record, loaded.about.training
    writing.write(tmp_path / "w", *arguments)
    before = {path.name: path.read_bytes() for path in (tmp_path / "w").iterdir()}

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(writing.files, "write_json", full)
        with pytest.raises(RunError, match="disk full"):
            writing.write(tmp_path / "w", *arguments)
    assert {path.name: path.read_bytes() for path in (tmp_path / "w").iterdir()} == before
    writing.write(tmp_path / "w", *arguments)
    assert [path.name for path in tmp_path.iterdir()] == ["w"]


def test_the_encoder_of_weights_is_that_of_the_data_set(folder: Path) -> None:
    encoder = encoder_of(datamodules.load("hotel")())
    assert reading.load(folder).encoder.rules == encoder.rules
    assert reading.load(folder).encoder.vocabulary.equals(encoder.vocabulary)


def test_an_exported_program_takes_any_number_of_rows(folder: Path, rows: Path, tmp_path: Path) -> None:
    loaded = reading.load(folder)
    assert exporting.export(loaded, tmp_path / "m.pt2", rows) <= exporting.TOLERANCE
    program = torch.export.load(tmp_path / "m.pt2").module()
    for n in (1, 5, 3000):
        dense, sparse = map(torch.from_numpy, exporting.drawn(loaded, n))
        np.testing.assert_allclose(program(dense, sparse), loaded.model(dense, sparse), rtol=0, atol=1e-5)


def test_a_program_that_computes_something_else_is_not_written(
    folder: Path, rows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The drawn rows agree; the rows of the file do not."""
    loaded = reading.load(folder)

    def wrong(loaded: reading.Weights, path: Path) -> exporting.Program:
        def program(dense: np.ndarray, sparse: np.ndarray) -> np.ndarray:
            logit = loaded.model(torch.from_numpy(dense), torch.from_numpy(sparse)).numpy()
            return logit + (1e-4 if len(dense) > 1000 else 0)

        path.touch()
        return program

    monkeypatch.setattr(exporting, "_pt2", wrong)
    assert exporting.export(loaded, tmp_path / "m.pt2") == 0
    (tmp_path / "m.pt2").unlink()
    with pytest.raises(RunError, match=r"differ by 0\.0001"):
        exporting.export(loaded, tmp_path / "m.pt2", rows)
    assert list(tmp_path.iterdir()) == []


def test_an_onnx_program_computes_the_models_logits(folder: Path, rows: Path, tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    loaded = reading.load(folder)
    assert exporting.export(loaded, tmp_path / "m.onnx", rows) <= exporting.TOLERANCE
    session = onnxruntime.InferenceSession(tmp_path / "m.onnx")
    dense, sparse = exporting.drawn(loaded, 3)
    (logit,) = session.run(["logit"], {"dense": dense, "sparse": sparse})
    np.testing.assert_allclose(logit, loaded.model(torch.from_numpy(dense), torch.from_numpy(sparse)), atol=1e-5)
    assert [path.name for path in tmp_path.iterdir()] == ["m.onnx"]


@pytest.mark.parametrize(("out", "text"), [("m.pth", "ends in .pt2 or .onnx"), ("none/m.pt2", "no folder")])
def test_a_program_that_cannot_be_written_is_one_line(
    out: str, text: str, folder: Path, tmp_path: Path, monkeypatch: Any, capsys: Any
) -> None:
    check_one_line(capsys, run("export-model", folder, "--out", tmp_path / out, monkeypatch=monkeypatch), text)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", [*models.names(), *models.variants("wukong")])
def test_every_model_can_be_exported(name: str, folder: Path, tmp_path: Path) -> None:
    """With sparse, dense and frozen fields and sequences of both kinds of tables."""
    tables = {"a": TableRule(column="a", rows=50), "b": TableRule(column="b", rows=40)}
    tables["c"] = TableRule(column="c", rows=20, frozen=True)
    sequences = {f"of {table}": SequenceRule(column="s", table=table, length=5) for table in ("a", "c")}
    dense = {x: DenseRule(mean=0, deviation=1, flagged=True) for x in "xyz"}
    rules = Rules(encoding="clean", dense=dense, tables=tables, sequences=sequences)
    loaded, model_class = reading.load(folder), models.load(name)
    config = budgets.default_config(model_class.Config, Budget(0.2e6, rules.n_dense, 5, 8))
    model = model_class(config, rules.n_dense, rules.cardinalities({"c": torch.randn(20, 16)})).eval()
    about = loaded.about.model_copy(update={"encoder": rules})
    exporting.export(replace(loaded, about=about, model=model.requires_grad_(False)), tmp_path / "m.pt2")
    assert (tmp_path / "m.pt2").is_file()
