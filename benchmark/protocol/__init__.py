"""Protocol: everything that is the same for all models. One validated TOML file; nothing in it names code."""

from benchmark.protocol.reading import SHIPPED, combined, load, names, of_folder, validated
from benchmark.protocol.rules import LISTS, NAME, Protocol, digest

__all__ = [
    "LISTS",
    "NAME",
    "SHIPPED",
    "Protocol",
    "combined",
    "digest",
    "load",
    "names",
    "of_folder",
    "validated",
]
