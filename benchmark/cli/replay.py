"""The command `replay`."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from benchmark import protocol as protocols
from benchmark.cli.options import Changes, Results, ResultsName
from benchmark.cli.report import folder_of
from benchmark.cli.run import parsed
from benchmark.errors import ProtocolError

app = typer.Typer()


@app.command()
def replay(
    name: ResultsName,
    results: Results = Path("results"),
    trials: Annotated[
        int | None, typer.Option(metavar="N", min=2, help="Trials of a block.", show_default="all recorded")
    ] = None,
    orders: Annotated[int, typer.Option(metavar="N", min=1, help="Random blocks of each recorded block.")] = 200,
    seed: Annotated[int, typer.Option(metavar="N", help="Random seed of the blocks.")] = 0,
    rule: Changes = None,
) -> None:
    """Replay pruners on the recorded curves of trials.

    Shows what each rule would have chosen, and fewer trials at equal cost. One rule: --set search.pruner=halving. Writes
    nothing.
    """
    from benchmark.checks import replay
    from benchmark.reports import formats

    console, folder = Console(), folder_of(name, results)
    changes = parsed(rule)
    for key in changes:
        if not key.startswith("search.prune"):
            raise ProtocolError(
                f"--set {key}: a replay changes only search.pruner, prune_from, prune_after and prune_keep"
            )
    protocol = protocols.of_folder(folder, changes)
    curves = replay.whole_curves(folder, protocol)
    replays: list[replay.Replay] = []
    with console.status("replaying ..."):
        for ruled in replay.rules(protocol):
            replays += replay.replayed(curves, ruled, trials=trials, orders=orders, seed=seed)
    for table in (replay.by_model(replays, protocol), replay.overview(replays, protocol)):
        console.print(formats.terminal(table, console.width))
