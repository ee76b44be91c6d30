"""What a reader of records should know, though it is no fault: accepted changes, uncommitted code, mixed origins."""

from collections import Counter
from collections.abc import Callable, Sequence

from benchmark.records.record import Record

ORIGINS: dict[str, Callable[[Record], str]] = {
    "devices": lambda record: record.device or "unknown",
    "commits of the suite": lambda record: record.commit or "unknown",
    "package versions": lambda record: (
        ", ".join(f"{name} {version}" for name, version in sorted(record.versions.items())) or "unknown"
    ),
}


def remarks(records: Sequence[Record]) -> list[str]:
    """Return one line per accepted change, one if some code was uncommitted, and one per mixed origin."""
    total = f"{len(records):,} records"
    accepted = Counter(change for record in records for change in dict.fromkeys(record.accepted))
    lines = [f"accepted change, in {count:,} of {total}: {change}" for change, count in accepted.items()]
    if dirty := sum(record.dirty is True for record in records):
        lines.append(f"{dirty:,} of {total} were made with uncommitted changes in the suite")
    for name, origin in ORIGINS.items():
        kinds = Counter(map(origin, records))
        if len(kinds) > 1:
            lines.append(f"{len(kinds)} {name}: {'; '.join(f'{kind} ({count:,})' for kind, count in kinds.items())}")
    return lines
