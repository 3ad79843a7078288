"""paperlib.experiments.gemini_images_data: sets of images by name, and files of one's own."""

import numpy as np
import pytest
import torch

from paperlib.data import Dataset, load
from paperlib.experiments import gemini_images_data
from paperlib.experiments.gemini_images_data import load_images, read_images


def grey(n, name, split, labels=None):
    x = torch.randint(256, (n, 28, 28), generator=torch.Generator().manual_seed(n), dtype=torch.uint8)
    return Dataset(x, torch.arange(n) % 10 if labels is None else labels, name, "none", "none", split)


@pytest.fixture
def small_sets(monkeypatch):
    """Sets of the true kind, but small; the features are those that ship."""
    sizes = {"train": 70, "test": 30}
    frozen = {split: load("fashion_mnist_mobilenet_v2", split=split) for split in sizes}

    def fake(name, split="train", root=None):
        if name == "fashion_mnist_mobilenet_v2":
            return frozen[split]
        if name == "fashion_mnist":
            y = torch.cat([frozen[split].y, torch.zeros(5, dtype=torch.int64)])
            return grey(len(y), name, split, y)
        return grey(sizes[split], name, split)

    monkeypatch.setattr(gemini_images_data, "load", fake)
    return fake


def arrays(n=8, m=4, channels=3):
    random = np.random.default_rng(0)
    return {
        "images_train": random.integers(256, size=(n, channels, 32, 32), dtype=np.uint8),
        "images_test": random.integers(256, size=(m, channels, 32, 32), dtype=np.uint8),
        "labels_train": np.arange(n) % 3,
        "labels_test": np.arange(m, dtype=np.uint8) % 3,
        "features_train": random.standard_normal((n, 2048)).astype(np.float16),
    }


def test_digits_are_split_in_two_and_need_no_file():
    task = load_images("digits")
    assert task.name == "digits/test, trained on 1297"
    assert task.train.x.shape == (1297, 8, 8)
    assert task.test.x.shape == (500, 8, 8)
    assert (float(task.train.x.min()), float(task.train.x.max())) == (-1.0, 1.0)
    whole = load("digits")
    assert torch.equal(torch.cat([task.train.y, task.test.y]), whole.y)
    assert torch.equal(task.test.x[-1].flatten(), whole.x[-1] / 8 - 1)
    assert task.train.features is None


def test_mnist_is_scaled_from_minus_one_to_one(small_sets):
    task = load_images("mnist", n_samples=50)
    assert task.name == "mnist/test, trained on 50"
    assert (len(task.train), len(task.test)) == (50, 30)
    expected = small_sets("mnist").x[:50].numpy() / 127.5 - 1
    np.testing.assert_allclose(task.train.x, expected, atol=1e-6)


def test_the_images_of_fashion_mnist_are_those_of_the_features_that_ship(small_sets):
    task = load_images("fashion_mnist")
    assert task.name == "fashion_mnist/test, trained on 6000"
    for part, split in ((task.train, "train"), (task.test, "test")):
        features = load("fashion_mnist_mobilenet_v2", split=split)
        assert len(part) == len(features) == len(part.x)
        assert torch.equal(part.features, features.x)
        assert torch.equal(part.y, features.y)


def test_images_that_are_not_those_of_the_features_are_refused(small_sets, monkeypatch):
    def shifted(name, split="train", root=None):
        found = small_sets(name, split, root)
        return grey(len(found), name, split, found.y.roll(1)) if name == "fashion_mnist" else found

    monkeypatch.setattr(gemini_images_data, "load", shifted)
    with pytest.raises(ValueError, match="the features that ship are not those of these images"):
        load_images("fashion_mnist")


def test_channels_are_normalised_by_the_train_images_alone(tmp_path):
    path, given = tmp_path / "colour.npz", arrays()
    np.savez(path, **given)
    task = read_images(path)
    assert task.name == "colour/test, trained on 8"
    pixels = given["images_train"].astype(float)
    mean, scale = pixels.mean((0, 2, 3)), pixels.std((0, 2, 3))
    for part, name in ((task.train, "images_train"), (task.test, "images_test")):
        expected = (given[name] - mean[:, None, None]) / scale[:, None, None]
        np.testing.assert_allclose(part.x, expected, atol=1e-4)
    assert task.train.features.dtype == torch.float32
    np.testing.assert_array_equal(task.train.features, given["features_train"].astype(np.float32))
    assert task.test.features is None
    assert task.test.y.dtype == torch.int64


def test_a_channel_without_contrast_does_not_divide_by_zero(tmp_path):
    given = arrays(channels=2)
    given["images_train"][:, 1] = 7
    np.savez(tmp_path / "flat.npz", **given)
    assert bool((read_images(tmp_path / "flat.npz").train.x[:, 1] == 0).all())


def test_only_so_many_images_are_trained_on(tmp_path):
    np.savez(tmp_path / "colour.npz", **arrays())
    task = read_images(tmp_path / "colour.npz", n_samples=5)
    assert task.name == "colour/test, trained on 5"
    assert (len(task.train), len(task.train.features), len(task.test)) == (5, 5, 4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels_test": None}, r"the file has no array labels_test; it needs whole numbers \[4\], and holds images_"),
        (
            {"images_train": np.zeros((8, 3, 32, 32))},
            r"images_train must be uint8 \[n, channels, 32, 32\], got float64",
        ),
        ({"images_train": np.zeros((8, 3, 28, 28), np.uint8)}, r"must be uint8 .* got uint8 \[8, 3, 28, 28\]"),
        ({"images_train": np.zeros((8, 3, 32, 32), np.uint16)}, "must be uint8 .* got uint16"),
        ({"images_train": np.zeros((0, 3, 32, 32), np.uint8)}, r"must be uint8 .* got uint8 \[0, 3, 32, 32\]"),
        ({"images_test": np.zeros((4, 1, 32, 32), np.uint8)}, "has 3 channels, but images_test has 1"),
        ({"labels_train": np.zeros(7, int)}, r"labels_train must be whole numbers \[8\], got int64 \[7\]"),
        ({"labels_train": np.zeros(8)}, r"labels_train must be whole numbers \[8\], got float64"),
        ({"features_train": np.zeros((7, 2048))}, r"features_train must be floating point \[8, d\], got"),
        ({"features_train": np.full((8, 2), np.nan)}, "features_train must be finite"),
    ],
)
def test_files_with_other_arrays_are_refused(tmp_path, change, message):
    given = {name: array for name, array in {**arrays(), **change}.items() if array is not None}
    np.savez(tmp_path / "wrong.npz", **given)
    with pytest.raises(ValueError, match=message):
        read_images(tmp_path / "wrong.npz")


def test_what_is_no_file_of_arrays_is_refused(tmp_path):
    (tmp_path / "text.npz").write_text("hello")
    with pytest.raises(ValueError, match=r"text\.npz is no \.npz of arrays"):
        read_images(tmp_path / "text.npz")
    np.save(tmp_path / "one.npy", np.zeros(3))
    with pytest.raises(ValueError, match=r"one\.npy is no \.npz of arrays"):
        read_images(tmp_path / "one.npy")
    with pytest.raises(FileNotFoundError):
        read_images(tmp_path / "absent.npz")


def test_an_unknown_set_is_refused():
    with pytest.raises(ValueError, match="dataset 'cifar10' is unknown; choose one of mnist, fashion_mnist, digits"):
        load_images("cifar10")
