"""Which devices train, and how many studies run side by side on them."""

import os

from benchmark.errors import ProtocolError


def chosen_device(name: str) -> str:
    """Return the device of that name; `auto` is a CUDA card if there is one. Raises ProtocolError."""
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    kind, _, index = name.partition(":")
    if kind not in ("cpu", "cuda") or not (index.isdecimal() or not index):
        raise ProtocolError(f"no device {name!r}; (auto, cpu, cuda, cuda:N)")
    if kind == "cuda" and int(index or 0) >= torch.cuda.device_count():
        raise ProtocolError(f"no device {name!r}; this machine has {torch.cuda.device_count()} CUDA devices")
    return name


def lanes_here(device: str, jobs: int | None, per_gpu: int) -> list[str]:
    """Return the device of each worker process on this machine.

    Args:
        device: chosen for the run.
        jobs: number of workers; None: one for each core, or `per_gpu` for each card.
        per_gpu: workers on each card.
    """
    import torch

    return lanes(device, jobs, per_gpu, len(os.sched_getaffinity(0)), torch.cuda.device_count())


def lanes(device: str, jobs: int | None, per_gpu: int, cores: int, gpus: int) -> list[str]:
    """Return the device of each worker process.

    Args:
        device: cpu, cuda (all cards) or cuda:N.
        jobs: number of workers; None: one for each core, or `per_gpu` for each card.
        per_gpu: workers on each card.
        cores: processor cores of the machine.
        gpus: cards of the machine.
    """
    if device == "cuda":
        every = [f"cuda:{index}" for _ in range(per_gpu) for index in range(gpus)]
    elif device.startswith("cuda"):
        every = [device] * per_gpu
    else:
        every = [device] * cores
    return [every[lane % len(every)] for lane in range(jobs or len(every))]
