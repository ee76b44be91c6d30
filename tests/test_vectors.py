"""Frozen vectors: read by value, never trained, and mapped to tokens as in BARS's FuxiCTR settings."""

from pathlib import Path

import h5py
import numpy as np
import polars as pl
import pytest
import torch

import datamodules
import models
from benchmark.protocol.sections import Training
from benchmark.training.loop import train
from datamodules.base import DataError, twins
from datamodules.base.vectors import Vectors, write_vectors
from models.base import FieldEmbedding, Optimiser
from models.fm import FMConfig
from models.mlp import MLPConfig

CONFIG = MLPConfig(embedding_dim=4, hidden=(8,))


@pytest.mark.parametrize("keys", [[7, 30, 5, 1], [b"7", b"30", b"5", b"1"], ["7", "30", "5", "1"]])
def test_rows_are_the_vectors_of_the_given_values_in_file_order(tmp_path: Path, keys: list) -> None:
    vectors = np.arange(8.0).reshape(4, 2)
    write_vectors(tmp_path / "v.h5", np.array(keys, object if isinstance(keys[0], str) else None), vectors)
    id_C = Vectors("c", tmp_path / "v.h5").write(tmp_path / "v.npy", pl.Series(["1", "no vector", "", "7", "5"]), 1)
    table = np.load(tmp_path / "v.npy")
    assert table.dtype == np.float32
    assert table.tolist() == [[0, 0], [0, 1], [4, 5], [6, 7]]  # rows of no value, 7, 5 and 1
    assert id_C.tolist() == [3, 0, 0, 1, 2]


def test_a_table_read_in_many_blocks_has_the_right_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw = np.random.default_rng(0)
    vectors, values = draw.normal(size=(100, 3)), pl.Series([str(k) for k in draw.permutation(150)])
    write_vectors(tmp_path / "v.h5", np.arange(100), vectors)
    monkeypatch.setattr("datamodules.base.vectors.ROWS_AT_A_TIME", 7)
    id_C = Vectors("c", tmp_path / "v.h5").write(tmp_path / "v.npy", values, 2)
    table = np.load(tmp_path / "v.npy")
    for value, row in zip(values, id_C, strict=True):
        assert table[row].tolist() == ([0, 0, 0] if int(value) >= 100 else vectors[int(value)].astype("f4").tolist())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"keys": [1], "value": [[0.0]]}, r"v\.h5: no data set 'key'; it has keys, value"),
        ({"key": [1], "value": [0.0]}, r"v\.h5: value has 1 dimensions; expected 2"),
        ({"key": [1, 2], "value": [[0.0]]}, r"v\.h5: 2 keys but 1 vectors"),
        ({"key": [1, 2, 1], "value": [[0.0]] * 3}, r"v\.h5: key '1' occurs more than once"),
        ({"key": [1, 2], "value": [[0.0], [np.nan]]}, r"v\.h5: the vector of key '2' has numbers that are not finite"),
    ],
)
def test_a_malformed_file_of_vectors_is_refused(tmp_path: Path, content: dict, message: str) -> None:
    with h5py.File(tmp_path / "v.h5", "w") as file:
        for name, values in content.items():
            file[name] = np.array(values)
    with pytest.raises(DataError, match=message):
        Vectors("c", tmp_path / "v.h5").write(tmp_path / "v.npy", pl.Series(["1", "2"]), 1)


@pytest.mark.parametrize("content", [b"", b"not HDF5", b"\x89HDF\r\n\x1a\n truncated"])
def test_a_file_that_is_not_hdf5_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "v.h5").write_bytes(content)
    with pytest.raises(DataError, match=r"v\.h5: cannot be read"):
        Vectors("c", tmp_path / "v.h5").write(tmp_path / "v.npy", pl.Series(["1"]), 1)


@pytest.mark.parametrize("encoding", ["bars", "clean"])
def test_the_ids_of_a_twin_select_the_vectors_of_its_items(tmp_path: Path, encoding: str) -> None:
    paths = twins.write(datamodules.load("microvideo1_7m_x1").layout(), tmp_path, 300)
    data = datamodules.load(f"microvideo1_7m_x1.{encoding}")(tmp_path)
    with h5py.File(paths[-1]) as file:
        vector_of = dict(zip(map(str, file["key"][:]), file["value"][:].astype("f4"), strict=True))
    zeros = np.zeros(64, "f4")
    table = data.cardinalities[2].numpy()
    raw = pl.read_csv(paths[1], infer_schema=False)
    ids = np.load(data.folder / "test" / "sparse.npy")
    assert data.meta["sparse_columns"] == ["user_id", "cate_id", "item_id", "clicked_items", "clicked_categories"]
    for row, item in zip(ids, raw["item_id"], strict=True):
        assert (table[row[2]] == vector_of.get(item, zeros)).all()
    for row, history in zip(ids, raw["clicked_items"].fill_null(""), strict=True):
        expected = [item for item in history.split("^")[-100:] if item in vector_of]
        assert [i for i in row[3:103] if i >= 0] == [
            int(np.flatnonzero((table == vector_of[k]).all(1))[0]) for k in expected
        ]


