"""Published parameter counts and MFLOP per example, checked on the meta device so that tables take no memory.

The rows of each vocabulary are in model_checks.ROWS; most of BARS's logs come from FuxiCTR 1.x.
"""

from typing import Any, NamedTuple

import pytest
import torch
from model_checks import parameters, published
from torch.utils.flop_counter import FlopCounterMode

import models
from models.base import Config, CTRModel

Fields = tuple[int, list[int]]  # dense fields, cardinalities

FRAPPE, MOVIELENS, CRITEO_TB = published("frappe_x1", 2), published("movielenslatest_x1", 2), published("criteo_tb")
FRAPPE_1X, MOVIELENS_1X = published("frappe_x1"), published("movielenslatest_x1")
CRITEO_X1, AVAZU_X1 = published("criteo_x1"), published("avazu_x1")


class Cell(NamedTuple):
    """A published model: its parameters and, in the Wukong paper, its MFLOP per example."""

    model: str
    settings: dict[str, Any]
    fields: Fields
    parameters: int
    mflop: float | None = None
    within: float = 0.005  # MFLOP; half of the last printed digit

    @property
    def model_class(self) -> type[CTRModel]:
        return models.load(self.model)

    @property
    def config(self) -> Config:
        return self.model_class.Config(**self.settings)


D10, D128 = {"embedding_dim": 10}, {"embedding_dim": 128}
DNN = {"hidden": (400, 400, 400), "batch_norm": True}
DNN_PLAIN = {"hidden": (400, 400, 400)}
CROSSNET = {"hidden": ()}
CIN = {"cin_bias": True, "hidden": ()}  # only a CIN, with FuxiCTR's biases
ATTENTION = {"attention_dim": 128, "heads": 4}
WIDER = {"attention_dim": 256, "heads": 2}
NORMED = {"layer_norm": True, "scaled": True}
BOTTOM = {"bottom_mlp": (512, 256)}
DLRM = {"bottom_mlp": (400, 400, 400), "top_mlp": (400, 400, 400), "batch_norm": True}
FINALMLP = {"mlp1": (400,), "mlp2": (800,), "gate": (800,), "heads": 10, "batch_norm": True}

# Table 3 of the Wukong paper (arXiv 2403.02545v4). The paper does not name the variant of a cell; these match to the last
# digit. Its MicroVideo, KuaiVideo and TaobaoAds cells read click sequences, which no model here does. `within` is wider where
# the model multiplies element by element, since the paper's counter includes some of these products. It omits the
# convolutions of a CIN, so those cells have no MFLOP here.
WUKONG = {
    # the cross network alone
    "Frappe DCNv2": Cell("dcnv2", {**D128, **CROSSNET, "cross_layers": 4}, FRAPPE, 7_251_073, 39.35, within=0.03),
    # no deep network
    "Frappe AutoInt+": Cell("autoint", {**D10, **ATTENTION, "layers": 6, "hidden": ()}, FRAPPE, 306_151, 15.98),
    # concatenated embeddings, no dot products
    "Frappe DLRM": Cell("mlp", {**D128, **DNN}, FRAPPE, 1_527_073, 4.99),
    "Frappe xDeepFM": Cell("xdeepfm", {**D10, **CIN, "cin": (16, 16, 16)}, FRAPPE, 66_206),
    "MovieLens DCNv2": Cell("dcnv2", {**D10, **DNN, "cross_layers": 5}, MOVIELENS, 1_243_101, 2.02),
    # no wide part
    "MovieLens AutoInt+": Cell(
        "autoint", {**D10, **DNN, **ATTENTION, **NORMED, "layers": 2}, MOVIELENS, 1_293_590, 3.00
    ),
    "MovieLens DLRM": Cell("mlp", {**D10, **DNN}, MOVIELENS, 1_238_421, 1.99),
    "MovieLens FinalMLP": Cell("finalmlp", {**D10, **FINALMLP}, MOVIELENS, 1_040_902, 0.81, within=0.01),
    "MovieLens xDeepFM": Cell("xdeepfm", {**D10, **CIN, "cin": (16, 16, 16)}, MOVIELENS, 994_439),
    "Criteo DLRM": Cell("dlrm", {**D128, **BOTTOM, "top_mlp": (512, 512)}, CRITEO_TB, 26_136_307_201, 4.62),
    "Criteo DCNv2": Cell(
        "dcnv2",
        {**D128, **BOTTOM, "cross_layers": 2, "hidden": (2048,) * 4, "structure": "stacked"},
        CRITEO_TB,
        26_179_364_097,
        262.35,
        within=0.04,
    ),
}

