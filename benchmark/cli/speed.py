"""The command `speed`: how fast the suite is on this machine."""

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

import models
from benchmark.cli.options import OfFolder
from benchmark.cli.own import named_models

app = typer.Typer()


@app.command()
def speed(
    only: OfFolder = None,
    device: Annotated[str, typer.Option("--device", metavar="DEVICE", help="cpu or cuda.")] = "cpu",
    rounds: Annotated[int, typer.Option(metavar="N", min=1, help="Interleaved rounds; reports medians.")] = 5,
    scale: Annotated[
        bool, typer.Option("--scale", help="Measure growth with rows, fields, budget and vocabulary.")
    ] = False,
    output: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write Markdown there, with --scale also a figure.")
    ] = None,
    precision: Annotated[str, typer.Option(metavar="NAME", help="fp32 or bf16.")] = "fp32",
    compile_: Annotated[bool, typer.Option("--compile", help="Compile the models.")] = False,
) -> None:
    """Measure the speed of the suite.

    Times the parts of every model's step and the loop around it, and compares with FuxiCTR if that is installed. Five rounds
    take about 8 minutes on two cores, half an hour with FuxiCTR; with --scale, three rounds take 2 minutes.
    """
    import torch

    from benchmark.speed import against, growth, parts, targets, trial
    from benchmark.training.memory import keep_freed_memory
    from models.base import Execution

    torch.set_num_threads(1)
    keep_freed_memory()
    sections: list[str] = []
    ratios: dict[str, list[float]] = {}

    def show(title: str, section: parts.Section) -> None:
        sections.append(f"## {title}\n\n{section.text}")
        ratios.update(section.ratios)
        print(sections[-1], end="\n\n", flush=True)

    if scale:
        show("Growth", growth.measured(rounds, output))
    else:
        names = named_models(only)[0] or models.names()
        for name in names:
            models.title(name)  # raises UnknownModel before anything is measured
        execution = Execution(precision=precision, compile=compile_)  # type: ignore[arg-type]
        show("Parts of a step", parts.of_models(names, device, rounds, execution))
        if device == "cpu":
            show("Trials", trial.of_trials(rounds))
            if find_spec("sklearn"):
                show("Data and metrics", trial.of_data(rounds))
            if find_spec("fuxictr"):
                show("Steps against FuxiCTR's", against.of_steps(rounds))
                show("Trials against FuxiCTR's", against.of_trials(rounds))
            show("Targets", targets.reached(ratios))
    if output:
        output.mkdir(parents=True, exist_ok=True)
        (output / ("scale.md" if scale else "speed.md")).write_text("\n\n".join(sections) + "\n", encoding="utf-8")
