"""Suggest names. Imports nothing of this package, so that the registry and datamodules.base can both import it."""

import difflib
from collections.abc import Iterable


def nearest(name: str, allowed: Iterable[str]) -> str:
    """Return "did you mean 'x'? " for the allowed name x closest to `name`, ignoring case; "" if none is close."""
    spelling = {other.lower(): other for other in allowed}
    close = difflib.get_close_matches(name.lower(), spelling, n=1)
    return f"did you mean {spelling[close[0]]!r}? " if close else ""