# "Total number of parameters" of the training logs in github.com/reczoo/BARS, ranking/ctr.
BARS = {
    "LR_frappe_x1_001_ff730f43": Cell("lr", {}, FRAPPE_1X, 5_390),
    "FM_frappe_x1_001_b16e1650": Cell("fm", D10, FRAPPE_1X, 59_280),
    "DeepFM_frappe_x1_001_4ae3a56e": Cell("deepfm", {**D10, **DNN}, FRAPPE_1X, 423_280),
    "xDeepFM_frappe_x1_001_f2df82d7": Cell("xdeepfm", {**D10, **CIN, **DNN, "cin": (64,)}, FRAPPE_1X, 429_809),
    "xDeepFM_frappe_x1_008_9e8759c4": Cell("xdeepfm", {**D10, **CIN, "cin": (64, 64, 64)}, FRAPPE_1X, 147_984),
    "DLRM_frappe_x1_006_216831a3": Cell("mlp", {**D10, **DNN}, FRAPPE_1X, 417_891),  # interaction_op: cat
    "DCNv2_frappe_x1_001_c207b717": Cell("dcnv2", {**D10, **DNN, "cross_layers": 4}, FRAPPE_1X, 458_391),
    "DCNv2_frappe_x1_001_881fe47a": Cell("dcnv2", {**D10, **CROSSNET, "cross_layers": 4}, FRAPPE_1X, 94_391),
    "AutoInt_frappe_x1_005_2b296630": Cell(
        "autoint", {**D10, **ATTENTION, "layers": 6, "hidden": ()}, FRAPPE_1X, 306_051
    ),
    "AutoInt_frappe_x1_006_dba8e61c": Cell(
        "autoint", {**D10, **DNN, **ATTENTION, **NORMED, "layers": 5}, FRAPPE_1X, 622_180
    ),
    "LR_movielenslatest_x1_001_7530c4ec": Cell("lr", {}, MOVIELENS_1X, 90_240),
    "FM_movielenslatest_x1_003_b52fd4c1": Cell("fm", D10, MOVIELENS_1X, 992_630),
    "DeepFM_movielenslatest_x1_001_0f6d2e8e": Cell("deepfm", {**D10, **DNN}, MOVIELENS_1X, 1_328_630),
    "xDeepFM_movielenslatest_x1_001_d3760453": Cell(
        "xdeepfm", {**D10, **CIN, **DNN_PLAIN, "cin": (64, 64, 64)}, MOVIELENS_1X, 1_351_767
    ),
    "xDeepFM_movielenslatest_x1_001_0de9d14a": Cell(
        "xdeepfm", {**D10, **CIN, "cin": (32,) * 4}, MOVIELENS_1X, 1_002_390
    ),
    "DLRM_movielenslatest_x1_002_333e0a39": Cell("mlp", {**D10, **DNN}, MOVIELENS_1X, 1_238_391),  # interaction_op: cat
    "DCNv2_movielenslatest_x1_001_98ea1c72": Cell("dcnv2", {**D10, **DNN, "cross_layers": 5}, MOVIELENS_1X, 1_243_071),
    "DCNv2_movielenslatest_x1_005_a53d8bd5": Cell(
        "dcnv2", {**D10, **CROSSNET, "cross_layers": 8}, MOVIELENS_1X, 909_861
    ),
    "AutoInt_movielenslatest_x1_004_4795ccb3": Cell(
        "autoint", {**D10, **ATTENTION, **NORMED, "layers": 2, "hidden": (), "wide": True}, MOVIELENS_1X, 1_047_798
    ),
    "AutoInt_movielenslatest_x1_006_a5e56596": Cell(
        "autoint", {**D10, **DNN, **ATTENTION, **NORMED, "layers": 2, "wide": True}, MOVIELENS_1X, 1_383_799
    ),
    "FinalMLP_movielenslatest_x1_004_498f3e4f": Cell("finalmlp", {**D10, **FINALMLP}, MOVIELENS, 1_040_902),  # 2.0.1
    "LR_criteo_x1_008_9581f586": Cell("lr", {}, CRITEO_X1, 2_086_317),
    "FM_criteo_x1_001_17295367": Cell("fm", D10, CRITEO_X1, 22_949_477),
    "DeepFM_criteo_x1_001_4b788fed": Cell("deepfm", {**D10, **DNN}, CRITEO_X1, 23_429_477),
    "xDeepFM_criteo_x1_001_e8b59d36": Cell(
        "xdeepfm", {**D10, **CIN, **DNN_PLAIN, "cin": (16, 16)}, CRITEO_X1, 23_461_462
    ),
    "xDeepFM_criteo_x1_004_6b5adc06": Cell("xdeepfm", {**D10, **CIN, "cin": (32,) * 5}, CRITEO_X1, 23_158_213),
    "DLRM_criteo_x1_001_4d897285": Cell("dlrm", {**D10, **DLRM}, CRITEO_X1, 21_664_241),
    "DCNv2_criteo_x1_001_28c60688": Cell(
        "dcnv2", {**D10, "hidden": (500, 500, 500), "cross_layers": 3}, CRITEO_X1, 22_018_021
    ),
    "DCNv2_criteo_x1_008_43e17586": Cell("dcnv2", {**D10, **CROSSNET, "cross_layers": 5}, CRITEO_X1, 21_626_001),
    "AutoInt_criteo_x1_012_e71394ec": Cell(
        "autoint", {**D10, **WIDER, **NORMED, "layers": 3, "hidden": (), "wide": True}, CRITEO_X1, 23_364_453
    ),
    "AutoInt_criteo_x1_005_a4b5787e": Cell(
        "autoint", {**D10, **DNN, **WIDER, "layer_norm": True, "layers": 3, "wide": True}, CRITEO_X1, 23_844_454
    ),
    "LR_avazu_x1_007_c7701820": Cell("lr", {}, AVAZU_X1, 1_298_600),
    "FM_avazu_x1_004_d20f45d4": Cell("fm", D10, AVAZU_X1, 14_284_590),
    "DeepFM_avazu_x1_001_30280b50": Cell("deepfm", {**D10, **DNN}, AVAZU_X1, 14_696_590),
    "xDeepFM_avazu_x1_001_6fe108f2": Cell("xdeepfm", {**D10, **CIN, **DNN, "cin": (64,)}, AVAZU_X1, 14_727_695),
    "xDeepFM_avazu_x1_003_7f3fed32": Cell("xdeepfm", {**D10, **CIN, "cin": (64, 64, 64)}, AVAZU_X1, 14_496_174),
    "DNN_avazu_x1_001_3da2d674": Cell("mlp", {**D10, **DNN_PLAIN}, AVAZU_X1, 13_395_591),
    "DLRM_avazu_x1_015_cf6fdabe": Cell("dlrm", {**D10, **DLRM}, AVAZU_X1, 13_402_391),
    "DCNv2_avazu_x1_001_81904473": Cell("dcnv2", {**D10, **DNN, "cross_layers": 5}, AVAZU_X1, 13_641_311),
    "DCNv2_avazu_x1_011_e4cbb525": Cell("dcnv2", {**D10, **CROSSNET, "cross_layers": 4}, AVAZU_X1, 13_180_691),
    "AutoInt_avazu_x1_001_af7937e6": Cell(
        "autoint", {**D10, "attention_dim": 128, "heads": 1, **NORMED, "layers": 4, "hidden": ()}, AVAZU_X1, 13_142_407
    ),
    "AutoInt_avazu_x1_005_73d0b026": Cell(
        "autoint", {**D10, **DNN, **WIDER, **NORMED, "layers": 5}, AVAZU_X1, 14_202_856
    ),
    "FinalMLP_avazu_x1_018_488deefd": Cell(
        "finalmlp", {**D10, **FINALMLP, "mlp1": (400, 400, 400)}, published("avazu_x1", 2), 13_979_472
    ),
}

