"""paperlib.data.load: every set by its name, in its shape, and clear words for what does not exist."""

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from paperlib.data import available, load, registry
from paperlib.data.cifar import CIFAR_SETS
from paperlib.data.mnist import IMAGE_SETS
from paperlib.data.stl10 import STL10_SETS
from paperlib.data.usps import USPS_SETS
from paperlib.runtime import data_root


def has_files(name):
    """Whether all four files of a set of images lie on this machine, so that nothing need be fetched."""
    folders = [data_root() / name, *map(Path, IMAGE_SETS[name].places)]
    files = [file.name for pair in IMAGE_SETS[name].files.values() for file in pair]
    return all(any((folder / f"{file}{end}").is_file() for folder in folders for end in ("", ".gz")) for file in files)


def test_every_available_set_has_a_one_line_description():
    fetched = {"mnist", "fashion_mnist", "usps", "cifar10", "cifar100_20", "stl10"}
    assert {"digits", "fashion_mnist_mobilenet_v2"} | fetched == available().keys()
    assert all(text and "\n" not in text for text in available().values())


def test_digits_are_those_of_scikit_learn():
    data = load("digits")
    x, y = load_digits(return_X_y=True)
    np.testing.assert_array_equal(data.x, x)
    np.testing.assert_array_equal(data.y, y)
    assert (data.x.dtype, data.y.dtype) == (torch.float32, torch.int64)
    assert torch.equal(load("digits", split="all").x, data.x)


def test_digits_have_no_test_split():
    with pytest.raises(ValueError, match=r"split='test' does not exist for digits, .* use 'train' or 'all'"):
        load("digits", split="test")


@pytest.mark.parametrize(
    ("name", "train_counts", "test_counts"),
    [
        (
            "mnist",
            [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949],
            [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009],
        ),
        ("fashion_mnist", [6000] * 10, [1000] * 10),
    ],
)
def test_the_original_images_have_their_known_class_counts(name, train_counts, test_counts):
    if not has_files(name):
        pytest.skip(f"the files of {name} are not on this machine")
    data = load(name, split="all")
    assert data.x.shape == (70_000, 28, 28)
    assert data.x.dtype == torch.uint8
    assert data.y[:60_000].bincount().tolist() == train_counts
    assert data.y[60_000:].bincount().tolist() == test_counts


def test_the_images_are_read_from_the_root_that_is_given(tmp_path, images, fill, monkeypatch):
    fill(tmp_path / "small", packed=True)
    monkeypatch.setitem(registry.IMAGE_SETS, "small", images)
    assert [len(load("small", split=split, root=tmp_path)) for split in ("train", "test", "all")] == [7, 3, 10]


PUBLISHED = {
    "usps": [file for file, _ in USPS_SETS["usps"].files.values()],
    **{name: [images.archive] for name, images in (CIFAR_SETS | STL10_SETS).items()},
}


@pytest.mark.parametrize(("name", "counts"), [("usps", (7291, 2007)), ("cifar10", (50_000, 10_000))])
def test_the_published_files_give_the_published_numbers_of_images(name, counts):
    if not all((data_root() / name / file.name).is_file() for file in PUBLISHED[name]):
        pytest.skip(f"the files of {name} are not on this machine")
    assert tuple(len(load(name, split=split)) for split in ("train", "test")) == counts


@pytest.mark.parametrize("name", PUBLISHED)
@pytest.mark.parametrize("split", ["train", "test", "all"])
def test_a_file_that_is_not_the_published_one_is_refused_by_every_set(tmp_path, name, split):
    for file in PUBLISHED[name]:
        (tmp_path / name).mkdir(exist_ok=True)
        (tmp_path / name / file.name).write_bytes(b"short")
    with pytest.raises(ValueError, match=r"(bz2|gz) has 5 bytes, expected \d+: it is truncated"):
        load(name, split=split, root=tmp_path)


def test_only_stl10_has_an_unlabelled_split(tmp_path):
    with pytest.raises(ValueError, match=r"split='unlabeled' is no split; choose one of train, test, all$"):
        load("cifar10", split="unlabeled", root=tmp_path)
    with pytest.raises(ValueError, match=r"split='valid' is no split; choose one of train, test, all, unlabeled$"):
        load("stl10", split="valid", root=tmp_path)
    (tmp_path / "stl10").mkdir()
    (tmp_path / "stl10" / "stl10_binary.tar.gz").write_bytes(b"")
    with pytest.raises(ValueError, match=r"has 0 bytes, expected 2640397119"):
        load("stl10", split="unlabeled", root=tmp_path)


@pytest.mark.parametrize("name", ["MNIST", "svhn", "", None])
def test_an_unknown_name_lists_the_known_ones(name):
    with pytest.raises(ValueError, match=r"is no data set; choose one of digits, .*mnist") as caught:
        load(name)
    assert all(known in str(caught.value) for known in available())


@pytest.mark.parametrize("name", ["digits", "mnist", "fashion_mnist_mobilenet_v2"])
def test_an_unknown_split_lists_the_known_ones(name):
    with pytest.raises(ValueError, match=r"split='valid' is no split; choose one of train, test, all"):
        load(name, split="valid")


def test_a_root_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(NotADirectoryError, match="is a file; give a folder"):
        load("mnist", root=tmp_path / "file")
