"""Every command and Python block in README.md and CONTRIBUTING.md works as printed, in a copy of the repository.

Long commands run in their smallest form. NOT_RUN lists what cannot run here, and why; any other unknown command fails.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from itertools import groupby, pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = ("README.md", "CONTRIBUTING.md")
COPIED = ("benchmark", "datamodules", "docs", "examples", "models", "results", "tests")
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
EXTRAS, PYTEST = set(PYPROJECT["project"]["optional-dependencies"]), PYPROJECT["tool"]["pytest"]["ini_options"]
MARKERS = {marker.partition(":")[0] for marker in PYTEST["markers"]}
SMALLEST = {"run": ("--smoke", "--jobs", "1"), "plan": ("--smoke", "--jobs", "1"), "audit": ("--records", "1")}
NOT_RUN = {  # a pattern of the whole command: the reason
    r"git clone .*": "needs the network",
    r"cd [\w.-]+": "the copy is the folder that the command enters",
    r"python3? -m venv .*|source .*/bin/activate": "the environment exists",
    r"pre-commit .*": "writes to .git; test_repository.py checks the hooks",
    r"wukong-bench .*--device cuda.*": "needs a CUDA card",
    r"wukong-bench .*--(cluster|storage) .*": "needs a cluster or a database; `pytest -m faults` starts them",
    r"wukong-bench (reproduce|(run|plan|data \w+) (frappe|movielens|criteo|avazu)).*": "needs data that is not shipped",
    r"wukong-bench speed.*": "takes minutes; test_speed.py covers it",
}


def blocks(text: str, *languages: str) -> list[str]:
    """Return the fenced blocks in these languages."""
    return re.findall(rf"^```(?:{'|'.join(languages)})\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def commands(text: str) -> list[list[str]]:
    """Return the words of every command in the shell blocks; what `&&` or `;` joins are commands of their own."""
    parsed: list[list[str]] = []
    for line in "".join(blocks(text, "sh", "bash", "shell")).replace("\\\n", " ").splitlines():
        words = shlex.shlex(line, posix=True, punctuation_chars="&;|")
        words.whitespace_split = True
        parsed += [list(group) for joint, group in groupby(words, lambda word: word in ("&&", ";")) if not joint]
    return parsed


def check(command: list[str], tree: Path) -> None:
    """Run a command in the tree, or check what it names. Fails for an unknown command."""
    line = " ".join(command)
    if any(re.fullmatch(pattern, line) for pattern in NOT_RUN):
        return
    assert not {"|", "||", "&"} & set(command), f"pipes and background commands are not run: {line}"
    match command:
        case ["pip", "install", *words]:
            check_install(words)
        case ["pytest", *words]:
            check_pytest(words)
        case ["mypy"]:
            assert "mypy" in (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
        case ["ruff", verb, *words] if "--fix" not in words:
            options = ["--check"] if verb == "format" else []
            run([sys.executable, "-m", "ruff", verb, *options, *(word for word in words if word != "--check")], tree)
        case ["lint-imports"]:
            run([str(Path(sys.executable).with_name("lint-imports"))], tree)
        case ["python", script, *words] if script.startswith("examples/"):
            run([sys.executable, script, *words], tree)
        case ["wukong-bench", verb, *words]:
            run([sys.executable, "-m", "benchmark", verb, *words, *SMALLEST.get(verb, ())], tree)
            for smoke in tree.glob("results/*-smoke"):  # later commands name the folder of the long form
                if not (full := smoke.with_name(smoke.name.removesuffix("-smoke"))).exists():
                    full.symlink_to(smoke)
        case _:
            pytest.fail(f"neither run nor listed in NOT_RUN: {line}")


def check_install(words: list[str]) -> None:
    """Check that the files and extras exist that `pip install` names."""
    for before, word in pairwise(["", *words]):
        if before in ("-c", "-r"):
            assert (ROOT / word).is_file(), word
        elif word not in ("-c", "-r", "-e", "--no-deps", "--require-hashes"):
            project = re.fullmatch(r"\.(?:\[([\w,-]+)\])?", word)
            assert project, f"neither the project nor a known option of pip install: {word}"
            assert set((project[1] or "").split(",")) - {""} <= EXTRAS, word


def check_pytest(words: list[str]) -> None:
    """Check that the folders, files and markers exist that `pytest` names; running it here would recurse."""
    assert all((ROOT / folder).is_dir() for folder in PYTEST["testpaths"])
    for before, word in pairwise(["", *words]):
        if before == "-m":
            assert set(re.findall(r"\w+", word)) - {"not", "and", "or"} <= MARKERS, word
        elif word not in ("-m", "-q", "-v", "-x"):
            assert (ROOT / word.partition("::")[0]).exists(), word


def run(command: list[str], tree: Path) -> None:
    env = {**os.environ, "PYTHONPATH": str(tree), "COLUMNS": "200", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(command, cwd=tree, env=env, capture_output=True, text=True, check=False, timeout=900)
    assert done.returncode == 0, f"{shlex.join(command)}\n{done.stdout}\n{done.stderr}"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the repository, with the files that CONTRIBUTING.md shows in full."""
    ignored = shutil.ignore_patterns("__pycache__", "predictions", "study.db*", "*smoke", "quickstart", "one_model")
    for name in COPIED:
        shutil.copytree(ROOT / name, tmp_path / name, ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    for path, source in re.findall(r"^<!-- example: (\S+) -->\n```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        (tmp_path / path).write_text(source, encoding="utf-8")
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_every_command_works(page: str, tree: Path) -> None:
    for command in commands((ROOT / page).read_text(encoding="utf-8")):
        check(command, tree)


@pytest.mark.slow
def test_every_python_block_of_the_readme_runs(tree: Path) -> None:
    for block in blocks((ROOT / "README.md").read_text(encoding="utf-8"), "python"):
        (tree / "block.py").write_text(block)
        run([sys.executable, "block.py"], tree)


def test_commands_are_split_at_their_joints_and_freed_of_comments() -> None:
    text = "```sh\npip install -e '.[dev]' && pytest -m \"not slow\" # all\nruff check \\\n  .; mypy\n```\n```python\nx\n```\n"
    expected = ["pip install -e .[dev]", "pytest -m not slow", "ruff check .", "mypy"]
    assert [" ".join(command) for command in commands(text)] == expected


@pytest.mark.parametrize(
    "line",
    ["rm -rf results", "wukong-bench list models | head", "pip install '.[nothing]'", "pytest -m quick", "pytest no"],
)
def test_an_unknown_command_extra_marker_or_file_fails(line: str, tmp_path: Path) -> None:
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        check(commands(f"```sh\n{line}\n```\n")[0], tmp_path)
