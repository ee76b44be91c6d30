"""The files around the code, for pre-commit, CI, citations and submissions, agree with the code and with one another."""

import datetime
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from benchmark.cli.main import app

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CI = (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def read_yaml(path: str) -> Any:
    return yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))


def test_every_pre_commit_hook_runs_a_command_of_ci() -> None:
    hooks = [hook for repo in read_yaml(".pre-commit-config.yaml")["repos"] for hook in repo["hooks"]]
    assert [hook["entry"] for hook in hooks] == ["ruff format --check .", "ruff check .", "mypy", "lint-imports"]
    assert {hook["entry"] for hook in hooks} <= set(CI.splitlines())


def test_pre_commit_hooks_run_in_the_projects_environment() -> None:
    for repo in read_yaml(".pre-commit-config.yaml")["repos"]:
        assert repo["repo"] == "local"
        assert all(hook["language"] == "system" and hook["pass_filenames"] is False for hook in repo["hooks"])


def test_the_citation_has_the_required_keys_and_the_version_of_the_package() -> None:
    citation = read_yaml("CITATION.cff")
    assert citation["cff-version"] == "1.2.0"
    assert citation["message"] and citation["title"] == PROJECT["name"]
    assert citation["type"] == "software"
    assert citation["version"] == PROJECT["version"]
    assert citation["license"] == PROJECT["license"]
    assert isinstance(citation["date-released"], datetime.date)
    assert all(author["name"] for author in citation["authors"]) and citation["authors"]


def test_the_workflow_runs_ci_with_read_permission_on_supported_pythons() -> None:
    workflow = read_yaml(".github/workflows/ci.yml")
    assert workflow["permissions"] == {"contents": "read"}
    assert set(workflow[True]) == {"push", "pull_request"}  # YAML 1.1 reads the key `on` as true
    (job,) = workflow["jobs"].values()
    assert "permissions" not in job
    assert job["timeout-minutes"] <= 90
    steps = job["steps"]
    assert [step["run"] for step in steps if "run" in step] == ["bash .ci/run"]
    assert all(re.fullmatch(r"actions/[\w-]+@v\d+", step["uses"]) for step in steps if "uses" in step)
    oldest = tuple(map(int, PROJECT["requires-python"].removeprefix(">=").split(".")))
    assert all(tuple(map(int, python.split("."))) >= oldest for python in job["strategy"]["matrix"]["python"])


@pytest.mark.parametrize("extra", [None, "dev", "peers", "cluster", "onnx"])
def test_the_constraints_pin_what_ci_installs(extra: str | None) -> None:
    pinned = re.findall(r"^([\w.-]+)==", (ROOT / "constraints.txt").read_text(encoding="utf-8"), re.MULTILINE)
    asked = PROJECT["optional-dependencies"][extra] if extra else PROJECT["dependencies"]
    names = [re.match(r"[\w.-]+", requirement)[0] for requirement in asked]
    assert {canonical(name) for name in names} <= {canonical(name) for name in pinned}


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_the_submission_form_asks_for_what_a_submission_needs() -> None:
    form = read_yaml(".github/ISSUE_TEMPLATE/submission.yml")
    assert {"name", "description", "body"} <= set(form)
    fields = {field["id"]: field for field in form["body"] if field["type"] != "markdown"}
    assert set(fields) == {"protocol", "model", "results", "check", "hardware", "confirmations"}
    for name, field in fields.items():
        if name != "confirmations":
            assert field["validations"] == {"required": True}
    options = fields["confirmations"]["attributes"]["options"]
    assert all(option["required"] for option in options) and "test part" in options[0]["label"]


def test_the_submission_form_names_commands_that_exist() -> None:
    text = (ROOT / ".github/ISSUE_TEMPLATE/submission.yml").read_text(encoding="utf-8")
    commands = typer.main.get_command(app).commands
    assert set(re.findall(r"wukong-bench ([\w-]+)", text)) <= set(commands)
