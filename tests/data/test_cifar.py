"""paperlib.data.cifar: records of labels and colour planes, from small archives in the true format."""

import dataclasses

import numpy as np
import pytest
import torch

from paperlib.data.cifar import CIFAR_SETS, load_cifar

COUNTS = {"data_batch_1.bin": 3, "data_batch_2.bin": 2, "test_batch.bin": 4}


def record(labels, image):
    """One record, written byte by byte: labels, then red, green and blue, each row by row."""
    pixels = [image[channel, row, column] for channel in range(3) for row in range(32) for column in range(32)]
    return bytes([*labels, *pixels])


@pytest.fixture(params=[(10,), (20, 100)], ids=["cifar10", "cifar100_20"])
def made(request, publish, to_tar_gz):
    """A small set of either kind, its images and its labels, in the order train, test."""
    rng = np.random.default_rng(0)
    n = sum(COUNTS.values())
    x = rng.integers(256, size=(n, 3, 32, 32), dtype=np.uint8)
    y = [tuple(int(rng.integers(k)) for k in request.param) for _ in range(n)]
    y[:2] = [tuple(k - 1 for k in request.param), (0,) * len(request.param)]  # the bounds
    members, start = {"d/readme.html": b"not a record"}, 0
    for name, count in COUNTS.items():
        members[f"d/{name}"] = b"".join(record(y[i], x[i]) for i in range(start, start + count))
        start += count
    images = dataclasses.replace(
        CIFAR_SETS["cifar10"],
        name="small",
        archive=publish("small.tar.gz", to_tar_gz(members)),
        members={
            "train": {"d/data_batch_1.bin": 3, "d/data_batch_2.bin": 2},
            "test": {"d/test_batch.bin": 4},
        },
        n_classes=request.param,
    )
    return images, x, np.array([labels[0] for labels in y])


@pytest.mark.parametrize(("split", "part"), [("train", slice(5)), ("test", slice(5, 9)), ("all", slice(9))])
def test_each_split_is_read_back_with_its_first_label(tmp_path, made, split, part):
    images, x, y = made
    data = load_cifar(images, split, tmp_path)
    np.testing.assert_array_equal(data.x, x[part])
    np.testing.assert_array_equal(data.y, y[part])
    assert (data.x.dtype, data.y.dtype) == (torch.uint8, torch.int64)
    assert data.x.is_contiguous()
    assert (data.name, data.split) == ("small", split)


def test_a_label_above_the_last_class_is_refused(tmp_path, made, publish, to_tar_gz):
    images, x, _ = made
    for column, n_classes in enumerate(images.n_classes):
        labels = [0] * len(images.n_classes)
        labels[column] = n_classes
        bad = publish("bad.tar.gz", to_tar_gz({"d/test_batch.bin": 4 * record(labels, x[0])}))
        with pytest.raises(
            ValueError, match=rf"bad\.tar\.gz holds the label {n_classes} in record 0, expected 0 to {n_classes - 1}"
        ):
            load_cifar(dataclasses.replace(images, archive=bad), "test", tmp_path / str(column))


def test_a_batch_of_another_number_of_records_is_refused(tmp_path, made, publish, to_tar_gz):
    images, x, _ = made
    labels = [0] * len(images.n_classes)
    bad = publish("bad.tar.gz", to_tar_gz({"d/test_batch.bin": 3 * record(labels, x[0])}))
    n_bytes = len(labels) + 3072
    with pytest.raises(ValueError, match=rf"d/test_batch\.bin is {3 * n_bytes} bytes, expected {4 * n_bytes} bytes"):
        load_cifar(dataclasses.replace(images, archive=bad), "test", tmp_path)


def test_both_sets_are_described_in_their_published_sizes():
    for images, n_classes in ((CIFAR_SETS["cifar10"], (10,)), (CIFAR_SETS["cifar100_20"], (20, 100))):
        assert {split: sum(members.values()) for split, members in images.members.items()} == {
            "train": 50_000,
            "test": 10_000,
        }
        assert images.n_classes == n_classes
        assert images.archive.url.endswith(f"/{images.archive.name}")
        assert len(images.archive.sha256) == 64
