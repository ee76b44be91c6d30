"""What a folder's records were made with is told by meaning: words never matter, behaviour always does."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import NamedTuple

import pytest
from made_records import folder, make

import models
from benchmark import protocol as protocols
from benchmark.records import code

ROOT = Path(__file__).parents[1]
MLP, WUKONG, NO_LCB = (f"synthetic/{model}/0.1" for model in ("mlp", "wukong", "wukong.no_lcb"))
ALL = {MLP, WUKONG, NO_LCB}

BEFORE = '''
"""A module."""
from benchmark.records.record import Record

class Model:
    """Says what it is."""

    width = 64  # of the hidden layer

    def forward(self, x):
        """Return twice x. Raises ValueError."""
        if x is None:
            raise ValueError(f"x is {x}; allowed are numbers")
        return 2 * x + self.width
'''


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("# of the hidden layer", "# hidden"),
        ("  # of the hidden layer", ""),
        ('"""A module."""', '"""Another text."""'),
        ('"""Says what it is."""\n', '"""Says more.\n\n    At length.\n    """\n'),
        ('f"x is {x}; allowed are numbers"', '"no x"'),
        ("benchmark.records.record import", "benchmark.record import"),
        ("2 * x + self.width", "(\n            2 * x\n            + self.width\n        )"),
    ],
)
def test_words_layout_and_places_do_not_change_the_meaning(old: str, new: str) -> None:
    assert old in BEFORE
    assert code.meaning(BEFORE.replace(old, new)) == code.meaning(BEFORE)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("width = 64", "width = 65"),
        ("width = 64", "width = 64.0"),
        ("2 * x", "x * 2"),
        ("is None", "is not None"),
        ("import Record", "import Kind"),
        ("self.width", "self.depth"),
        ("raise ValueError", "raise TypeError"),
        ("(self, x):", "(self, x=0):"),
    ],
)
def test_a_change_of_behaviour_changes_the_meaning(old: str, new: str) -> None:
    assert old in BEFORE
    assert code.meaning(BEFORE.replace(old, new)) != code.meaning(BEFORE)


PROGRAM = """
    import json, sys
    from pathlib import Path
    from benchmark import protocol as protocols
    from benchmark.errors import RunError
    from benchmark.records.folder import Folder

    results, studies = Path("results"), sys.argv[1:]
    made = protocols.load(str(results / "protocol.toml"))

    def adopt(names, accept=False):
        try:
            Folder(results, accept=accept).adopt_code(names, {name: {} for name in names}, made)
        except RunError as error:
            return str(error)

    changes = Folder(results).code_changes(studies)
    refused = adopt(studies)
    others = [name for name in studies if name not in changes]
    others_refused = adopt(others) if others else None
    adopt(studies, accept=True)
    accepted = {study: Folder(results).accepted(study) for study in studies}
    print(json.dumps([changes, refused, others_refused, accepted, adopt(studies)]))
    assert "torch" not in sys.modules