DNN_TWICE = {
    "DNN_frappe_x1_001_ad0f0fce": Cell("mlp", {**D10, **DNN}, FRAPPE_1X, 781_892),
    "DNN_movielenslatest_x1_001_338b5be6": Cell("mlp", {**D10, **DNN}, MOVIELENS_1X, 1_574_392),
    "DNN_criteo_x1_001_be50edb0": Cell("mlp", {**D10, **DNN_PLAIN}, CRITEO_X1, 21_818_362),
}


@pytest.mark.parametrize("cell", WUKONG.values(), ids=WUKONG)
def test_parameters_match_the_wukong_paper(cell: Cell) -> None:
    assert parameters(cell.model_class, cell.config, *cell.fields) == cell.parameters


@pytest.mark.parametrize("cell", BARS.values(), ids=BARS)
def test_parameters_match_the_bars_log(cell: Cell) -> None:
    assert parameters(cell.model_class, cell.config, *cell.fields) == cell.parameters


@pytest.mark.parametrize("cell", DNN_TWICE.values(), ids=DNN_TWICE)
def test_some_bars_logs_of_dnn_count_the_network_twice(cell: Cell) -> None:
    no_table = (cell.fields[0], [0] * len(cell.fields[1]))
    network = parameters(cell.model_class, cell.config, *no_table) - 10 * cell.fields[0]
    assert parameters(cell.model_class, cell.config, *cell.fields) + network == cell.parameters


