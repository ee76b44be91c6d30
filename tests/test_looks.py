"""Looks of models: fixed, told apart by readers of any colour vision, visible on a light and on a dark page."""

import json
import re
from itertools import combinations

import numpy as np
import pytest
from colorspacious import cspace_convert
from made_records import folder, make, protocol
from matplotlib.colors import to_rgb

import models
from benchmark import findings
from benchmark.reports import page, plots
from benchmark.reports.plots.looks import FREE_COLOURS, FREE_MARKERS, SHIPPED, SUBJECT, look

VISIONS = (
    "normal",
    "protanomaly",
    "deuteranomaly",
    "tritanomaly",
)  # of the latter, no working cones of one kind at all
APART, FREE_APART = 10, 5  # in CAM02-UCS; about 1 is just noticeable side by side
NEWCOMERS = ("nfm", "fibinet", "my_model", "wukong2", "ffm", "edcn")


def seen(colours, vision) -> np.ndarray:
    """Return the colours in CAM02-UCS as someone of that vision sees them (Machado et al. 2009)."""
    values = np.array([to_rgb(colour) for colour in colours])
    if vision != "normal":
        values = cspace_convert(values, {"name": "sRGB1+CVD", "cvd_type": vision, "severity": 100}, "sRGB1")
    return cspace_convert(values.clip(0, 1), "sRGB1", "CAM02-UCS")


def distances(colours, vision) -> dict[tuple[int, int], float]:
    places = seen(colours, vision)
    return {(i, j): float(np.linalg.norm(places[i] - places[j])) for i, j in combinations(range(len(colours)), 2)}


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours (WCAG 2.2)."""
    bright, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
    return float(np.dot(linear, (0.2126, 0.7152, 0.0722)))


def test_shipped_models_have_markers_of_their_own_and_colours_far_apart_in_every_vision(capsys):
    names, colours = list(SHIPPED), [colour for colour, _ in SHIPPED.values()]
    assert set(names) <= set(models.names()) and len({marker for _, marker in SHIPPED.values()}) == len(names)
    for vision in VISIONS:
        nearest = sorted((distance, pair) for pair, distance in distances(colours, vision).items())[:3]
        with capsys.disabled():
            shown = ", ".join(f"{names[i]} and {names[j]} {distance:.1f}" for distance, (i, j) in nearest)
            print(f"\n{vision}: nearest are {shown}", end="")
        assert nearest[0][0] >= APART


def test_colours_of_newcomers_differ_from_the_shipped_ones_and_from_each_other():
    colours = [*(colour for colour, _ in SHIPPED.values()), *FREE_COLOURS]
    assert min(min(distances(colours, vision).values()) for vision in VISIONS) >= FREE_APART
    assert not {*FREE_MARKERS} & {marker for _, marker in SHIPPED.values()}
    assert len({*FREE_MARKERS}) == len(FREE_MARKERS)


@pytest.mark.parametrize("paper", ["light", "dark"])
def test_every_colour_is_visible_on_the_page(paper):
    papers = re.findall(r"--paper: (#\w+)", (page.HERE / "report.css").read_text())
    background = dict(zip(("light", "dark"), papers, strict=True))[paper]
    for colour in [*(colour for colour, _ in SHIPPED.values()), *FREE_COLOURS]:
        assert contrast(colour, background) >= 3, colour


def test_the_subject_has_the_most_saturated_colour_and_the_largest_marker():
    places = seen([colour for colour, _ in SHIPPED.values()], "normal")
    assert list(SHIPPED)[int(np.hypot(places[:, 1], places[:, 2]).argmax())] == SUBJECT
    sizes = {name: plots.style.drawn(name, 6, 1) for name in SHIPPED}
    for name in set(SHIPPED) - {SUBJECT}:
        assert sizes[name]["markersize"] < sizes[SUBJECT]["markersize"]
        assert sizes[name]["linewidth"] < sizes[SUBJECT]["linewidth"]


def test_newcomers_have_looks_that_no_shipped_model_has():
    looks = {name: tuple(look(name).values()) for name in (*SHIPPED, *NEWCOMERS)}
    assert len(set(looks.values())) == len(looks)
    assert all(look(name)["color"] in FREE_COLOURS and look(name)["marker"] in FREE_MARKERS for name in NEWCOMERS)


def test_a_variant_has_the_marker_of_its_model_whether_or_not_it_is_installed():
    for name in ("wukong.no_lcb", "mlp.norm", "nfm.deep", "mlp.unknown"):
        model = look(name.partition(".")[0])
        assert look(name)["marker"] == model["marker"] and look(name)["color"] != model["color"]
    assert all(look(f"mlp.{i}")["color"] != look(SUBJECT)["color"] for i in range(50))


def test_a_tenth_model_leaves_the_looks_of_nine_as_they_were(tmp_path):
    nine = ("afn", "autoint", "dcnv2", "dlrm", "finalmlp", "masknet", "mlp", "wukong", "xdeepfm")
    shown = []
    for names in (nine, (*nine, "nfm")):
        made = protocol(models=list(nine), budgets=[0.1])
        path = folder(tmp_path / str(len(names)), make(names, (0.1,), trials=1, protocol_id=made.identity()), made)
        text = page.render(findings.read(path))
        ((data),) = json.loads(re.search(r'id="data">(.*?)</script>', text, re.DOTALL)[1])
        shown.append(data["looks"])
    assert len(shown[1]) == 10
    assert {name: shown[1][name] for name in nine} == shown[0]