def test_a_changed_vector_changes_the_fingerprint(tmp_path: Path) -> None:
    paths = twins.write(datamodules.load("kuaivideo_x1").layout(), tmp_path, 300)
    before = datamodules.load("kuaivideo_x1")(tmp_path)
    assert len(before.fingerprint) == 16
    with h5py.File(paths[-1], "r+") as file:
        file["value"][0, 0] += 1
    assert datamodules.load("kuaivideo_x1")(tmp_path).fingerprint != before.fingerprint


def test_a_set_without_its_vectors_names_the_missing_file(tmp_path: Path) -> None:
    twins.write(datamodules.load("kuaivideo_x1").layout(), tmp_path, 100)[-1].unlink()
    with pytest.raises(DataError, match=r"no folder with train\.csv, test\.csv, item_visual_emb_dim64\.h5"):
        datamodules.load("kuaivideo_x1")(tmp_path).prepare_data()


def embedding() -> tuple[FieldEmbedding, torch.Tensor]:
    vectors = torch.cat([torch.zeros(1, 6), torch.randn(4, 6)])
    return FieldEmbedding(0, [3, vectors, (3, 0), (3, 1)], CONFIG), vectors


def test_a_token_is_the_mapped_vector_and_a_sequence_token_the_mapped_mean() -> None:
    embed, vectors = embedding()
    sparse_BF = torch.tensor([[2, 4, 0, 1, 1, -1, 2, 3], [0, 0, -1, -1, -1, -1, -1, -1]], dtype=torch.int32)
    x_BTD = embed(torch.empty(2, 0), sparse_BF)
    item, _, history = (layer.weight if isinstance(layer, torch.nn.Linear) else None for layer in _flat(embed.maps))
    assert item is not None and history is not None and item is not history
    torch.testing.assert_close(x_BTD[0, 1], item @ vectors[4])
    torch.testing.assert_close(x_BTD[0, 3], history @ (vectors[2] + vectors[3]) / 2)
    torch.testing.assert_close(x_BTD[0, 2], (embed.table.weight[0] + 2 * embed.table.weight[1]) / 3)
    assert not x_BTD[1, 1:].any()  # no vector, no history


def _flat(maps: torch.nn.ModuleList) -> list[torch.nn.Module]:
    return [layer[0] if isinstance(layer, torch.nn.Sequential) else layer for layer in maps]


def test_vectors_are_neither_trained_nor_saved_but_their_maps_are_trained() -> None:
    embed, vectors = embedding()
    original = vectors.clone()
    model = torch.nn.Sequential(embed)
    assert not [name for name in model.state_dict() if "frozen" in name]
    assert sum(p.numel() for p in embed.parameters()) == 3 * 4 + 2 * 6 * 4 == sum(p.numel() for p in embed.embeddings())
    optimiser = torch.optim.SGD(embed.parameters(), lr=1.0)
    sparse_BF = torch.tensor([[2, 4, 0, 1, 1, -1, 2, 3]], dtype=torch.int32)
    before = [p.clone() for p in embed.parameters()]
    embed(torch.empty(1, 0), sparse_BF).square().sum().backward()
    optimiser.step()
    assert (vectors == original).all()
    assert all((old != new).any() for old, new in zip(before, embed.parameters(), strict=True))


def test_ddp_does_not_broadcast_frozen_tables(tmp_path: Path) -> None:
    torch.distributed.init_process_group("gloo", init_method=f"file://{tmp_path / 'store'}", rank=0, world_size=1)
    try:
        model = models.load("fm")(FMConfig(embedding_dim=4), 0, [3, torch.zeros(5, 6)])
        sent = torch.nn.parallel.DistributedDataParallel(model).modules_buffers
    finally:
        torch.distributed.destroy_process_group()
    assert len([name for name, _ in model.named_buffers(remove_duplicate=False) if "frozen" in name]) == 2
    assert all(buffer.shape != (5, 6) for buffer in sent)


@pytest.mark.parametrize("name", ["mlp", "wukong", "dcnv2", "xdeepfm"])
def test_a_set_with_frozen_vectors_trains(name: str, tmp_path: Path) -> None:
    twins.write(datamodules.load("kuaivideo_x1").layout(), tmp_path, 600)
    data = datamodules.load("kuaivideo_x1")(tmp_path, batch_size=128)
    model = models.load(name)
    config = CONFIG if name == "mlp" else model.Config(embedding_dim=4)
    outcome = train(model, config, Optimiser(), data, Training(batch_size=128), seed=0, test=True)
    assert outcome.test is not None and 0 <= outcome.test["gauc"] <= 1
