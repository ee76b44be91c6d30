"""Models and data sets of installed packages are listed without an import, loaded on demand, and never replace shipped ones."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from contributed import example

ROOT = Path(__file__).parents[1]
TOUCHED = "from pathlib import Path\n\nPath(__file__).with_suffix('.imported').touch()\n"
ENTRY_POINTS = """
[wukong_bench.models]
nfm = team.models.nfm
wukong = team.models.nfm
Upper = team.models.nfm
lost = team.models.lost
classy = team.models.nfm:NFM
empty = team.models.empty

[wukong_bench.datasets]
my_clicks = team.my_clicks
hotel = team.my_clicks
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of installed packages, in which every file says when it is imported."""
    site = tmp_path_factory.mktemp("site")
    modules = {"__init__": "", "models/__init__": "", "models/empty": '"""Empty: no model."""\n'}
    modules |= {"models/nfm": example("models/nfm.py"), "my_clicks": example("datamodules/my_clicks.py")}
    for name, source in modules.items():
        path = site / "team" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source + TOUCHED)
    (site / "team/models/nfm.toml").write_text('[variants.thin]\ntitle = "NFM, thin"\nembedding_std = 0.01\n')
    for package in ("team-1.0", "zebra-1.0"):  # the second has the same names
        facts = site / f"{package}.dist-info"
        facts.mkdir()
        (facts / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package.partition('-')[0]}\nVersion: 1.0\n")
        text = ENTRY_POINTS if package == "team-1.0" else "[wukong_bench.models]\nnfm = team.models.empty\n"
        (facts / "entry_points.txt").write_text(text)
    return site


def python(*arguments: str, site: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": f"{site}{os.pathsep}{ROOT}", "COLUMNS": "200"}
    return subprocess.run(
        [sys.executable, *arguments], cwd=site, env=environment, capture_output=True, text=True, check=False
    )


def test_they_are_listed_with_their_titles_and_nothing_is_imported(site: Path) -> None:
    shown = python("-m", "benchmark", "list", "models", site=site)
    lines = dict(line.split(maxsplit=1) for line in shown.stdout.splitlines())
    assert lines["nfm"].startswith("NFM: an MLP on the pooled products") and lines["nfm.thin"].startswith("NFM, thin")
    assert lines["wukong"].startswith("Wukong") and not {"Upper", "lost", "classy"} & lines.keys()
    shown = python("-m", "benchmark", "list", "datasets", site=site)
    lines = dict(line.split(maxsplit=1) for line in shown.stdout.splitlines())
    assert lines["my_clicks"].startswith("My clicks: a click log") and "hotel" in lines
    assert list(site.rglob("*.imported")) == []


def test_what_is_not_used_is_one_warning_line_each(site: Path) -> None:
    shown = python("-m", "benchmark", "list", "models", site=site)
    assert shown.stderr.splitlines() == [
        "warning: the model 'Upper' of the package team is ignored: a name has lower-case letters, digits and '_' and starts "
        "with a letter",
        "warning: the model 'classy' of the package team is ignored: 'team.models.nfm:NFM' is no module with a .py file",
        "warning: the model 'lost' of the package team is ignored: 'team.models.lost' is no module with a .py file",
        "warning: the model 'nfm' of the package zebra is ignored: another package's model has this name",
        "warning: the model 'wukong' of the package team is ignored: a shipped model has this name",
        "warning: the data set 'hotel' of the package team is ignored: a shipped data set has this name",
    ]


PROGRAM = """
import hashlib, datamodules, models
from pathlib import Path
from benchmark.records import code
assert models.load("nfm").__module__ == "team.models.nfm" and models.load("nfm.thin").Config(embedding_dim=2)
assert models.load("wukong").__module__ == "models.wukong"
path = Path("team/models/nfm.py")
assert models.sha256("nfm.thin") == hashlib.sha256(path.read_bytes()).hexdigest() and models.sha256("wukong") is None
assert datamodules.load("my_clicks.bars").__module__ == "datamodules" and datamodules.title("my_clicks") == "My clicks"
assert datamodules.load("hotel").__module__ == "datamodules.hotel"
model, data = code.of_model("nfm"), code.of_dataset("my_clicks")
helper = Path("team/models/helper.py")
helper.write_text("WIDTH = 3")
assert code.of_model("nfm") != model, "the file may import others of its package"
assert code.of_dataset("my_clicks") != data
helper.unlink()
try:
    models.load("empty")
except models.UnknownModel as error:
    print(error)
"""


def test_they_are_loaded_identified_and_hashed(site: Path) -> None:
    done = python("-c", PROGRAM, site=site)
    assert done.returncode == 0, done.stderr
    expected = (
        "model 'empty' in team.models.empty: TypeError: a model's file must define one CTRModel; this one defines 0"
    )
    assert done.stdout.strip() == expected


def test_a_file_of_the_same_name_is_refused(site: Path, tmp_path: Path) -> None:
    (tmp_path / "nfm.py").write_text(example("models/nfm.py"))
    done = python("-m", "benchmark", "check", str(tmp_path / "nfm.py"), site=site)
    assert done.returncode == 2 and "there is an installed model 'nfm'; rename it" in done.stderr
