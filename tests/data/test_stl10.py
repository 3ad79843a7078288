"""paperlib.data.stl10: images stored column by column come out upright, from small archives in the true format."""

import dataclasses

import numpy as np
import pytest
import torch

from paperlib.data import stl10
from paperlib.data.stl10 import STL10_SETS, load_stl10

COUNTS = {"train": 5, "test": 3, "unlabeled": 7}


def column_major(images):
    """Bytes of the images, written pixel by pixel: colour, then column, then row."""
    return bytes(
        image[channel, row, column]
        for image in images
        for channel in range(3)
        for column in range(96)
        for row in range(96)
    )


@pytest.fixture
def made(publish, to_tar_gz):
    rng = np.random.default_rng(0)
    x = {part: rng.integers(256, size=(n, 3, 96, 96), dtype=np.uint8) for part, n in COUNTS.items()}
    y = {"train": [1, 10, 5, 2, 1], "test": [10, 9, 1]}
    members = {"stl10_binary/class_names.txt": b"airplane\n"}
    members |= {f"stl10_binary/{part}_X.bin": column_major(images) for part, images in x.items()}
    members |= {f"stl10_binary/{part}_y.bin": bytes(labels) for part, labels in y.items()}
    archive = publish("stl10_binary.tar.gz", to_tar_gz(members))
    return dataclasses.replace(STL10_SETS["stl10"], name="small", archive=archive, n_samples=COUNTS), x, y


def test_each_split_is_read_back_with_labels_counted_from_zero(tmp_path, made):
    images, x, y = made
    for split in ("train", "test"):
        data = load_stl10(images, split, tmp_path)
        np.testing.assert_array_equal(data.x, x[split])
        assert data.y.tolist() == [label - 1 for label in y[split]]
        assert (data.x.dtype, data.y.dtype) == (torch.uint8, torch.int64)
        assert data.x.is_contiguous()
        assert data.split == split


def test_all_is_train_then_test(tmp_path, made):
    images, x, y = made
    data = load_stl10(images, "all", tmp_path)
    np.testing.assert_array_equal(data.x, np.concatenate((x["train"], x["test"])))
    assert data.y.tolist() == [label - 1 for label in y["train"] + y["test"]]


@pytest.mark.parametrize("block", [1, 3, 7, 1000])
def test_the_unlabelled_images_are_turned_in_blocks_and_have_no_labels(tmp_path, made, monkeypatch, block):
    monkeypatch.setattr(stl10, "_BLOCK", block)
    images, x, _ = made
    data = load_stl10(images, "unlabeled", tmp_path)
    assert data.y is None
    np.testing.assert_array_equal(data.x, x["unlabeled"])


def test_a_picture_with_a_top_left_corner_comes_out_upright(tmp_path, publish, to_tar_gz):
    # The first 96 bytes are the leftmost column of red: its upper third is bright.
    first = bytes([200] * 32 + [0] * 64) + bytes(95 * 96)
    members = {"stl10_binary/train_X.bin": first + bytes(2 * 96 * 96), "stl10_binary/train_y.bin": b"\1"}
    archive = publish("stl10_binary.tar.gz", to_tar_gz(members))
    data = load_stl10(
        dataclasses.replace(STL10_SETS["stl10"], archive=archive, n_samples={"train": 1}), "train", tmp_path
    )
    bright = data.x[0].nonzero()
    assert {(channel, column) for channel, _, column in bright.tolist()} == {(0, 0)}
    assert bright[:, 1].tolist() == list(range(32))


@pytest.mark.parametrize("label", [0, 11])
def test_a_label_outside_one_to_ten_is_refused(tmp_path, made, publish, to_tar_gz, label):
    members = {"stl10_binary/test_X.bin": bytes(3 * 27648), "stl10_binary/test_y.bin": bytes([1, 1, label])}
    images = dataclasses.replace(made[0], archive=publish("bad.tar.gz", to_tar_gz(members)))
    with pytest.raises(ValueError, match=rf"bad\.tar\.gz holds the label {label} in record 2, expected 1 to 10"):
        load_stl10(images, "test", tmp_path)


def test_the_set_is_described_in_its_published_size():
    images = STL10_SETS["stl10"]
    assert images.n_samples == {"train": 5_000, "test": 8_000, "unlabeled": 100_000}
    assert len(images.archive.sha256) == 64
