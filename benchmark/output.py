"""The one door to the terminal: text from files and names is shown as it is, never as markup or an escape sequence."""

import io
import sys
import unicodedata
from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, ConsoleRenderable, RenderHook
from rich.segment import Segment


def printable(text: str) -> str:
    """Return the text with control, format and unassigned characters replaced, so that no escape sequence gets through."""
    return "".join("\N{REPLACEMENT CHARACTER}" if unicodedata.category(c).startswith("C") else c for c in text)


def one_line(text: str) -> str:
    """Return the text as one printable line."""
    return printable(" ".join(text.splitlines()))


def replace_unencodable() -> None:
    """Let standard output and error replace what their encoding lacks, in a C locale for one, instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def in_notebook() -> bool:
    """Return whether an IPython kernel runs this process, as under Jupyter; a terminal's IPython has none."""
    ipython = sys.modules.get("IPython")
    return ipython is not None and getattr(ipython.get_ipython(), "kernel", None) is not None


class Screen(Console):
    """A rich console without markup, emoji codes and highlighting, which replaces control characters in all it prints.

    In a notebook it prints plain lines; what changes in place there has an output of its own, see execution.notebook.
    """

    def __init__(self, *, stderr: bool = False):
        replace_unencodable()
        super().__init__(
            markup=False,
            emoji=False,
            highlight=False,
            stderr=stderr,
            force_jupyter=False,
            force_terminal=False if in_notebook() else None,  # a kernel's standard output says that it is one
        )
        self.push_render_hook(_Printable())


class _Printable(RenderHook):
    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        return [_Plain(renderable) for renderable in renderables]


class _Plain:
    """A renderable whose text is printable; line ends and rich's own control codes stay."""

    def __init__(self, renderable: ConsoleRenderable):
        self.renderable = renderable

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterable[Segment]:
        for text, style, control in console.render(self.renderable, options):
            shown = text if control else "\n".join(map(printable, text.split("\n")))
            yield Segment(shown, style, control)
