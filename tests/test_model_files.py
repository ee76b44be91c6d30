"""A model in a file of the user's is run if a command line names the file, and in no other case."""

import pickle
import re
import subprocess
import sys
from pathlib import Path

import pytest
from contributed import example
from made_records import folder, make

import models
from benchmark import protocol as protocols
from benchmark.cli.own import named_models
from benchmark.errors import ProtocolError, RecordError
from benchmark.execution.own import Own, OwnStudy
from benchmark.execution.studies import studies_of
from benchmark.records import code, store
from benchmark.records.merge import merge
from benchmark.records.record import Record

ROOT = Path(__file__).parents[1]
NFM = example("models/nfm.py")
THIN = '[variants.thin]\ntitle = "NFM, thin"\nembedding_std = 0.01\n\n[recipes.criteo_x1]\ndepth = 3\n'


@pytest.fixture(autouse=True)
def nothing_added(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "_added", {})


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the working folder, with nfm.py and its .toml file."""
    here = tmp_path / "my models" / "here"
    here.mkdir(parents=True)
    (here / "nfm.py").write_text(NFM)
    (here / "nfm.toml").write_text(THIN)
    monkeypatch.chdir(here)
    return here


@pytest.mark.parametrize("spelling", ["nfm.py", "./nfm.py", "../here/nfm.py", "{place}/nfm.py", "link.py"])
def test_every_function_knows_a_model_by_file(place: Path, spelling: str) -> None:
    (place / "link.py").symlink_to("nfm.py")
    names, own = named_models(f"mlp,{spelling.format(place=place)}")
    assert names is not None
    name = names[1]
    assert name == ("link" if "link" in spelling else "nfm") and names[0] == "mlp"
    assert models.known(name) and name in models.names() and models.title(name) == "NFM"
    assert models.load(name).__name__ == "NFM" and models.load(name) is models.load(name)
    assert models.sha256(name) == own.models[0].sha256() and own.models[0].path.is_absolute()
    expected = {} if name == "link" else {"depth": 3}  # link.toml does not exist
    assert models.recipe(name, "hotel") == expected


def test_a_variant_is_named_after_a_colon(place: Path) -> None:
    names, own = named_models("nfm.py:thin,nfm.py,nfm.thin")
    assert names == ["nfm.thin", "nfm", "nfm.thin"] and len(own.models) == 1
    assert models.title("nfm.thin") == "NFM, thin"
    assert models.load("nfm.thin").Config(embedding_dim=4).embedding_std == 0.01


@pytest.mark.parametrize(
    ("files", "text", "message"),
    [
        ({}, "none.py", "none.py: no such file"),
        ({}, "folder.py", "folder.py: a folder, not a file"),
        ({"My.py": NFM}, "My.py", "My.py: a model's file is named <model>.py, with lower-case letters"),
        ({"my-model.py": NFM}, "my-model.py", "lower-case letters"),
        ({"_my.py": NFM}, "_my.py", "lower-case letters"),
        ({".py": NFM}, ".py", "lower-case letters"),
        ({"wukong.py": NFM}, "./wukong.py", "wukong.py: there is a shipped model 'wukong'; rename it"),
        ({"a/x.py": NFM, "b/x.py": NFM}, "a/x.py,b/x.py", "two files for the model 'x'"),
        ({"x.py": "1 +\n"}, "x.py", "x.py, line 1: SyntaxError"),
        ({"x.py": "\n1 / 0\n"}, "x.py", "x.py, line 2: ZeroDivisionError"),
        ({"x.py": "import sys\nsys.exit(3)\n"}, "x.py", "x.py, line 2: SystemExit: 3"),
        ({"x.py": '"""X: no model."""\n'}, "x.py", "must define one CTRModel; this one defines 0"),
        ({"x.py": f"{NFM}\n\nclass Second(NFM):\n    pass\n"}, "x.py", "this one defines 2"),
        ({"x.py": NFM, "x.toml": "variants ="}, "x.py", "x.toml: TOMLDecodeError"),
        ({"x.py": NFM, "x.toml": "[variants.thin]\n"}, "x.py", "x.toml: KeyError: 'title'"),
        ({"x.py": NFM, "x.toml": "preset = 1\n"}, "x.py", "x.toml: TypeError"),
    ],
)
def test_what_cannot_be_a_model_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, str], text: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("folder.py").mkdir()
    for name, content in files.items():
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_text(content)
    with pytest.raises(models.UnknownModel, match=re.escape(message)):
        named_models(text)


def test_an_unknown_variant_of_a_file_is_refused_with_those_that_it_has(place: Path) -> None:
    names, _ = named_models("nfm.py:thick")
    with pytest.raises(ProtocolError, match=re.escape("no model 'nfm.thick'; did you mean 'nfm.thin'? (nfm.thin)")):
        protocols.load("smoke", {"models": names})


@pytest.mark.parametrize("name", ["trap", "trap.py", "./trap.py", "trap.thin"])
def test_no_protocol_runs_a_file_and_the_refusal_says_how_to_name_it(
    place: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (place / "trap.py").write_text("from pathlib import Path\n\nPath('sprung').touch()\n")
    (place / "trap.toml").write_text(THIN)
    monkeypatch.syspath_prepend(place)
    smoke = (ROOT / "benchmark/protocols/smoke.toml").read_text()
    (place / "mine.toml").write_text(re.sub(r"(?s)models = \[.*?\]", f'models = ["{name}"]', smoke))
    with pytest.raises(ProtocolError) as refusal:
        protocols.load("mine.toml")
    assert not (place / "sprung").exists()
    spelling = {"trap": "./trap.py", "trap.thin": "./trap.py:thin"}
    assert spelling.get(name, "") in str(refusal.value)


def test_a_process_that_receives_a_study_needs_no_file(place: Path) -> None:
    names, own = named_models("nfm.py,nfm.py:thin")
    protocol = protocols.load("smoke", {"models": names})
    study = studies_of(protocol, place, own=own)[0]
    config = models.load("nfm").Config(embedding_dim=4)
    sent = pickle.dumps((study, config))  # in this order, as the processes of several devices receive them
    for path in (place / "nfm.py", place / "nfm.toml"):
        path.unlink()
    program = (
        "import pickle, sys, models; study, config = pickle.load(sys.stdin.buffer); "
        "print(models.load(study.model).__name__, config.hidden, models.sha256('nfm'), sorted(models.variants('nfm')))"
    )
    done = subprocess.run([sys.executable, "-c", program], input=sent, capture_output=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout.decode().strip() == f"NFM (64,) {own.models[0].sha256()} ['nfm.thin']"


def test_a_changed_file_replaces_what_was_read_before(place: Path) -> None:
    named_models("nfm.py")
    (place / "nfm.py").write_text(NFM.replace('"""NFM:', '"""NFM 2:'))
    _, own = named_models("nfm.py")
    assert models.title("nfm") == "NFM 2" and models.sha256("nfm") == own.models[0].sha256()


@pytest.mark.parametrize(
    ("file", "old", "new", "same"),
    [
        ("nfm.py", '"""NFM:', '"""Another title:', True),
        ("nfm.py", "/ 2\n        return", "/ 3\n        return", False),
        ("nfm.toml", 'title = "NFM, thin"', 'title = "NFM, thin"  # a comment', True),
        ("nfm.toml", "depth = 3", "depth = 4", False),
    ],
)
def test_the_identity_of_the_code_is_that_of_the_file_by_meaning(
    place: Path, file: str, old: str, new: str, same: bool
) -> None:
    named_models("nfm.py")
    before = code.of_model("nfm")
    text = (place / file).read_text()
    assert old in text
    (place / file).write_text(text.replace(old, new))
    named_models("nfm.py")
    assert (code.of_model("nfm") == before) == same
    with pytest.raises(models.UnknownModel):
        code.of_model("gone")


def test_a_record_holds_the_hash_of_the_file_and_records_of_shipped_models_are_as_they_were(
    place: Path, record: Record
) -> None:
    named_models("nfm.py")
    kept = code.marked(record.model_copy(update={"model": "nfm"}))
    assert kept.model_sha256 == models.sha256("nfm")
    assert Record.model_validate_json(kept.model_dump_json()) == kept
    assert code.marked(record) == record and "model_sha256" not in record.model_dump_json()
    for path in (ROOT / "results/second_edition/frappe/records/frappe").glob("*.jsonl"):
        line = path.read_text().partition("\n")[0]
        assert Record.model_validate_json(line).model_dump_json() == line


def test_a_study_keeps_the_hash_with_every_record(place: Path, record: Record) -> None:
    _, own = named_models("nfm.py")
    protocol = protocols.load("smoke", {"models": ["nfm"]})
    study = OwnStudy(protocol, "d", "nfm", 1.0, place, "", own=own)
    study.keep(record.model_copy(update={"model": "nfm"}))
    assert [kept.model_sha256 for kept in store.read(place)] == [own.models[0].sha256()]


def test_records_of_two_files_are_not_merged(tmp_path: Path) -> None:
    made = make(("mlp",), budgets=(0.1,), seeds=(1,), trials=2)
    for name, digest in (("a", "0" * 64), ("b", None)):
        folder(tmp_path / name, [record.model_copy(update={"model_sha256": digest}) for record in made])
    with pytest.raises(RecordError, match="model_sha256"):
        merge(tmp_path / "a", [tmp_path / "b"])


def test_python_reads_files_as_the_command_line_does(place: Path) -> None:
    own = Own.read([Path("nfm.py")])
    assert protocols.load("smoke", {"models": ["nfm"]}).models == ("nfm",) and own == named_models("nfm.py")[1]
