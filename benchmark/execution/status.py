"""Progress of a run, from its records alone."""

from pathlib import Path

from benchmark.execution.studies import by_cell, studies_of
from benchmark.protocol import Protocol
from benchmark.study import COUNTED


def status_lines(protocol: Protocol, results: Path) -> list[str]:
    """Return a summary line, then a line per study with its numbers of blocks, trials, final runs and runs that went wrong.

    Pruned trials count as trials and are named apart.
    """
    blocks = by_cell(studies_of(protocol, results))
    lines, done = [], 0
    n_blocks, n_seeds = protocol.search.blocks, len(protocol.final.seeds)
    for cell, studies in sorted(blocks.items()):
        kinds = [(record.kind, record.status) for study in studies for record in study.records()]
        n_trials = sum(kind == "trial" and status in COUNTED for kind, status in kinds)
        n_finals = kinds.count(("final", "complete"))
        n_pruned, n_failed, n_collapsed = (
            sum(s == status for _, s in kinds) for status in ("pruned", "failed", "collapsed")
        )
        left = [study.runs_left() for study in studies]
        done += not any(left)
        lines.append(
            f"{cell}: {left.count(0)}/{n_blocks} blocks, {n_trials}/{n_blocks * protocol.search.trials} trials, "
            + (f"{n_pruned} of them pruned, " if n_pruned else "")
            + f"{n_finals}/{n_blocks * n_seeds} final runs, {n_failed} failed, "
            + (f"{n_collapsed} collapsed, " if n_collapsed else "")
            + (f"{sum(left)} runs left" if any(left) else "finished")
        )
    return [f"{protocol.name}: {done} of {len(blocks)} studies finished", *lines]
