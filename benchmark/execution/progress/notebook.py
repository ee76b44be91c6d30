"""Progress in a notebook: one output of the running cell, replaced in place. Needs no widgets."""

import io
import threading
import time

from rich.console import Console, RenderableType

UPDATE_SECONDS = 0.5  # between two updates; more often only slows a browser down
WIDTH = 110  # characters
FORMAT = '<pre style="white-space: pre; overflow-x: auto; line-height: normal">{code}</pre>'


class CellOutput:
    """An output of the running cell whose content can be replaced, from any thread."""

    def __init__(self) -> None:
        from IPython.display import display

        self._lock = threading.Lock()
        self._shown = time.monotonic()
        self._handle = display({"text/plain": ""}, raw=True, display_id=True)

    def show(self, content: RenderableType, *, now: bool = False) -> None:
        """Replace the content, unless the last update was a moment ago.

        Args:
            content: what a rich console can print.
            now: replace it in any case.
        """
        with self._lock:
            if not now and time.monotonic() - self._shown < UPDATE_SECONDS:
                return
            self._shown = time.monotonic()
            self._handle.update(drawn(content), raw=True)


def drawn(content: RenderableType) -> dict[str, str]:
    """Return the content as a notebook takes it: HTML and plain text, by media type."""
    console = Console(
        file=io.StringIO(),
        record=True,
        width=WIDTH,
        markup=False,
        emoji=False,
        highlight=False,
        force_terminal=True,
        force_jupyter=False,
    )
    console.print(content)
    html = console.export_html(inline_styles=True, code_format=FORMAT, clear=False)
    return {"text/html": html, "text/plain": console.export_text()}
