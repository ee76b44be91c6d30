"""A user's files on the command line: one command from file to table, read again and audited when the files have moved."""

import json
import shutil
import tomllib
from pathlib import Path

import polars as pl
import pytest
from click_log import click_log, write_csv, write_parquet
from processes import command
from sklearn.metrics import roc_auc_score

from benchmark.cli.own_data import recorded_datasets
from benchmark.protocol import own_data
from benchmark.records import store
from datamodules.own.draft import draft
from datamodules.own.text import toml

ROLES = ["--label", "clicked", "--time", "event_time", "--group", "user_id"]


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with results/clicks, made by one command from a csv file that is gone."""
    folder = tmp_path_factory.mktemp("engineer")
    write_csv(click_log(6000), folder / "clicks.csv")
    arguments = ["--models", "mlp,wukong", "--set", "training.epochs=2", "--set", "search.trials=2"]
    done = command("run", "--datasets", "./clicks.csv", *ROLES, *arguments, folder=folder)
    assert done.returncode == 0, done.stderr
    (folder / "output.txt").write_text(done.stdout)
    (folder / "clicks.csv").rename(folder / "moved.csv")
    return folder


@pytest.mark.slow
def test_one_command_shows_the_columns_the_leak_the_sizes_and_the_table(compared):
    shown = " ".join((compared / "output.txt").read_text().split())
    for text in (
        "age text dense whole numbers from 15 to 79",
        "user_id text sparse",
        "revenue predicts the label alone",
        "left out, as each row has another value: row_id",
        "A first look, sized for about 4,800 train rows",
        "Wukong",
    ):
        assert text in shown, text
    assert "clicks.csv: 2 models at 2 budgets" in (compared / "results/clicks/report.html").read_text()


@pytest.mark.slow
def test_the_folder_says_how_the_files_were_read_and_not_where_they_were(compared):
    facts = json.loads((compared / "results/clicks/datasets/clicks.json").read_text())
    assert facts["declaration"]["time"] == "event_time" and facts["declaration"]["columns"]["tags"]["separator"] == "|"
    assert any("revenue" in line for line in facts["warnings"])
    for path in (compared / "results/clicks").rglob("*"):
        if path.is_file() and path.suffix in (".json", ".jsonl", ".toml", ".html", ".md"):
            assert str(compared) not in path.read_text(), path


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [["report", "clicks"], ["status", "clicks"], ["export", "clicks", "--format", "parquet"], ["leaderboard"]],
    ids=lambda arguments: arguments[0],
)
def test_results_are_read_without_the_files(compared, tmp_path, arguments):
    shutil.copytree(compared / "results/clicks", tmp_path / "results/clicks")
    done = command(*arguments, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    if arguments[0] == "report":
        assert "revenue predicts the label alone" in (tmp_path / "results/clicks/report.html").read_text()


@pytest.mark.slow
def test_records_are_audited_with_the_files_where_they_are_now(compared, tmp_path):
    shutil.copytree(compared / "results/clicks", tmp_path / "results/clicks")
    (tmp_path / "elsewhere").mkdir()
    shutil.copy(compared / "moved.csv", tmp_path / "elsewhere/clicks.csv")
    done = command("audit", "clicks", "--records", "1", "--datasets", "elsewhere/clicks.csv", folder=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    without = command("audit", "clicks", "--records", "1", folder=tmp_path)
    assert without.returncode == 2 and without.stderr.count("\n") == 1 and "./clicks.parquet" in without.stderr


@pytest.mark.slow
def test_other_rows_under_the_same_name_do_not_join(compared, tmp_path):
    shutil.copytree(compared / "results/clicks", tmp_path / "results/clicks")
    write_csv(click_log(6000, seed=1), tmp_path / "clicks.csv")
    arguments = ["--models", "mlp,wukong", "--set", "training.epochs=2", "--set", "search.trials=2"]
    done = command("run", "--datasets", "./clicks.csv", *ROLES, *arguments, folder=tmp_path)
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "clicks" in done.stderr
    assert store.read(tmp_path / "results/clicks") == store.read(compared / "results/clicks")


@pytest.mark.slow
def test_weights_score_raw_rows_of_a_user_without_the_files_they_were_trained_on(tmp_path):
    log = click_log(6000)
    write_parquet(log, tmp_path / "clicks.parquet")
    (tmp_path / "mine.toml").write_text("[model]\nembedding_dim = 8\nhidden = [32]\n[training]\nepochs = 1\n")
    trained = command(
        "train", "mlp", "--datasets", "./clicks.parquet", *ROLES, "--config", "mine.toml", "--out", "w", folder=tmp_path
    )
    assert trained.returncode == 0, trained.stderr
    (tmp_path / "clicks.parquet").unlink()
    write_parquet(log.drop("clicked").select(reversed(log.drop("clicked").columns)), tmp_path / "new.parquet")
    scored = command("predict", "w", "new.parquet", "--out", "scores.parquet", folder=tmp_path)
    assert scored.returncode == 0, scored.stderr
    scores = pl.read_parquet(tmp_path / "scores.parquet")["score"].to_numpy()
    test = slice(int(0.9 * len(log)) + 10, None)
    metrics = json.loads((tmp_path / "w/weights.json").read_text())["record"]["test"]
    assert roc_auc_score(log["clicked"].to_numpy()[test], scores[test]) == pytest.approx(metrics["auc"], abs=2e-3)


def test_a_draft_is_read_back_as_it_was_guessed(tmp_path):
    log = click_log(2000).rename({"site": 'si"te\\ #', "age": "alter (Jahre) ü"})
    path = write_parquet(log, tmp_path / "clicks.parquet")
    first = draft(path, label="clicked", time="event_time", group="user_id", weight="importance")
    text = toml(first)
    (tmp_path / "clicks.toml").write_text(text)
    again = draft(tmp_path / "clicks.toml")
    assert again.declared.declaration == first.declared.declaration
    assert tomllib.loads(text)["columns"]["tags"] == {"kind": "values", "separator": "|", "length": 4}


@pytest.mark.parametrize("named", ["clicks.parquet", "clicks.toml"])
def test_files_are_read_again_as_the_folder_says_and_where_they_are_now(tmp_path, named):
    drafted = draft(
        write_parquet(click_log(2000), tmp_path / "clicks.parquet"), label="clicked", time="event_time"
    ).declared
    (tmp_path / "clicks.toml").write_text('label = "other"\n')  # of later
    facts = {"declaration": drafted.declaration.model_dump(mode="json", exclude={"files"})}
    (tmp_path / "results/datasets").mkdir(parents=True)
    (tmp_path / "results/datasets/clicks.json").write_text(json.dumps(facts))
    [again] = recorded_datasets(str(tmp_path / named), tmp_path / "results")
    assert (again.name, again.declaration, again.files) == (drafted.name, drafted.declaration, drafted.files)


def test_sizes_grow_with_rows_and_fields():
    small, large = own_data.sizes(1000, 5), own_data.sizes(10_000_000, 40)
    assert small == {
        "budgets": [0.02, 0.08],
        "embedding_dim": 8,
        "training.epochs": 16,
        "training.batch_size": 128,
    }
    assert large["training.epochs"] == 1 and large["training.batch_size"] == 4096 and large["budgets"] == [0.07, 0.28]
    for rows in (100, 10**4, 10**6, 10**8):
        for fields in (1, 12, 100, 1000):
            sizes = own_data.sizes(rows, fields)
            low, high = sizes["budgets"]
            assert high == pytest.approx(4 * low) and low * 1e6 >= 6 * fields * 8 * own_data.NARROWEST
            assert low <= max(own_data.LEAST_BUDGET, 2 * 6 * fields * 8 * own_data.NARROWEST / 1e6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run"], "which protocol?"),
        (["run", "--label", "x"], "--label names a column of your files"),
        (["plan", "quickstart", "--group", "user"], "--group names a column of your files"),
        (["run", "--datasets", "./clicks.csv"], "which column is the label? Give --label COLUMN"),
        (["run", "--datasets", "./clicks.csv", "--label", "clickd"], "did you mean 'clicked'?"),
        (["run", "--datasets", "./absent.csv", "--label", "clicked"], "no such file or folder"),
        (["run", "--datasets", "./hotel.csv", "--label", "clicked"], "a data set is already named 'hotel'"),
        (["run", "--datasets", "./clicks.csv", "--label", "clicked", "--smoke"], "own_data --smoke"),
        (["run", "--datasets", "./clicks.csv", "--label", "site"], "site is 'news'; expected 0 or 1|expected 0 or 1"),
        (["run", "--datasets", "clicks", "--label", "clicked"], "--label names a column of your files"),
        (["data", "draft", "hotel"], "is no path of a table"),
        (["data", "draft", "./clicks.csv", "--label", "clicked", "--out", "there.toml"], "exists and is kept"),
        (["data", "describe", "./clicks.csv", "--time", "event_time"], "which column is the label?"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_what_cannot_be_done_is_one_line_and_writes_nothing(tmp_path, arguments, message):
    write_csv(click_log(300), tmp_path / "clicks.csv")
    shutil.copy(tmp_path / "clicks.csv", tmp_path / "hotel.csv")
    (tmp_path / "there.toml").write_text("kept")
    before = sorted(path.name for path in tmp_path.iterdir())
    done = command(*arguments, folder=tmp_path)
    assert done.returncode == 2 and done.stderr.count("\n") == 1, done.stderr
    assert any(part in done.stderr for part in message.split("|"))
    assert not (tmp_path / "results").exists() or not list((tmp_path / "results").rglob("*.jsonl"))
    assert sorted(path.name for path in tmp_path.iterdir() if path.name not in ("results", "cache")) == before