"""


class Answer(NamedTuple):
    """What a folder says of the code that it is now run with."""

    changes: dict[str, list[str]]
    refused: str | None
    others_refused: str | None  # the studies that nothing changed for, alone
    accepted: dict[str, list[str]]  # what later records of each study say, once the user accepted
    refused_after: str | None  # then


class Checkout:
    """A copy of the suite with a results folder, whose sources a test edits."""

    def __init__(self, folder: Path):
        self.folder = folder
        for package in ("benchmark", "models", "datamodules"):
            ignored = shutil.ignore_patterns("__pycache__", "data")
            shutil.copytree(ROOT / package, folder / package, ignore=ignored, dirs_exist_ok=True)

    def ask(self, *studies: str) -> Answer:
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(PROGRAM), *(studies or sorted(ALL))],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": str(self.folder), "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return Answer(*json.loads(done.stdout))


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    checkout, names = Checkout(tmp_path_factory.mktemp("pristine")), ("mlp", "wukong", "wukong.no_lcb")
    protocol = protocols.load("smoke", {"models": list(names), "budgets": [0.1]})
    folder(checkout.folder / "results", make(names, budgets=(0.1,), dataset="synthetic"), protocol)
    checkout.ask()  # ends with consent, which a folder without made_with.json needs
    (checkout.folder / "results" / "changes.json").unlink()
    return checkout


@pytest.fixture
def checkout(pristine: Checkout, tmp_path: Path) -> Checkout:
    shutil.copytree(pristine.folder, tmp_path, dirs_exist_ok=True)
    return Checkout(tmp_path)


COMMENT = "# a comment that says nothing\n"


def test_a_comment_in_any_source_changes_nothing(checkout: Checkout) -> None:
    for package in ("benchmark", "models", "datamodules"):
        for path in (checkout.folder / package).rglob("*.py"):
            path.write_text(path.read_text() + COMMENT)
        for path in (checkout.folder / package).rglob("*.toml"):
            path.write_text(COMMENT + path.read_text())
    answer = checkout.ask()
    assert answer.changes == {} and answer.refused is None


@pytest.mark.parametrize(
    ("file", "old", "new", "part", "concerned"),
    [
        ("models/wukong.toml", 'without = ["lcb"]', 'without = ["fmb"]', "models.wukong.no_lcb", {NO_LCB}),
        ("models/wukong.toml", "fmb_relu = true", "fmb_relu = false", "", set()),
        (
            "models/mlp.py",
            "(400, 400, 400)",
            "(400, 400, 401)",
            "models.mlp",
            {MLP},
        ),
        (
            "models/wukong.py",
            "| None = 24",
            "| None = 25",
            "models.wukong",
            {WUKONG, NO_LCB},
        ),
        ("models/dcnv2.py", "import", "import os, ", "", set()),
        ("benchmark/tuning/sampler.py", "n_ei_candidates=24", "n_ei_candidates=25", "search", ALL),
        ("benchmark/study.py", "DRAWS_PER_TRIAL = 20", "DRAWS_PER_TRIAL = 21", "search", ALL),
        ("benchmark/training/loop.py", "LEAST_RATE = 1e-6", "LEAST_RATE = 1e-7", "training", ALL),
        ("benchmark/protocol/numbers.py", "TOLERANCE = 0.02", "TOLERANCE = 0.03", "budget", ALL),
        (
            "models/base/execution.py",
            "binary_cross_entropy_with_logits(",
            "-binary_cross_entropy_with_logits(",
            "layers",
            ALL,
        ),
        ("datamodules/base/batches.py", "np.", "numpy.", "batches", ALL),
        ("datamodules/synthetic.py", "2: 0.8", "2: 0.7", "datasets.synthetic", ALL),
        ("datamodules/_synthetic.py", "SEED = 2024", "SEED = 2025", "datasets.synthetic", ALL),
        ("datamodules/synthetic_teacher.py", "VARIANCE = 2.0", "VARIANCE = 3.0", "", set()),
        ("datamodules/hotel.py", "label", "labels", "", set()),
        ("benchmark/reports/cells.py", "1e12", "1e13", "", set()),
    ],
)
def test_a_changed_source_concerns_exactly_the_studies_whose_numbers_it_decides(
    checkout: Checkout, file: str, old: str, new: str, part: str, concerned: set[str]
) -> None:
    path = checkout.folder / file
    source = path.read_text()
    assert old in source, f"{file} has no {old!r}"
    path.write_text(source.replace(old, new, 1))
    answer = checkout.ask()
    assert answer.changes.keys() == concerned
    for study in concerned:
        assert all(re.match(rf"{re.escape(part)}(\.\w+)? ", change) for change in answer.changes[study]), (
            answer.changes[study]
        )
    if concerned:
        assert f"results holds results of other code: {part}" in (answer.refused or "")
    else:
        assert answer.refused is None
    assert answer.others_refused is None and answer.refused_after is None
    assert {study for study, named in answer.accepted.items() if named} == concerned


def test_a_lost_made_with_is_reported_and_not_taken_for_consent(checkout: Checkout) -> None:
    made_with = checkout.folder / "results" / "made_with.json"
    made_with.unlink()
    assert "made_with.json is missing: whether the code is the same cannot be told" in (checkout.ask().refused or "")
    made_with.write_text('{"code": {"models/mlp": "dc1025d11ade"}, "packages": {}, "space": {}}')
    answer = checkout.ask()
    assert "made_with.json is of an earlier version" in (answer.refused or "")
    assert str(checkout.folder) not in str(answer.accepted), "records tell no place"


def test_a_model_that_joins_a_folder_needs_no_consent(checkout: Checkout) -> None:
    assert checkout.ask("synthetic/dlrm/0.1").refused is None
    made_with = json.loads((checkout.folder / "results" / "made_with.json").read_text())
    assert made_with["models"].keys() == {"mlp", "wukong", "wukong.no_lcb", "dlrm"}


DECIDES_NOTHING = {  # imported by what is hashed, and why its code need not be
    "benchmark.errors": "words",
    "benchmark.protocol": "its values are compared as protocol.toml",
    "benchmark.records": "keeps what was trained",
    "benchmark.weights": "keeps what was trained",
    "datamodules.base": "its arrays are compared by fingerprint",
}


def test_every_module_that_a_training_imports_is_hashed_or_decides_nothing() -> None:
    own = {f"models.{name}" for name in models.names()}  # hashed model by model, each with its private modules
    own |= {f"models.{path.stem}" for name in models.names() for path in ROOT.glob(f"models/_{name}_*.py")}
    hashed = {path for globs in code.PARTS.values() for pattern in globs for path in ROOT.glob(pattern)}
    todo, seen, unhashed = ["benchmark.tuning.tuner", "benchmark.tuning.shared", *own], set(), set()
    while todo:
        module = todo.pop()
        if module in seen:
            continue
        seen.add(module)
        if module in own or file_of(module) in hashed:
            todo += imports_of(file_of(module))
        elif not any(module == name or module.startswith(f"{name}.") for name in DECIDES_NOTHING):
            unhashed.add(module)
    assert unhashed - {"benchmark", "models", "datamodules"} == set()
    assert len(seen) > 40


def file_of(module: str) -> Path:
    path = ROOT / Path(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def imports_of(path: Path) -> list[str]:
    """Modules of the suite that a file imports, wherever in it."""
    imported = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.partition(".")[0] in code.OWN:
            inside = [f"{node.module}.{alias.name}" for alias in node.names]
            imported += [name for name in inside if file_of(name).exists()] or [node.module]
        elif isinstance(node, ast.Import):
            imported += [alias.name for alias in node.names if alias.name.partition(".")[0] in code.OWN]
    return imported
