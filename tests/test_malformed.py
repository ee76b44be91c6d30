"""Whatever is malformed, a command ends with exit code 2 and one line on standard error: no traceback, no exit code 1."""

import gzip
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from made_records import folder as write_folder
from made_records import make, protocol

from benchmark.cli.main import main

GOOD = 'datasets = ["hotel"]\nmodels = ["mlp"]\nbudgets = [0.1]\nembedding_dim = 8\n'
PROTOCOLS = {
    "empty file": b"",
    "no TOML": b"datasets = [",
    "not UTF-8": b'title = "\xff"',
    "a key twice": GOOD.encode() + b'models = ["lr"]',
    "gzipped": gzip.compress(GOOD.encode()),
    "NUL": GOOD.encode() + b"\0",
    "escape in a key": GOOD.encode() + b'"\\u001b[2J" = 1',
    "unknown key": GOOD.encode() + b"epochs = 3",
    "unknown key of a section": GOOD.encode() + b"[search]\ntrails = 3",
    "section is a number": b"search = 3\n" + GOOD.encode(),
    "section is a list": b"search = []\n" + GOOD.encode(),
    "nested too deep": b"title = " + b"[" * 5000 + b"]" * 5000 + b"\n" + GOOD.encode(),
    "name leads outside": b'name = "../x"\n' + GOOD.encode(),
    "name too long": b'name = "' + b"x" * 300 + b'"\n' + GOOD.encode(),
    "title is a date": b"title = 2026-01-01\n" + GOOD.encode(),
    "no models": GOOD.replace('["mlp"]', "[]").encode(),
    "unknown model": GOOD.replace("mlp", "mpl").encode(),
    "model is a path": GOOD.replace("mlp", "../../mlp").encode(),
    "unknown data set": GOOD.replace("hotel", "motel").encode(),
    "unknown variant": GOOD.replace("hotel", "hotel.bars_split").encode(),
    "models is a text": GOOD.replace('["mlp"]', '"mlp"').encode(),
    "budget nan": GOOD.replace("0.1", "nan").encode(),
    "budget true": GOOD.replace("0.1", "true").encode(),
    "budget 0": GOOD.replace("0.1", "0").encode(),
    "budgets alike": GOOD.replace("0.1", "0.01, 0.0100000001").encode(),
    "budget out of reach": GOOD.replace("0.1", "1e-9").encode(),
    "budget beyond the memory": GOOD.replace("0.1", "1e5").encode(),
    "embedding beyond the memory": GOOD.replace("= 8", "= 65536").replace("0.1", "1e4").encode(),
    "dimension too long": GOOD.replace("= 8", "= 1" + "0" * 5000).encode(),
    "dropout 1.5": GOOD.encode() + b"[search]\ndropout = [0.0, 1.5]",
    "seed too large": GOOD.encode() + b"[final]\nseeds = [35184372088832]",
    "no seeds": GOOD.encode() + b"[final]\nseeds = []",
    "range reversed": GOOD.encode() + b"[search]\nlearning_rate = [0.1, 0.01]",
    "batches of one row": GOOD.encode() + b'[training]\nbatch_size = 1\n[search]\nnormalisation = ["batch"]',
    "train rows of one class": GOOD.encode() + b"[training]\ntrain_rows = 1",
}
OPTIONS: dict[str, list[str]] = {
    "unknown command": ["rum"],
    "unknown option": ["run", "quickstart", "--job", "2"],
    "no protocol of that name": ["run", "quickstrat"],
    "no such file": ["run", "none.toml"],
    "a folder as protocol": ["run", "folder.toml"],
    "name of 5,000 letters": ["run", "x" * 5000 + ".toml"],
    "set without a value": ["run", "quickstart", "--set", "search.trials"],
    "set an unknown key": ["run", "quickstart", "--set", "search.trails=3"],
    "set below a number": ["run", "quickstart", "--set", "embedding_dim.x=3"],
    "set to deep JSON": ["run", "quickstart", "--set", "title=" + "[" * 100_000],
    "set to a long number": ["run", "quickstart", "--set", "search.trials=" + "9" * 5000],
    "budgets that are words": ["run", "quickstart", "--budgets", "small"],
    "empty models": ["run", "quickstart", "--models", ""],
    "jobs 0": ["run", "quickstart", "--jobs", "0"],
    "no such device": ["run", "quickstart", "--smoke", "--device", "tpu"],
    "device without a number": ["run", "quickstart", "--smoke", "--device", "cuda:x"],
    "storage of another kind": ["run", "quickstart", "--smoke", "--storage", "mysql://x/y"],
    "storage that is no URL": ["run", "quickstart", "--smoke", "--storage", "nonsense"],
    "storage in no folder": ["run", "quickstart", "--smoke", "--storage", "sqlite:////nowhere/x.db"],
    "results is a file": ["run", "quickstart", "--results", "file"],
    "results name too long": ["run", "quickstart", "--results", "y" * 300],
    "results of 5,000 letters": ["report", "z" * 5000],
    "results with a new line": ["run", "quickstart", "--results", "a\nb"],
    "results not UTF-8": ["run", "quickstart", "--results", "a\udcff"],
    "no data": ["run", "quickstart", "--datasets", "criteo_kaggle", "--data", "nowhere"],
    "report of nothing": ["report", "nothing"],
    "status of a file": ["status", "./file"],
    "double at an unknown budget": ["double", "./made", "--budgets", "7"],
    "double at no number": ["double", "./made", "--budgets", "x"],
    "export in an unknown format": ["export", "./made", "--format", "xml"],
    "export into a file": ["export", "./made", "--format", "bars", "--out", "file"],
    "merge of nothing": ["merge", "target", "nothing"],
    "compare with nothing": ["compare", "./made", "./none"],
    "readme that is missing": ["report", "./made", "--readme", "none.md"],
    "submission that is missing": ["submit-check", "none.jsonl"],
    "submission that is a folder of something else": ["submit-check", "made/records"],
    "submission that is no archive": ["submit-check", "file"],
    "check of an unknown model": ["check", "mpl"],
    "check of a missing file": ["check", "none.py"],
    "check of a file that is no model": ["check", "empty.py"],
    "check of a file that does not parse": ["check", "broken.py"],
    "check of a file that fails": ["check", "failing.py"],
    "prepare of an unknown set": ["data", "prepare", "motel"],
    "prepare from a file": ["data", "prepare", "census", "--source", "file"],
    "describe into a file": ["data", "describe", "hotel", "--out", "file"],
    "twin of a set without one": ["data", "twin", "hotel", "out"],
    "twin into a file": ["data", "twin", "criteo_x1", "file", "--rows", "20"],
    "list of nothing": ["list", "modles"],
    "reproduce nothing": ["reproduce", "nothing"],
    "reproduce an unknown row": ["reproduce", "bars_frappe_x1", "--rows", "none"],
    "speed of an unknown model": ["speed", "--models", "mpl"],
    "leaderboard by an unknown metric": ["leaderboard", "--metric", "ndcg"],
    "audit of nothing": ["audit", "nothing"],
}  # fmt: skip
DAMAGE: dict[str, tuple[str, bytes]] = {
    "records that are no JSON": ("records/hotel/mlp.jsonl", b"{\n"),
    "records of another kind": ("records/hotel/mlp.jsonl", b"[1]\n"),
    "a record with nan": ("records/hotel/mlp.jsonl", b'{"kind": NaN}\n'),
    "facts that are cut": ("datasets/hotel.json", b'{"title": "H'),
    "facts with bounds that are a list": ("datasets/hotel.json", b'{"bounds": [1]}'),
    "facts with a bound that is a number": ("datasets/hotel.json", b'{"bounds": {"Bayes": -1}}'),
    "facts with rows that are words": ("datasets/hotel.json", b'{"rows": {"test": "many"}}'),
    "facts that are a list": ("datasets/hotel.json", b"[]"),
    "protocol that is cut": ("protocol.toml", b"datasets = ["),
    "protocol that is no text": ("protocol.toml", b"\xff\xfe"),
}


