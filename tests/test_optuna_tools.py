"""Optuna's own tools read a search of a results folder: what its numbers are, how they came, and from the records alone."""

import io
import json
import wsgiref.util
from datetime import timedelta
from pathlib import Path
from typing import Any

import optuna
import optuna_dashboard
import plotly.graph_objects as go
import pytest
from optuna import visualization
from optuna.distributions import distribution_to_json
from optuna.trial import TrialState
from tiny_study import study

from benchmark import findings
from benchmark.errors import RecordError
from benchmark.records import files
from benchmark.records.record import Record
from benchmark.reports import export
from benchmark.study import Study
from benchmark.tuning import resume, storage, tuner
from benchmark.tuning.resume import resumed

SEARCH = {"blocks": 1, "trials": 5, "learning_rate": [1e-3, 3e-2], "dropout": [0.0, 0.2], "seed": 1}
TWO_EPOCHS = {"batch_size": 512, "train_rows": 4096, "epochs": 2}
PARTS = ("number", "state", "value", "params", "distributions", "intermediate_values", "user_attrs")


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """A finished search without pruning, in a whole results folder."""
    finished = study(tmp_path_factory.mktemp("tuned"), search=SEARCH, training=TWO_EPOCHS, final={"seeds": [1]})
    tuner.run(finished)
    space = storage.open_study(finished).trials[0].distributions
    spaces = {finished.cell: {name: distribution_to_json(of_one) for name, of_one in space.items()}}
    files.write_text(finished.results / "protocol.toml", finished.protocol.toml())
    files.write_json(finished.results / "made_with.json", {"space": spaces})
    return finished


@pytest.fixture
def loaded(tuned: Study) -> optuna.Study:
    """The search as a user opens it, without this suite."""
    (name,) = optuna.get_all_study_names(tuned.storage)
    return optuna.load_study(study_name=name, storage=tuned.storage)


def trials_of(tuned: Study) -> list[Record]:
    return [record for record in tuned.records() if record.kind == "trial"]


def own(optuna_study: optuna.Study) -> dict[str, Any]:
    """The attributes that describe a study, without the notes on attempts."""
    return {name: value for name, value in optuna_study.user_attrs.items() if not name.startswith("attempt")}


def test_a_study_says_what_was_tuned_and_its_objective_has_a_name(tuned: Study, loaded: optuna.Study) -> None:
    assert loaded.metric_names == ["valid_logloss"]
    assert loaded.direction == optuna.study.StudyDirection.MINIMIZE
    assert own(loaded) == {
        "dataset": "synthetic",
        "model": "mlp",
        "budget_mflop": 0.1,
        "block": 1,
        "monitor": "logloss",
        "protocol": "test",
        "protocol_id": tuned.records()[0].protocol_id,
    }


def test_a_search_by_auc_is_maximised_under_that_name(tmp_path: Path) -> None:
    by_auc = study(tmp_path, training={"monitor": "auc"})
    storage.create_studies([by_auc])
    (name,) = optuna.get_all_study_names(by_auc.storage)
    opened = optuna.load_study(study_name=name, storage=by_auc.storage)
    assert opened.direction == optuna.study.StudyDirection.MAXIMIZE
    assert opened.metric_names == ["valid_auc"] and opened.user_attrs["monitor"] == "auc"


def test_each_trial_has_the_numbers_of_its_record_and_its_curve(tuned: Study, loaded: optuna.Study) -> None:
    frame, records = loaded.trials_dataframe(), trials_of(tuned)
    assert frame["value_valid_logloss"].to_list() == [record.valid["logloss"] for record in records if record.valid]
    for name in ("kind", "block", "status", "epochs", "seconds", "dense_parameters", "embedding_parameters"):
        assert frame[f"user_attrs_{name}"].to_list() == [getattr(record, name) for record in records], name
    flops = [record.training_flops or 0 for record in records]
    assert (frame["user_attrs_training_mflop"] * 1e6).to_list() == pytest.approx(flops, rel=1e-12)
    for trial, record in zip(loaded.trials, records, strict=True):
        assert trial.intermediate_values == {1: record.history[0]["logloss"], 2: record.history[1]["logloss"]}


def test_a_lost_storage_is_rebuilt_with_the_same_attributes(tuned: Study, loaded: optuna.Study, tmp_path: Path) -> None:
    elsewhere = study(tmp_path, search=SEARCH, training=TWO_EPOCHS, final={"seeds": [1]})
    space = loaded.trials[0].distributions
    rebuilt = resumed(elsewhere, None, {record.trial: record for record in trials_of(tuned)}, lambda params: space)
    assert (rebuilt.metric_names, rebuilt.direction) == (loaded.metric_names, loaded.direction)
    assert own(rebuilt) == own(loaded)
    for mine, theirs in zip(rebuilt.trials, loaded.trials, strict=True):
        assert [getattr(mine, part) for part in PARTS] == [getattr(theirs, part) for part in PARTS]
        assert mine.duration == timedelta(seconds=mine.user_attrs["seconds"])
        assert mine.datetime_complete and theirs.datetime_complete
        assert abs(mine.datetime_complete - theirs.datetime_complete) < timedelta(seconds=5)


