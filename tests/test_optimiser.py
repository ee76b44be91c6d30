"""A step equals torch's dense Adam, with row gradients too; row-wise optimisers follow their formulas."""

import pytest
import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits

import models
from models.base import Batch, CTRModel, Execution, Optimiser, SparseOptimiser
from models.base import execution as executions

CARDINALITIES = [7, 50, 3000]


def build(optimiser: Optimiser, sparse: SparseOptimiser = "adam", name: str = "mlp") -> CTRModel:
    torch.manual_seed(0)
    model = models.load(name)(models.load(name).Config(embedding_dim=4, hidden=(16,)), 2, CARDINALITIES)
    model.optimiser, model.execution = optimiser, Execution(sparse_optimiser=sparse)
    model.configure_optimizers()
    return model


def batches(count: int = 6, size: int = 40) -> list[Batch]:
    torch.manual_seed(1)
    return [
        (
            torch.randn(size, 2),
            torch.stack([torch.randint(0, n, (size,)) for n in CARDINALITIES], 1).int(),
            (torch.rand(size) < 0.3).float(),
        )
        for _ in range(count)
    ]


def reference(model: CTRModel, settings: Optimiser) -> CTRModel:
    """Take the same steps with autograd's dense gradients and torch's own clipping and Adam; return the model."""
    model.embed.row_gradients = False
    embeddings = model.embedding_parameters()
    adam = torch.optim.Adam(model.parameters(), lr=settings.learning_rate)
    for dense_BN, sparse_BF, label_B in batches():
        adam.zero_grad()
        binary_cross_entropy_with_logits(model(dense_BN, sparse_BF), label_B).backward()
        for p in embeddings:
            p.grad += settings.embedding_l2 * p.detach()
        if settings.clip_norm:
            nn.utils.clip_grad_norm_(model.parameters(), settings.clip_norm)
        adam.step()
    return model


@pytest.mark.parametrize("l2", [0.0, 1e-2])
@pytest.mark.parametrize("clip_norm", [0.0, 0.01, 10.0])
def test_a_step_is_dense_adam_after_l2_and_clipping(l2: float, clip_norm: float) -> None:
    settings = Optimiser(learning_rate=1e-2, embedding_l2=l2, clip_norm=clip_norm)
    ours, theirs = build(settings), reference(build(settings), settings)
    for batch in batches():
        ours.step(batch)
    assert ours.embed.row_gradients
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("size", [40, 2000])  # the buffer is cleared by rows, and whole
def test_row_gradients_train_bit_for_bit_as_dense_ones(size: int) -> None:
    rows, dense = (build(Optimiser()) for _ in range(2))
    dense.embed.row_gradients = False
    for batch in batches(size=size):
        rows.step(batch)
        dense.step(batch)
    for mine, other in zip(rows.parameters(), dense.parameters(), strict=True):
        assert mine.equal(other)


def table_gradients(model: CTRModel, batch: Batch) -> torch.Tensor:
    """Return autograd's dense gradient of the table, leaving the model unchanged."""
    model.embed.row_gradients = False
    model.zero_grad()
    binary_cross_entropy_with_logits(model(*batch[:2]), batch[2]).backward()
    gradient = model.embed.table.weight.grad
    assert gradient is not None
    model.zero_grad()
    model.embed.row_gradients = True
    return gradient.clone()


def test_lazy_adam_is_adam_on_the_rows_of_the_batch_and_leaves_the_others() -> None:
    model = build(Optimiser(learning_rate=1e-2, clip_norm=0.0), "lazy_adam")
    weight = model.embed.table.weight.detach().double().clone()
    mean, square = torch.zeros_like(weight), torch.zeros_like(weight)
    for step, batch in enumerate(batches(), 1):
        gradient = table_gradients(model, batch).double()
        model.step(batch)
        for row in (batch[1] + model.embed.offset_F).unique().tolist():
            mean[row] = 0.9 * mean[row] + 0.1 * gradient[row]
            square[row] = 0.999 * square[row] + 0.001 * gradient[row] ** 2
            corrected = mean[row] / (1 - 0.9**step), square[row] / (1 - 0.999**step)
            weight[row] -= 1e-2 * corrected[0] / (corrected[1].sqrt() + 1e-8)
        torch.testing.assert_close(model.embed.table.weight.double(), weight, rtol=1e-4, atol=1e-6)


def test_rowwise_adagrad_divides_a_row_by_the_root_of_its_mean_squares() -> None:
    model = build(Optimiser(learning_rate=1e-4, table_rate=100, clip_norm=0.0), "rowwise_adagrad")
    weight = model.embed.table.weight.detach().double().clone()
    total = torch.zeros(len(weight), 1, dtype=torch.float64)
    for batch in batches():
        gradient = table_gradients(model, batch).double()
        model.step(batch)
        total += gradient.square().mean(1, keepdim=True)
        weight -= 1e-2 * gradient / (total.sqrt() + 1e-8)
        torch.testing.assert_close(model.embed.table.weight.double(), weight, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("sparse", ["lazy_adam", "rowwise_adagrad"])
def test_rowwise_l2_and_clipping_see_the_gathered_rows(sparse: SparseOptimiser) -> None:
    """Adagrad and Adam still move when clipped to almost nothing; rows outside the batch never move."""
    model = build(Optimiser(embedding_l2=0.1, clip_norm=1e-3), sparse)
    before = model.embed.table.weight.detach().clone()
    [batch] = batches(1)
    model.step(batch)
    moved = (model.embed.table.weight != before).any(1).nonzero().flatten()
    assert moved.equal((batch[1] + model.embed.offset_F).unique())


def test_models_of_one_shape_share_a_compilation(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two seeds share one compilation and get equal numbers. The backend runs the traced graph unchanged, without inductor."""
    graphs = []

    def backend(graph: torch.fx.GraphModule, inputs: list[torch.Tensor]) -> object:
        graphs.append(graph)
        return graph.forward

    compiled = torch.compile(executions._loss, backend=backend, dynamic=False)
    monkeypatch.setattr(executions, "compiled", lambda: compiled)
    losses = {}
    for compile_ in (False, True):
        for seed in (0, 1):
            model = build(Optimiser())
            torch.manual_seed(seed)
            nn.init.normal_(model.embed.table.weight)
            model.execution = Execution(compile=compile_)
            model.configure_optimizers()
            for batch in batches(3):
                model.step(batch)
            losses[compile_, seed] = model.train_loss()
            if seed == 0:
                first = len(graphs)
        assert len(graphs) == first
    assert first > 0
    for seed in (0, 1):
        assert losses[True, seed] == pytest.approx(losses[False, seed], rel=1e-6)


def test_bf16_keeps_weights_and_loss_in_fp32() -> None:
    model = build(Optimiser())
    [batch] = batches(1)
    exact = model.execution.loss(model, batch)
    model.execution = Execution(precision="bf16")
    rounded = model.execution.loss(model, batch)
    assert rounded.dtype == torch.float32 and all(p.dtype == torch.float32 for p in model.parameters())
    assert rounded != exact
    torch.testing.assert_close(rounded, exact, rtol=1e-2, atol=0)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_no_step_waits_for_the_gpu() -> None:
    model = build(Optimiser()).cuda()
    model.configure_optimizers()
    on_device = [tuple(x.cuda() for x in batch) for batch in batches()]
    model.step(on_device[0])  # type: ignore[arg-type]
    torch.cuda.set_sync_debug_mode("error")
    try:
        for batch in on_device[1:]:
            model.step(batch)  # type: ignore[arg-type]
    finally:
        torch.cuda.set_sync_debug_mode("default")
