"""The checks name what is wrong with a model; each broken model here differs from a sound one in one place."""

import subprocess
import sys
from pathlib import Path

import pytest

import models
from benchmark.checks.model import CHECKS, outcomes

SOUND = '''"""Sound: a hidden layer (nobody 2026, arXiv 0000.00000)."""

from collections.abc import Iterator, Sequence

import torch
from optuna import Trial
from pydantic import PositiveInt
from torch import Tensor, nn

from models import base


class SoundConfig(base.Config):
    width: PositiveInt = 8
    default = {"unused": 1}

    @classmethod
    def suggest(cls, trial: Trial, budget: base.Budget) -> Iterator[base.Shape]:
        trial.suggest_int("unused", 1, 4)
        yield base.Shape(lambda width: cls(embedding_dim=budget.embedding_dim, width=width), widest=2**20)

    def flops(self, n_dense: int, n_sparse: int) -> int:
        return base.mlp_flops(self.n_tokens(n_dense, n_sparse) * self.embedding_dim, (self.width,), 1)


class Sound(base.CTRModel):
    Config = SoundConfig

    def __init__(self, config: SoundConfig, n_dense: int, cardinalities: Sequence[int]):
        super().__init__(config, n_dense, cardinalities)
        self.mlp = base.mlp(self.n_tokens * config.embedding_dim, (config.width,), 1)
        # init

    def forward(self, dense_BN: Tensor, sparse_BF: Tensor) -> Tensor:
        logit_B = self.mlp(self.embed(dense_BN, sparse_BF).flatten(1)).squeeze(1)
        return logit_B
'''
RETURN = "        return logit_B\n"
BROKEN = {
    "wrong FLOPs": ("(self.width,), 1)\n\n\nclass", "(self.width,))\n\n\nclass", "flops", "torch counts"),
    "a product that the counter misses": (
        RETURN,
        "        return logit_B + torch.mv(dense_BN, dense_BN.new_ones(dense_BN.shape[1])) * 0.1\n",
        "flops",
        "forward uses mv, which torch's counter misses",
    ),
    "a distance, which is a product": (
        RETURN,
        "        return logit_B + torch.cdist(dense_BN, dense_BN).mean(1) if dense_BN.shape[1] > 1 else logit_B\n",
        "flops",
        "forward uses _cdist_forward, which torch's counter misses",
    ),
    "a product hidden in a broadcast and a sum": (
        "self.mlp(self.embed(dense_BN, sparse_BF).flatten(1)).squeeze(1)",
        "self.mlp(self.embed(dense_BN, sparse_BF).flatten(1)).squeeze(1) + "
        "(dense_BN.new_ones(len(dense_BN), 400, 1) * dense_BN.new_ones(1, 1, 400)).sum((1, 2)) * 0",
        "flops",
        "write matrix products with @",
    ),
    "fields that are not read": (
        "self.embed(dense_BN, sparse_BF)",
        "self.embed(dense_BN, sparse_BF * (torch.arange(sparse_BF.shape[1]) % 2))",
        "fields",
        "sparse field 0 of 18 does not change any logit",
    ),
    "a constant in eval mode": (
        RETURN,
        "        return logit_B if self.training else logit_B.mean().expand_as(logit_B)\n",
        "modes",
        "logits of train and eval mode differ by",
    ),
    "a dead start at large budgets": (
        "# init",
        "[p.data.zero_() for p in self.mlp.parameters() if config.width > 1000]",
        "trial 0",
        "trial 0 does not learn at 4.8, 19.2 MFLOP",
    ),
    "a dead parameter": (
        "# init",
        "self.dead = nn.Parameter(torch.ones(3))",
        "gradients",
        "dead gets no finite gradient",
    ),
    "a parameter times 0": (
        RETURN,
        "        return logit_B * 0 + self.mlp[0].bias.sum() * 0\n",
        "gradients",
        "does not reach the logit",
    ),
    "a sigmoid inside": (
        RETURN,
        "        return logit_B.sigmoid()\n",
        "memorising",
        "return logits, without a sigmoid",
    ),
    "logits that depend on the order of rows": (
        RETURN,
        "        return logit_B + torch.arange(len(logit_B)) * 0.01\n",
        "rows",
        "order of the rows",
    ),
    "logits that depend on the rest of the batch": (
        RETURN,
        "        return logit_B - logit_B.mean()\n",
        "rows",
        "other rows of its batch",
    ),
    "randomness outside torch's generator": (
        "# init",
        "self.noise = __import__('random').random()",
        "determinism",
        "same seed differ",
    ),
    "probabilities of shape (B, 1)": (RETURN, "        return logit_B.unsqueeze(1)\n", "gradients", "it must be (B,)"),
    "a space that changes with the draw": (
        'trial.suggest_int("unused", 1, 4)',
        'trial.suggest_int("more", 1, 4) if trial.suggest_int("unused", 1, 4) > 2 else None',
        "budgets",
        "not static",
    ),
    "a default that fits nothing": (
        "width=width)",
        "width=50_000_000)",
        "budgets",
        "default shape cannot meet 0.3 MFLOP",
    ),
    "an exception": (RETURN, "        raise RuntimeError('no')\n", "rows", "RuntimeError: no"),
}


def model_file(folder: Path, old: str, new: str) -> Path:
    assert old in SOUND
    path = folder / "sound.py"
    text = SOUND.replace(old, new)
    if "self.noise" in new:
        text = text.replace(RETURN, "        return logit_B * (1 + self.noise)\n")
    path.write_text(text)
    return path


@pytest.mark.slow
def test_a_sound_model_passes_every_check(tmp_path: Path) -> None:
    lines = list(outcomes(models.load_file(models.read_file(model_file(tmp_path, "# init", "")))))
    assert [line.name for line in lines] == list(CHECKS)
    assert all(line.passed for line in lines), lines


@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_model_fails_and_the_reason_is_named(tmp_path: Path, fault: str) -> None:
    old, new, name, message = BROKEN[fault]
    [line] = outcomes(models.load_file(models.read_file(model_file(tmp_path, old, new))), [name])
    assert line.name == name and not line.passed
    assert message in line.text


@pytest.mark.slow
@pytest.mark.parametrize("name", ["lr", "dlrm"])  # DLRM of one field has empty layers, of which torch warns
def test_the_command_prints_one_line_per_check_and_nothing_else(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmark", "check", name], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0 and done.stderr == ""
    assert [line.partition(":")[0] for line in done.stdout.splitlines()] == [f"pass  {check}" for check in CHECKS]


@pytest.mark.slow
def test_the_command_exits_with_1_and_names_what_failed(tmp_path: Path) -> None:
    old, new, *_ = BROKEN["a sigmoid inside"]
    path = model_file(tmp_path, old, new)
    done = subprocess.run(
        [sys.executable, "-m", "benchmark", "check", str(path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1, done.stderr
    assert "pass  flops: " in done.stdout and "FAIL  memorising: " in done.stdout


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(models.UnknownModel, match="no such file"):
        models.read_file(tmp_path / "none.py")
