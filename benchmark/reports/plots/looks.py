"""Colour and marker of a model: fixed for the models of the suite, derived from the name of any other.

All colours have a contrast of at least 3:1 on white and on the page's dark background. The shipped ones differ by at least
10 in CAM02-UCS for readers with normal vision, protanopia, deuteranopia and tritanopia: tests/test_looks.py prints by how much.
"""

import hashlib
from collections.abc import Sequence
from functools import cache
from typing import Any, TypeVar

import models

SUBJECT = "wukong"  # drawn larger, thicker and in front
SHIPPED: dict[str, tuple[str, Any]] = {
    SUBJECT: ("#e0002b", "*"),
    "mlp": ("#3663f3", "o"),
    "dlrm": ("#e17500", "s"),
    "dcnv2": ("#096c87", "D"),
    "finalmlp": ("#63a251", "v"),
    "finalnet": ("#b42dbd", "^"),
    "autoint": ("#5a6c00", "P"),
    "masknet": ("#5199c6", "X"),
    "rankmixer": ("#bd127e", ">"),
    "xdeepfm": ("#997efc", "<"),
    "deepfm": ("#877551", "p"),
    "afn": ("#c67e87", "d"),
    "fm": ("#905163", "h"),
    "lr": ("#9990a2", (4, 1, 0)),  # a star of four points
}
# Of models that are not in the table. No shipped model has one of these markers, nor a colour within 5 of one of these.
FREE_COLOURS = (
    "#906375",
    "#6c75a2",
    "#fc48c6",
    "#cf3fa2",
    "#756348",
    "#bd6c6c",
    "#5a7e2d",
    "#1bab1b",
    "#d86c99",
    "#d81275",
    "#5163c6",
    "#877e87",
)
FREE_MARKERS: tuple[Any, ...] = ("8", (6, 1, 0), (4, 1, 45), (3, 1, 0), (3, 1, 90), (3, 1, 180), (3, 1, 270))

T = TypeVar("T")


def look(name: str) -> dict[str, Any]:
    """Return colour and marker of a model or variant, regardless of what else is installed or drawn.

    A variant has the marker of its model, and a colour of its own among its siblings. The look of a model that is not in the
    table follows from its name alone; two such models have the same look only by chance.
    """
    model = name.partition(".")[0]
    color, marker = SHIPPED.get(model) or (_drawn(FREE_COLOURS, model), _drawn(FREE_MARKERS, f"{model} marker"))
    if name == model:
        return {"color": color, "marker": marker}
    others = [shipped for shipped, _ in SHIPPED.values() if shipped != color]
    if model != SUBJECT:
        others = [*others[1:], *FREE_COLOURS]  # the subject's colour stays its own
    siblings = _siblings(model)
    variant = others[siblings.index(name) % len(others)] if name in siblings else _drawn(others, name)
    return {"color": variant, "marker": marker}


@cache  # every marker asks
def _siblings(model: str) -> list[str]:
    return list(models.variants(model))


def _drawn(choices: Sequence[T], name: str) -> T:
    """Return the choice that a name falls on, the same on every machine."""
    return choices[int.from_bytes(hashlib.sha256(name.encode()).digest()[:8]) % len(choices)]
