import math
import random

import model_checks
import pytest
import torch
from torch import nn

from models.rankmixer import PerTokenFFN, RankMixer, RankMixerBlock, RankMixerConfig, Tokenisation, TokenMixing


def config(**fields: object) -> RankMixerConfig:
    return RankMixerConfig(
        **{"embedding_dim": 4, "embedding_std": 0.5, "tokens": 4, "token_dim": 8, "ffn": (6, 5), **fields}
    )


def test_mixed_token_h_is_the_h_th_part_of_every_token_in_loops():
    x_TBW = torch.randn(3, 2, 12)
    mixed_TBW = TokenMixing()(x_TBW)
    for h in range(3):
        for b in range(2):
            parts = [x_TBW[t, b, 4 * h : 4 * h + 4] for t in range(3)]
            torch.testing.assert_close(mixed_TBW[h, b], torch.cat(parts))


def test_mixing_twice_restores_the_tokens_and_has_no_parameters():
    mixing, x_TBW = TokenMixing(), torch.randn(4, 3, 8)
    torch.testing.assert_close(mixing(mixing(x_TBW)), x_TBW)
    assert list(mixing.parameters()) == []


def test_each_token_has_its_own_two_layer_network():
    ffn = PerTokenFFN(config(), 6)
    for p in ffn.parameters():
        nn.init.normal_(p)
    s_TBW = torch.randn(4, 2, 8)
    for t in range(4):
        hidden = nn.functional.gelu(s_TBW[t] @ ffn.up.weight_TIO[t] + ffn.up.bias_T1O[t])
        expected = hidden @ ffn.down.weight_TIO[t] + ffn.down.bias_T1O[t]
        torch.testing.assert_close(ffn(s_TBW)[t], expected)


def test_logits_match_the_papers_equations_example_by_example():
    torch.manual_seed(0)
    model = RankMixer(config(), 1, [5, 5, 5])
    norm = nn.LayerNorm(8)
    inputs = model_checks.batch(1, 3, size=5)
    expected = []
    for e_input in model.embed(*inputs).flatten(1):
        project = model.tokenisation.project
        x = [e_input[4 * t : 4 * t + 4] @ project.weight_TIO[t] + project.bias_T1O[t, 0] for t in range(4)]
        for block in model.blocks:
            mixed = [torch.cat([x_t[2 * h : 2 * h + 2] for x_t in x]) for h in range(4)]
            s = [norm(m + x_t) for m, x_t in zip(mixed, x, strict=True)]
            x = []
            for t, s_t in enumerate(s):
                up, down = block.ffn.up, block.ffn.down
                hidden = nn.functional.gelu(s_t @ up.weight_TIO[t] + up.bias_T1O[t, 0])
                x.append(norm(hidden @ down.weight_TIO[t] + down.bias_T1O[t, 0] + s_t))
        expected.append(model.output(sum(x) / 4))
    torch.testing.assert_close(model(*inputs), torch.cat(expected))


def test_a_block_of_one_token_is_a_residual_mlp():
    block = RankMixerBlock(config(tokens=1), 6)
    x_1BW = torch.randn(1, 5, 8)
    s_1BW = nn.LayerNorm(8)(2 * x_1BW)
    torch.testing.assert_close(block(x_1BW), nn.LayerNorm(8)(block.ffn(s_1BW) + s_1BW))


@pytest.mark.parametrize("n_in", [1, 3, 4, 7, 8, 39])
def test_slices_cover_the_embeddings_and_are_disjoint_if_possible(n_in):
    tokenisation = Tokenisation(n_in, math.ceil(n_in / 4), config())
    read = tokenisation.element_TE.flatten().tolist()
    assert sorted(set(read)) == list(range(n_in))
    assert n_in % 4 or read == list(range(n_in))


def test_a_token_reads_only_its_own_slice():
    tokenisation = Tokenisation(7, 2, config())
    x_BC = torch.randn(1, 7)
    tokens_TBW = tokenisation(x_BC)
    x_BC[0, 3:5] += 1
    changed_T = (tokenisation(x_BC) != tokens_TBW).flatten(1).any(1)
    assert changed_T.tolist() == [False, False, True, False]


def test_blocks_have_the_weights_and_flops_of_section_3_5():
    k, layers, tokens, width = 3, 2, 8, 16
    drawn = config(tokens=tokens, token_dim=width, ffn=(k * width,) * layers)
    model = RankMixer(drawn, 0, [5] * 4)
    weights = sum(p.numel() for name, p in model.blocks.named_parameters() if name.endswith("weight_TIO"))
    assert weights == 2 * k * layers * tokens * width**2
    around = 2 * 16 * width + 2 * width  # projection of 16 elements, final weights
    assert drawn.flops(0, 4) - around == 4 * k * layers * tokens * width**2


def test_a_token_width_that_the_heads_do_not_divide_is_rejected():
    with pytest.raises(ValueError, match="token_dim 10 must be a multiple of tokens 4"):
        config(token_dim=10)


def test_flops_match_torchs_counter():
    draw = random.Random(0)
    for _ in range(10):
        tokens = draw.randint(1, 9)
        drawn = config(
            embedding_dim=draw.randint(1, 16),
            bottom_mlp=draw.choice([(), (7, 3)]),
            tokens=tokens,
            token_dim=tokens * draw.randint(1, 4),
            ffn=[draw.randint(1, 20) for _ in range(draw.randint(1, 3))],
        )
        for n_dense, n_sparse in model_checks.FIELDS:
            assert drawn.flops(n_dense, n_sparse) == model_checks.counted_flops(RankMixer, drawn, n_dense, n_sparse)


@pytest.mark.parametrize(("n_dense", "n_sparse"), model_checks.EDGE_FIELDS)
@pytest.mark.parametrize("tokens", [3, 8])
def test_every_parameter_gets_a_gradient_for_any_fields(tokens, n_dense, n_sparse):
    torch.manual_seed(0)
    model = RankMixer(config(tokens=tokens, token_dim=24, dropout=0.1), n_dense, [5] * n_sparse)
    assert model_checks.without_gradient(model, n_dense, n_sparse) == []
