"""Progress of a run, from its records alone."""

from pathlib import Path

from benchmark.execution.studies import studies_of
from benchmark.protocol import Protocol
from benchmark.study import Study


def status_lines(protocol: Protocol, results: Path) -> list[str]:
    """Return a summary line, then a line per study: its blocks, trials, final runs, failed and collapsed runs."""
    blocks: dict[str, list[Study]] = {}
    for study in studies_of(protocol, results):
        blocks.setdefault(study.cell, []).append(study)
    lines, done = [], 0
    n_blocks, n_seeds = protocol.search.blocks, len(protocol.final.seeds)
    for cell, studies in sorted(blocks.items()):
        kinds = [(record.kind, record.status) for study in studies for record in study.records()]
        n_trials, n_finals = (kinds.count((kind, "complete")) for kind in ("trial", "final"))
        n_failed, n_collapsed = (sum(s == status for _, s in kinds) for status in ("failed", "collapsed"))
        left = [study.runs_left() for study in studies]
        done += not any(left)
        lines.append(
            f"{cell}: {left.count(0)}/{n_blocks} blocks, {n_trials}/{n_blocks * protocol.search.trials} trials, "
            f"{n_finals}/{n_blocks * n_seeds} final runs, {n_failed} failed, "
            + (f"{n_collapsed} collapsed, " if n_collapsed else "")
            + (f"{sum(left)} runs left" if any(left) else "finished")
        )
    return [f"{protocol.name}: {done} of {len(blocks)} studies finished", *lines]