@pytest.fixture
def refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], without_figures: None
) -> Iterator[Callable[..., str]]:
    """Return a function that runs a command in a folder of odd files and returns its one line of error."""
    made = make(models=["mlp", "dlrm"], budgets=[0.1], protocol_id=protocol().identity())
    write_folder(tmp_path / "made", made, protocol())
    (tmp_path / "file").write_text("x")
    (tmp_path / "empty.py").write_text("")
    (tmp_path / "broken.py").write_text("def")
    (tmp_path / "failing.py").write_text("1 / 0")
    (tmp_path / "folder.toml").mkdir()
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", ["wukong-bench", *arguments])
        with pytest.raises(SystemExit) as stop:
            main()
        err = capfd.readouterr().err
        assert stop.value.code == 2, (stop.value.code, err)
        assert err.startswith("wukong-bench: ") and err.count("\n") == 1 and "Traceback" not in err, err
        assert len(err) > len("wukong-bench: \n")
        return err

    yield run


@pytest.mark.parametrize("content", PROTOCOLS.values(), ids=PROTOCOLS)
def test_a_malformed_protocol(refused: Callable[..., str], content: bytes) -> None:
    Path("p.toml").write_bytes(content)
    refused("run", "p.toml", "--jobs", "1")
    assert not list(Path("results").rglob("*.jsonl"))


@pytest.mark.parametrize("arguments", OPTIONS.values(), ids=OPTIONS)
def test_a_malformed_option(refused: Callable[..., str], arguments: list[str]) -> None:
    refused(*arguments)


@pytest.mark.parametrize(("name", "content"), DAMAGE.values(), ids=DAMAGE)
def test_a_malformed_file_of_a_results_folder(refused: Callable[..., str], name: str, content: bytes) -> None:
    path = Path("made") / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    assert path.name in refused("report", "./made")


def test_sixty_and_more_are_tried() -> None:
    assert len(PROTOCOLS) + len(OPTIONS) + len(DAMAGE) >= 60