@pytest.mark.parametrize(
    ("embedding_dim", "logged"), [(10, 253_392), (128, 3_115_954)], ids=["FinalMLP_frappe_x1_004_e1ab402f", "Wukong"]
)
def test_finalmlp_on_frappe_has_user_and_item_contexts_where_ours_has_constants(
    embedding_dim: int, logged: int
) -> None:
    """The contexts have their own two tables, of 5,040 rows together by both counts."""
    settings = {"mlp1": (400,), "mlp2": (100,), "gate": (400,), "heads": 5, "batch_norm": True}
    ours = Cell("finalmlp", {**settings, "embedding_dim": embedding_dim}, FRAPPE, logged)
    assert parameters(ours.model_class, ours.config, *ours.fields) + (5_040 - 2) * embedding_dim == logged


def papers_training_flops(config: Config, n_dense: int, n_sparse: int) -> int:
    """Return 3 x forward minus the gradient of the raw dense fields, which the bottom MLP's first layer does not compute.

    Gates count once: the paper counts per row what ours computes once per batch, and a batch is one row here.

    Args:
        config: the architecture.
        n_dense: number of dense fields.
        n_sparse: number of sparse fields.
    """
    forward = config.flops(n_dense, n_sparse) + config.flops_per_batch(n_dense, n_sparse)
    return 3 * forward - (2 * n_dense * config.bottom_mlp[0] if config.bottom_mlp else 0)


@pytest.mark.parametrize(
    "cell", [cell for cell in WUKONG.values() if cell.mflop], ids=[name for name in WUKONG if WUKONG[name].mflop]
)
def test_training_flops_match_the_wukong_paper(cell: Cell) -> None:
    mflop = papers_training_flops(cell.config, cell.fields[0], len(cell.fields[1])) / 1e6
    assert mflop == pytest.approx(cell.mflop, abs=cell.within)


@pytest.mark.parametrize("cell", WUKONG.values(), ids=WUKONG)
def test_torch_counts_forward_and_backward_by_the_papers_rule(cell: Cell) -> None:
    n_dense, cardinalities = cell.fields
    with torch.device("meta"):
        model = cell.model_class(cell.config, n_dense, cardinalities).eval()
        inputs = torch.zeros(1, n_dense), torch.zeros(1, len(cardinalities), dtype=torch.int64)
    with FlopCounterMode(display=False) as counter:
        model(*inputs).sum().backward()
    assert counter.get_total_flops() == papers_training_flops(cell.config, n_dense, len(cardinalities))