def test_a_storage_of_an_earlier_version_gets_the_attributes_when_its_search_resumes(
    tuned: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = study(tmp_path, search=SEARCH, training=TWO_EPOCHS, final={"seeds": [1]})
    trials = {record.trial: record for record in trials_of(tuned)}
    space = storage.open_study(tuned).trials[0].distributions
    with monkeypatch.context() as patch:
        patch.setattr(resume, "of_trial", lambda record: {"slot": record.trial})
        assert "kind" not in resumed(elsewhere, None, trials, lambda params: space).trials[0].user_attrs
    again = resumed(elsewhere, None, trials, lambda params: space)
    assert [trial.user_attrs["kind"] for trial in again.trials] == ["trial"] * 5


def test_failed_trials_say_why_without_counting(tuned: Study, tmp_path: Path) -> None:
    record = trials_of(tuned)[0]
    failed = record.model_copy(update={"status": "failed", "error": "no memory", "valid": None})
    space = storage.open_study(tuned).trials[0].distributions
    rebuilt = resumed(study(tmp_path), None, {0: failed}, lambda params: space)
    (trial,) = rebuilt.trials
    assert trial.state == TrialState.FAIL
    assert (trial.user_attrs["status"], trial.user_attrs["error"]) == ("failed", "no memory")


def test_the_history_plot_shows_every_trial_and_the_best_so_far(tuned: Study, loaded: optuna.Study) -> None:
    losses = [record.valid["logloss"] for record in trials_of(tuned) if record.valid]
    figure = visualization.plot_optimization_history(loaded, target_name=loaded.metric_names[0])
    points, best = (list(trace.y) for trace in figure.data[:2])  # the third is of infeasible trials
    assert points == losses
    assert best == [min(losses[: n + 1]) for n in range(len(losses))]


@pytest.mark.parametrize("plot", ["param_importances", "parallel_coordinate", "slice", "intermediate_values"])
def test_the_other_plots_show_the_parameters_or_curves(loaded: optuna.Study, plot: str) -> None:
    figure = getattr(visualization, f"plot_{plot}")(loaded)
    assert isinstance(figure, go.Figure)
    shown = json.loads(figure.to_json())
    if plot == "intermediate_values":
        assert [trace["x"] for trace in shown["data"]] == [[1, 2]] * 5
    else:
        assert {"learning_rate", "dropout", "depth"} <= set(_texts(shown))


def _texts(value: object) -> list[str]:
    """All texts in a figure."""
    if isinstance(value, dict):
        return [text for part in value.values() for text in _texts(part)]
    if isinstance(value, list):
        return [text for part in value for text in _texts(part)]
    return [value] if isinstance(value, str) else []


def test_the_dashboard_opens_the_file(tuned: Study, loaded: optuna.Study) -> None:
    app = optuna_dashboard.wsgi(optuna.storages.RDBStorage(tuned.storage))

    def get(path: str) -> Any:
        environment: dict[str, Any] = {"PATH_INFO": path, "wsgi.input": io.BytesIO()}
        wsgiref.util.setup_testing_defaults(environment)
        statuses: list[str] = []
        body = b"".join(app(environment, lambda status, headers, error=None: statuses.append(status)))
        assert statuses == ["200 OK"], body
        return json.loads(body)

    (summary,) = get("/api/studies")["study_summaries"]
    assert summary["study_name"] == loaded.study_name
    shown = get(f"/api/studies/{summary['study_id']}")
    assert shown["objective_names"] == ["valid_logloss"]
    assert {"key": "model", "value": "mlp"} in [
        {**entry, "value": entry["value"].strip('"')} for entry in shown["user_attrs"]
    ]
    assert [trial["values"] for trial in shown["trials"]] == [[trial.value] for trial in loaded.trials]


def test_the_export_holds_every_search_though_its_model_is_not_installed(tuned: Study, tmp_path: Path) -> None:
    foreign = tmp_path / "foreign"
    lines = [record.model_copy(update={"model": "unheard_of"}).model_dump_json() for record in tuned.records()]
    files.write_text(foreign / "records" / "synthetic" / "unheard_of.jsonl", "\n".join(lines) + "\n")
    values = tuned.protocol.model_copy(update={"models": ("unheard_of",)})
    files.write_text(foreign / "protocol.toml", values.toml())
    spaces = files.read_json(tuned.results / "made_with.json")["space"]
    files.write_json(foreign / "made_with.json", {"space": {"synthetic/unheard_of/0.1": spaces[tuned.cell]}})
    (file,) = export.write(findings.read(foreign), "optuna", tmp_path / "out")
    assert export.write(findings.read(foreign), "optuna", tmp_path / "out") == [file]
    url = f"sqlite:///{file}"
    assert optuna.get_all_study_names(url) == ["synthetic/unheard_of/0.1 block 1"]
    exported = optuna.load_study(study_name="synthetic/unheard_of/0.1 block 1", storage=url)
    original = storage.open_study(tuned)
    assert own(exported) == own(original) | {"model": "unheard_of", "protocol_id": tuned.records()[0].protocol_id}
    for mine, theirs in zip(exported.trials, original.trials, strict=True):
        assert [getattr(mine, part) for part in PARTS] == [getattr(theirs, part) for part in PARTS]


@pytest.mark.parametrize(
    "space", [None, 3, {"learning_rate": "no JSON"}, {"learning_rate": '{"name": "Evil", "attributes": {}}'}]
)
def test_a_folder_that_does_not_state_its_space_is_refused_in_one_line(
    tuned: Study, tmp_path: Path, space: object
) -> None:
    kept = files.read_json(tuned.results / "made_with.json")
    try:
        files.write_json(tuned.results / "made_with.json", {"space": {} if space is None else {tuned.cell: space}})
        with pytest.raises(RecordError, match=r"made_with\.json: no valid search space of synthetic/mlp/0\.1"):
            export.write(findings.read(tuned.results), "optuna", tmp_path)
    finally:
        files.write_json(tuned.results / "made_with.json", kept)
