"""Progress of a run, from its records alone."""

from pathlib import Path

from benchmark.protocol import Protocol
from benchmark.study import Study


def status_lines(protocol: Protocol, results: Path) -> list[str]:
    """Return a summary line, then a line per study with its numbers of trials, final runs, and failed and collapsed runs."""
    lines, done, total = [], 0, 0
    for dataset in protocol.datasets:
        for model in protocol.models:
            for budget in protocol.budgets:
                study = Study(protocol, dataset, model, budget, results, "")
                kinds = [(record.kind, record.status) for record in study.records()]
                n_trials, n_finals = (kinds.count((kind, "complete")) for kind in ("trial", "final"))
                n_failed, n_collapsed = (sum(s == status for _, s in kinds) for status in ("failed", "collapsed"))
                left = study.runs_left()
                done, total = done + (left == 0), total + 1
                lines.append(
                    f"{study.name}: {n_trials}/{protocol.search.trials} trials, "
                    f"{n_finals}/{len(protocol.final.seeds)} seeds, {n_failed} failed, "
                    + (f"{n_collapsed} collapsed, " if n_collapsed else "")
                    + ("finished" if left == 0 else f"{left} runs left")
                )
    return [f"{protocol.name}: {done} of {total} studies finished", *lines]
