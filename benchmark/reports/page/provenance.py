"""Provenance of a folder's results, as rows of (item, value)."""

from collections import Counter

from benchmark.findings import Findings
from benchmark.findings.summary import title


def provenance(findings: Findings) -> list[tuple[str, str]]:
    """Return identities of protocol and data, licences, devices, commits, versions, time span and number of records."""
    records = findings.records
    rows = [("protocol", f"{findings.protocol.name}, identity {findings.protocol.identity()}")]
    for dataset in findings.datasets:
        about = findings.of(dataset)
        prints = ", ".join(sorted({record.data_fingerprint for record in records if record.dataset == dataset}))
        parts = [f"fingerprint {prints}"]
        if about.rows:
            parts.append(", ".join(f"{rows:,} {part} rows" for part, rows in about.rows.items()))
        parts += [text for text in (about.licence, about.citation) if text]
        rows.append((findings.title(dataset), "; ".join(parts)))
    described = {title(name): about.summary for name, about in findings.models.items() if about.summary}
    rows += [(name, summary.removeprefix(f"{name}: ")) for name, summary in described.items()]
    if not records:
        return rows
    rows.append(
        ("records", ", ".join(f"{n:,} {kind} {status}" for (kind, status), n in sorted(_kinds(findings).items())))
    )
    rows.append(("device", _listed({record.device for record in records})))
    rows.append(("threads", _listed({record.threads for record in records})))
    dirty = any(record.dirty for record in records)
    rows.append(
        ("commit", _listed({record.commit for record in records}) + (", with uncommitted changes" if dirty else ""))
    )
    versions = {f"{name} {version}" for record in records for name, version in record.versions.items()}
    rows.append(("versions", _listed(versions)))
    times = [record.finished for record in records]
    rows.append(("finished", f"{min(times):%Y-%m-%d %H:%M} to {max(times):%Y-%m-%d %H:%M} UTC"))
    return rows


def _kinds(findings: Findings) -> Counter[tuple[str, str]]:
    return Counter((record.kind, record.status) for record in findings.records)


def _listed(values: set[str] | set[str | None] | set[int | None]) -> str:
    return ", ".join(sorted(str(value) for value in values if value is not None)) or "unknown"
