"""The training loop: blocks of batches and learning rates."""

from pathlib import Path

import numpy as np
import pytest
import torch

from benchmark.protocol.sections import Training
from benchmark.training.loop import STEPS_PER_BLOCK, Blocks, Selection
from benchmark.training.pruning import never
from datamodules.base import Batches


@pytest.mark.parametrize("steps", [1, STEPS_PER_BLOCK, 2 * STEPS_PER_BLOCK + 5])
def test_blocks_hold_the_same_batches_in_the_same_order(tmp_path: Path, steps: int) -> None:
    rows = 3 * steps - 1
    for name, width in (("dense", 2), ("sparse", 3)):
        np.save(tmp_path / f"{name}.npy", np.arange(rows * width, dtype=np.float32).reshape(rows, width))
    np.save(tmp_path / "label.npy", np.zeros(rows, np.float32))
    single, blocks = list(Batches(tmp_path, 3, seed=1)), list(map(list, Blocks(Batches(tmp_path, 3, seed=1))))
    assert len(blocks) == len(Blocks(Batches(tmp_path, 3))) and max(map(len, blocks)) <= STEPS_PER_BLOCK
    joined = [batch for block in blocks for batch in block]
    assert len(joined) == len(single) == steps
    for mine, other in zip(joined, single, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(mine, other, strict=True))


def rates(training: Training, steps: int = 10) -> list[float]:
    selection = Selection(training, 0.5, steps, lambda share, metrics: None, never)
    return [selection.rate(step) for step in range(steps)]


def test_the_linear_rate_decays_linearly_from_the_full_rate_to_0() -> None:
    assert rates(Training(schedule="linear")) == pytest.approx([0.5 * (1 - i / 10) for i in range(10)])
    assert rates(Training()) == [0.5] * 10


def test_warm_up_rises_linearly_and_leaves_the_rest_of_the_schedule_unchanged() -> None:
    for schedule in ("constant", "linear", "plateau"):
        plain, warm = (rates(Training(schedule=schedule, warmup=w)) for w in (0.0, 0.3))  # type: ignore[arg-type]
        assert warm[3:] == plain[3:]
        assert [a / b for a, b in zip(warm[:3], plain[:3], strict=True)] == pytest.approx([0.25, 0.5, 0.75])
