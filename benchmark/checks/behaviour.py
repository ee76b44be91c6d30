"""Checks of behaviour: gradients, fields, rows, modes, determinism, precision and capture."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from benchmark.checks.sample import CARDINALITY, EDGE_FIELDS, Fault, default_model, random_rows, scored, train
from models.base import CTRModel

MODES_MAY_DIFFER = 0.05  # of the logits' standard deviation: a batch's variance is not quite the running one


def check_gradients(model_class: type[CTRModel]) -> str:
    """Check that logits are (B,) and every parameter gets a finite, nonzero gradient, for all kinds of fields."""
    for n_dense, n_sparse in EDGE_FIELDS:
        model, rows = default_model(model_class, n_dense, n_sparse), random_rows(n_dense, n_sparse)
        logit_B = model(rows.dense_BN, rows.sparse_BF)
        fields = f"with {n_dense} dense and {n_sparse} sparse fields"
        if logit_B.shape != rows.label_B.shape:
            raise Fault(
                f"forward returns shape {tuple(logit_B.shape)} {fields}; it must be (B,) = {tuple(rows.label_B.shape)}"
            )
        binary_cross_entropy_with_logits(logit_B, rows.label_B).backward()
        for name, p in model.named_parameters():
            if p.numel() and (p.grad is None or not p.grad.isfinite().all()):
                raise Fault(f"{name} gets no finite gradient {fields}")
            # a single token has nothing to attend to and no partner in a product
            if p.numel() and p.grad is not None and not p.grad.any() and n_dense + n_sparse > 1:
                raise Fault(f"{name} does not reach the logit {fields}: its gradient is 0")
        owned = [*model.embedding_parameters(), *model.dense_parameters()]
        if sorted(map(id, owned)) != sorted(map(id, model.parameters())):
            raise Fault("embedding_parameters() and dense_parameters() together are not exactly parameters()")
    return "every parameter gets a gradient with both kinds of fields, one kind, and a single field"


def check_fields(model_class: type[CTRModel]) -> str:
    """Check that every field moves the logits, after a few steps of training."""
    for n_dense, n_sparse in EDGE_FIELDS:
        if n_dense + n_sparse == 1:  # no partner in a product: DLRM of one field is a constant
            continue
        model, rows = default_model(model_class, n_dense, n_sparse), random_rows(n_dense, n_sparse)
        train(model, rows, steps=10, rate=0.02)  # a zero start hides what a model can read
        model.double().eval()  # a small effect must not be lost in rounding
        dense_BN, sparse_BF = rows.dense_BN.double(), rows.sparse_BF
        with torch.no_grad():
            logit_B = model(dense_BN, sparse_BF)
            moved = {
                **{
                    f"dense field {i} of {n_dense}": (dense_BN + one_N, sparse_BF)
                    for i, one_N in enumerate(torch.eye(n_dense, dtype=torch.float64))
                },
                **{
                    f"sparse field {i} of {n_sparse}": (dense_BN, (sparse_BF + one_F) % CARDINALITY)
                    for i, one_F in enumerate(torch.eye(n_sparse, dtype=torch.int64))
                },
            }
            for field, inputs in moved.items():
                if torch.equal(model(*inputs), logit_B):
                    raise Fault(f"{field} does not change any logit; every field must be read")
    return "every field changes the logits"


def check_rows(model_class: type[CTRModel]) -> str:
    """Check that a row's logit depends neither on the other rows nor on their order."""
    model, (dense_BN, sparse_BF, _) = default_model(model_class, 7, 18), random_rows(7, 18)
    model.eval()
    order_B = torch.randperm(len(dense_BN), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        logit_B = model(dense_BN, sparse_BF)
        if not torch.allclose(model(dense_BN[order_B], sparse_BF[order_B]), logit_B[order_B], rtol=1e-4, atol=1e-5):
            raise Fault("logits change with the order of the rows in a batch")
        if not torch.allclose(model(dense_BN[:3], sparse_BF[:3]), logit_B[:3], rtol=1e-4, atol=1e-5):
            raise Fault("a row's logit depends on the other rows of its batch")
    return "a row's logit depends on that row alone"


def check_modes(model_class: type[CTRModel]) -> str:
    """Check that train and eval mode give the same logits without dropout, once running statistics have settled."""
    model, (dense_BN, sparse_BF, _) = default_model(model_class, 7, 18), random_rows(7, 18)
    with torch.no_grad():
        for _ in range(100):
            trained_B = model(dense_BN, sparse_BF)
        evaluated_B = model.eval()(dense_BN, sparse_BF)
    difference = float((evaluated_B - trained_B).square().mean().sqrt())
    if difference > (allowed := MODES_MAY_DIFFER * float(trained_B.std())):
        raise Fault(
            f"logits of train and eval mode differ by {difference:.3g} (root mean square) without dropout; at most "
            f"{allowed:.3g} is allowed, {MODES_MAY_DIFFER:g} of their standard deviation"
        )
    return "train and eval mode agree without dropout"


def check_determinism(model_class: type[CTRModel]) -> str:
    """Check that the same seed gives the same weights, logits and gradients."""
    outcomes = []
    for _ in range(2):
        model, rows = default_model(model_class, 7, 18), random_rows(7, 18)
        logit_B, loss = scored(model, rows)
        loss.backward()
        outcomes.append([logit_B.detach(), *(p.grad for p in model.parameters() if p.grad is not None)])
    if not all(torch.equal(a, b) for a, b in zip(*outcomes, strict=True)):
        raise Fault("two models with the same seed differ; draw all random numbers from torch's generator")
    return "the same seed gives the same logits and gradients, bit for bit"


def check_precision_and_capture(model_class: type[CTRModel]) -> str:
    """Check that logits are finite in bfloat16 and that torch.compile can capture the whole graph."""
    model, (dense_BN, sparse_BF, _) = default_model(model_class, 7, 18), random_rows(7, 18)
    model.eval()
    with torch.no_grad():
        with torch.autocast("cpu", torch.bfloat16):
            if not model(dense_BN, sparse_BF).isfinite().all():
                raise Fault("logits are not finite in bfloat16")
        captured: Callable[..., Tensor] = torch.compile(model, backend="eager", fullgraph=True)
        if not torch.allclose(captured(dense_BN, sparse_BF), model(dense_BN, sparse_BF), rtol=1e-4, atol=1e-5):
            raise Fault("the captured graph and forward give different logits")
    return "runs in bfloat16, and torch.compile captures the whole graph"
