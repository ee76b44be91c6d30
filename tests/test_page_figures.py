"""The page of nine models: small with all its figures, which open offline and follow the reader's colour scheme."""

import base64
import io
import time

import pytest
from browser import ABSENT, Browser
from made_records import folder, protocol, replicated, with_check
from matplotlib.image import imread

from benchmark import findings
from benchmark.records import files
from benchmark.reports import page, plots

NINE = ("afn", "autoint", "dcnv2", "dlrm", "finalmlp", "masknet", "mlp", "wukong", "xdeepfm")
BUDGETS = (0.1, 0.4, 1.6, 6.4)


@pytest.fixture(scope="module")
def nine(tmp_path_factory):
    """Return the page of nine models at four budgets, with all figures."""
    path = tmp_path_factory.mktemp("nine")
    asked = protocol(models=list(NINE), budgets=list(BUDGETS), search={"trials": 10, "blocks": 4})
    folder(path, with_check(replicated(NINE, BUDGETS, protocol_id=asked.identity())), asked)
    (path / "figures").mkdir()
    contents = findings.read(path)
    with plots.styled():
        for name, figure in plots.figures_of(contents, "hotel").items():
            figure.savefig(path / "figures" / f"hotel_{name}.svg")
    files.write_text(path / "report.html", page.render(contents))
    return path / "report.html"


def test_the_page_of_nine_models_is_below_500_kb_with_all_its_figures(nine):
    assert len(list((nine.parent / "figures").glob("*.svg"))) == nine.read_text().count("data-packed=") >= 7
    assert nine.stat().st_size < 500_000


@pytest.mark.skipif(ABSENT is not None, reason=str(ABSENT))
def test_the_figures_open_offline_and_follow_the_readers_colour_scheme(nine):
    with Browser(1280) as opened:
        opened.open(nine)
        opened.run("document.querySelector('details.drawn').open = true")
        widths = "return [...document.querySelectorAll('.figures img')].map(i => i.naturalWidth)"
        until = time.monotonic() + 20
        while not all(opened.run(widths)) and time.monotonic() < until:
            time.sleep(0.1)
        assert min(opened.run(widths)) > 300
        opened.run("document.querySelector('.figures').scrollIntoView()")
        for scheme, paper in (("light", (0.99, 1.0)), ("dark", (0.0, 0.1)), ("light", (0.99, 1.0))):
            opened.prefer(scheme)
            corner = imread(io.BytesIO(base64.b64decode(opened.screenshot())))[5, 100, :3]  # of the figure on top
            assert paper[0] <= corner.min() and corner.max() <= paper[1]
        assert opened.errors() == []
