import zipfile

import numpy as np
import pytest

from benchmark.errors import RecordError
from benchmark.records import predictions


def test_predictions_are_read_back_bit_for_bit_and_the_file_is_reproducible(tmp_path):
    logits, labels = np.float32([0.1, -2.5, 3e-8]), np.uint8([1, 0, 1])
    digest = predictions.write(tmp_path / "a.npz", logits, labels)
    read_logits, read_labels = predictions.read(tmp_path / "a.npz")
    assert read_logits.tolist() == logits.tolist() and read_labels.tolist() == [1, 0, 1]
    assert predictions.digest(read_logits, read_labels) == digest
    predictions.write(tmp_path / "b.npz", logits, labels)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_a_file_has_about_4_bytes_per_example(tmp_path):
    generator = np.random.default_rng(0)
    predictions.write(
        tmp_path / "a.npz", generator.normal(size=40_000).astype(np.float32), generator.integers(0, 2, 40_000)
    )
    assert (tmp_path / "a.npz").stat().st_size < 4.2 * 40_000


def test_large_test_parts_are_not_kept(tmp_path):
    many = np.zeros(predictions.LIMIT + 1, np.float32)
    assert predictions.write(tmp_path / "a.npz", many, many) is None and not (tmp_path / "a.npz").exists()


def test_pickles_zip_bombs_and_other_invalid_files_are_rejected_by_name(tmp_path):
    np.savez(tmp_path / "pickle.npz", logits=np.array([object()]), labels=np.uint8([1]))
    (tmp_path / "rubbish.npz").write_bytes(b"not a zip")
    np.savez_compressed(tmp_path / "bomb.npz", logits=np.zeros(8 * predictions.LIMIT, np.float32), labels=np.uint8([1]))
    with zipfile.ZipFile(tmp_path / "empty.npz", "w"):
        pass
    for name in ("pickle", "rubbish", "bomb", "empty"):
        with pytest.raises(RecordError, match=name):
            predictions.read(tmp_path / f"{name}.npz")
