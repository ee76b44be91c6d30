import pytest
import torch
from model_checks import counted_flops
from naive import CARDINALITY, batch, build, normal
from torch import nn

from models.finalmlp import BilinearFusion, FeatureGate, FinalMLP, FinalMLPConfig

CONFIG = FinalMLPConfig(embedding_dim=4, mlp1=(5, 6), mlp2=(9,), gate=(7,), heads=3)


def test_the_fusion_is_equations_8_and_9_chunk_by_chunk() -> None:
    fusion = BilinearFusion(6, 9, heads=3).double()
    o1_BI, o2_BJ = normal(4, 6), normal(4, 9)
    (w1, b1), (w2, b2) = ((linear[0].weight[0], linear[0].bias[0]) for linear in (fusion.linear1, fusion.linear2))
    for b in range(4):
        naive = b1 + w1 @ o1_BI[b] + b2 + w2 @ o2_BJ[b]
        for j in range(3):
            o1, o2 = o1_BI[b, 2 * j : 2 * j + 2], o2_BJ[b, 3 * j : 3 * j + 3]
            naive = naive + o1 @ fusion.weight_HIJ[j] @ o2
        torch.testing.assert_close(fusion(o1_BI, o2_BJ)[b, 0], naive)


def test_heads_are_the_blocks_of_a_block_diagonal_bilinear_form() -> None:
    heads, whole = BilinearFusion(6, 9, heads=3).double(), BilinearFusion(6, 9, heads=1).double()
    weights = {**heads.state_dict(), "weight_HIJ": torch.block_diag(*heads.weight_HIJ).unsqueeze(0)}
    whole.load_state_dict(weights)
    o1_BI, o2_BJ = normal(4, 6), normal(4, 9)
    torch.testing.assert_close(heads(o1_BI, o2_BJ), whole(o1_BI, o2_BJ))


def test_a_gate_is_twice_the_sigmoid_of_its_mlp_on_the_context() -> None:
    gate = FeatureGate(CONFIG, (), 0, [], 10).double()
    for p in gate.parameters():
        nn.init.normal_(p)
    x_BC = normal(3, 10)
    hidden = (gate.mlp[0].weight @ gate.context_1D[0] + gate.mlp[0].bias).clamp(min=0)
    factor_C = 2 / (1 + (-(gate.mlp[2].weight @ hidden + gate.mlp[2].bias)).exp())
    torch.testing.assert_close(gate(x_BC, *batch(0, 3, rows=3)), x_BC * factor_C)


def test_a_gate_with_context_fields_looks_them_up_in_its_own_tables() -> None:
    config = CONFIG.with_field("context2", (1, 4, 2))  # the second dense field, the third and first sparse fields
    model = build("finalmlp", config, 2, 3)
    gate, (dense_BN, sparse_BF) = model.gate2, batch(2, 3)
    x_BC = normal(len(sparse_BF), 20)
    for b in range(len(sparse_BF)):
        context = [gate.embed.dense[0] * dense_BN[b, 1]]
        context += [gate.embed.table.weight[i * CARDINALITY + sparse_BF[b, f]] for i, f in enumerate((2, 0))]
        hidden = (gate.mlp[0].weight @ torch.cat(context) + gate.mlp[0].bias).clamp(min=0)
        factor_C = 2 / (1 + (-(gate.mlp[2].weight @ hidden + gate.mlp[2].bias)).exp())
        torch.testing.assert_close(gate(x_BC, dense_BN, sparse_BF)[b], x_BC[b] * factor_C)
    assert any(p is gate.embed.table.weight for p in model.embedding_parameters())
    assert counted_flops(FinalMLP, config, 2, 3) == config.flops(2, 3) > CONFIG.flops(2, 3)
    assert config.flops_per_batch(2, 3) == CONFIG.flops_per_batch(2, 3) / 2


def test_the_second_stream_may_have_its_own_dropout() -> None:
    model = build("finalmlp", CONFIG.with_field("dropout", 0.1).with_field("dropout2", 0.3), 0, 3)
    rates = [[m.p for m in stream if isinstance(m, nn.Dropout)] for stream in (model.mlp1, model.mlp2)]
    assert rates == [[0.1, 0.1], [0.3]]


def test_gates_with_zero_weights_are_the_identity() -> None:
    gated, plain = build("finalmlp", CONFIG, 2, 3), build("finalmlp", CONFIG.with_field("gate", ()), 2, 3)
    for gate in (gated.gate1, gated.gate2):
        for p in gate.parameters():
            nn.init.zeros_(p)
    plain.load_state_dict({name: value for name, value in gated.state_dict().items() if name in plain.state_dict()})
    torch.testing.assert_close(gated(*batch(2, 3)), plain(*batch(2, 3)))


def test_the_logit_is_the_fusion_of_two_streams_each_with_its_own_gate() -> None:
    model = build("finalmlp", CONFIG, 0, 3)
    dense_BN, sparse_BF = batch(0, 3)
    x_BC = torch.stack(
        [
            torch.cat([model.embed.table.weight[f * CARDINALITY + sparse_BF[b, f]] for f in range(3)])
            for b in range(len(sparse_BF))
        ]
    )
    h1_BC, h2_BC = (gate(x_BC, dense_BN, sparse_BF) for gate in (model.gate1, model.gate2))
    o1, o2 = model.mlp1(h1_BC), model.mlp2(h2_BC)
    torch.testing.assert_close(model(dense_BN, sparse_BF), model.fusion(o1, o2).squeeze(1))
    assert not torch.equal(h1_BC, h2_BC)


def test_gates_are_computed_once_per_batch_whatever_its_size() -> None:
    assert CONFIG.flops_per_batch(2, 3) == 2 * 2 * (4 * 7 + 7 * 20)
    plain = CONFIG.with_field("gate", ())
    assert counted_flops(FinalMLP, CONFIG, 2, 3) == counted_flops(FinalMLP, plain, 2, 3) == plain.flops(2, 3)


def test_widths_that_the_heads_do_not_divide_are_rejected() -> None:
    with pytest.raises(ValueError, match="must be a multiple of heads 3"):
        CONFIG.with_field("mlp2", (10,))
