"""The command `audit`."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress, TaskID
from rich.text import Text

from benchmark import protocol as protocols
from benchmark.cli.options import Data, Device, Results
from benchmark.cli.report import Name, folder_of

app = typer.Typer()


@app.command()
def audit(
    name: Name,
    results: Results = Path("results"),
    n: Annotated[int, typer.Option("--records", min=1, help="How many records to train again.")] = 3,
    seed: Annotated[int, typer.Option(help="Of the draw of records.")] = 0,
    data: Data = None,
    device: Device = "auto",
) -> None:
    """Train a random sample of a folder's records again and compare their metrics; writes nothing.

    Exit code 1 if one does not come back. On the same kind of machine all do, to the last bit.
    """
    console, folder = Console(), folder_of(name, results)
    protocol = protocols.load(str(folder / "protocol.toml"))
    with console.status("loading PyTorch and the data ..."):
        from benchmark.checks import audit
        from benchmark.execution.devices import chosen_device
        from benchmark.reports import formats

        where, drawn, found = chosen_device(device), audit.sample(folder, n, seed), []
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bars:
        for i, record in enumerate(drawn, start=1):
            took = f"{record.seconds:.0f} s when recorded" if record.seconds else "time unknown"
            console.print(Text(formats.printable(f"[{i}/{len(drawn)}] {record.name}: {took}")))
            task = bars.add_task(f"{i}/{len(drawn)}", total=1.0)

            def on_share(share: float, task: TaskID = task) -> None:
                bars.update(task, completed=share)

            found.append(audit.repeat(record, protocol, data, where, on_share))
            bars.remove_task(task)
    console.print(formats.terminal(audit.table(found, protocol), console.width))
    for line in audit.differences(found):
        console.print(Text(formats.printable(f"other than when recorded, {line}")))
    raise typer.Exit(0 if all(pair.passed for pair in found) else 1)
