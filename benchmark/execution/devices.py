"""Choose the devices that train and how many studies run on them in parallel."""

import os

from benchmark.errors import ProtocolError


def chosen_device(name: str) -> str:
    """Return the device with that name; `auto` prefers CUDA. Raises ProtocolError if this machine has no such device."""
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
        device: cpu, cuda (all GPUs) or cuda:N.
        jobs: number of workers; None: one per core, or `per_gpu` per GPU.
        per_gpu: workers per GPU.
    """
    import torch

    return lanes(device, jobs, per_gpu, len(os.sched_getaffinity(0)), torch.cuda.device_count())


def lanes(device: str, jobs: int | None, per_gpu: int, cores: int, gpus: int) -> list[str]:
    """Return the device of each worker process.

    Args:
        device: cpu, cuda (all GPUs) or cuda:N.
        jobs: number of workers; None: one per core, or `per_gpu` per GPU.
        per_gpu: workers per GPU.
        cores: number of CPU cores.
        gpus: number of GPUs.
    """
    if device == "cuda":
        slots = [f"cuda:{index}" for _ in range(per_gpu) for index in range(gpus)]
    elif device.startswith("cuda"):
        slots = [device] * per_gpu
    else:
        slots = [device] * cores
    return [slots[lane % len(slots)] for lane in range(jobs or len(slots))]
