"""paperlib.data.frozen: the shipped features are whole, in their shape, and useful; a damaged file is refused."""

import json
import zipfile

import numpy as np
import pytest
import torch
from sklearn.neighbors import KNeighborsClassifier

from paperlib.data import frozen, load, read_features
from paperlib.data.features import WEIGHTS_SHA256
from paperlib.runtime import sha256

NAME = "fashion_mnist_mobilenet_v2"


def test_the_shipped_file_is_the_one_that_the_loader_expects():
    assert sha256(frozen.SHIPPED) == frozen.SHIPPED_SHA256


def test_the_shipped_file_is_small_enough_for_a_repository():
    assert frozen.SHIPPED.stat().st_size < 3_000_000


@pytest.mark.parametrize(("split", "n"), [("train", 6000), ("test", 2000), ("all", 8000)])
def test_the_shipped_features_have_their_shape_in_every_split(split, n):
    data = load(NAME, split=split)
    assert (data.x.shape, data.x.dtype) == ((n, 128), torch.float32)
    assert (data.y.shape, data.y.dtype) == ((n,), torch.int64)
    assert data.y.unique().tolist() == list(range(10))
    assert (data.name, data.split) == (NAME, split)
    assert "MIT" in data.license
    assert "Fashion-MNIST" in data.source


def test_the_shipped_train_rows_are_centred_uncorrelated_and_sorted_by_variance():
    x = load(NAME).x.double()
    covariance = torch.cov(x.T)
    variances = covariance.diagonal()
    assert x.mean(0).abs().max() < 1e-4  # float16 rounds entries below 1 by 5e-4 at most, in either direction
    assert (covariance - variances.diag()).abs().max() < 1e-4 * variances.max()
    assert (variances.diff() < 1e-6).all()
    assert (x.norm(dim=1) < 2).all()  # differences of unit vectors


def test_neighbours_among_the_shipped_train_rows_classify_the_test_rows():
    train, test = load(NAME), load(NAME, split="test")
    accuracy = KNeighborsClassifier(5).fit(train.x.numpy(), train.y.numpy()).score(test.x.numpy(), test.y.numpy())
    assert accuracy > 0.75  # ten classes: features of shuffled rows or labels would give 0.1


def test_the_provenance_names_the_weights_and_the_share_of_variance():
    with np.load(frozen.SHIPPED, allow_pickle=False) as archive:
        provenance = json.loads(archive["provenance"].tobytes())
    assert provenance["weights_sha256"] == WEIGHTS_SHA256
    assert 0.5 < provenance["explained_variance"] < 1
    assert {"image_size", "steps", "versions", "source", "license"} <= provenance.keys()


def test_a_shipped_file_that_was_changed_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "z.npz"
    content = bytearray(frozen.SHIPPED.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    monkeypatch.setattr(frozen, "SHIPPED", path)
    with pytest.raises(ValueError, match=rf"z\.npz has SHA-256 \w+, expected {frozen.SHIPPED_SHA256}: it is corrupted"):
        load(NAME)


def test_a_shipped_file_that_is_absent_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(frozen, "SHIPPED", tmp_path / "absent.npz")
    with pytest.raises(FileNotFoundError, match=r"absent\.npz is not there, though it ships with paperlib; install"):
        load(NAME)


def truncated(path):
    path.write_bytes(frozen.SHIPPED.read_bytes()[:-1000])


def flipped(path):
    content = bytearray(frozen.SHIPPED.read_bytes())
    content[len(content) // 2] ^= 1  # in the middle of the features, where only the archive's checksum tells
    path.write_bytes(content)


def text(path):
    path.write_text("a,b\n1,2\n")


def other_arrays(path):
    np.savez(path, x=np.zeros(3))


def pickled(path):
    np.savez(path, provenance=np.array([{}], dtype=object))


def single_array(path):
    with path.open("wb") as stream:
        np.save(stream, np.zeros(3))


@pytest.mark.parametrize("write", [truncated, flipped, text, other_arrays, pickled, single_array])
def test_what_is_no_whole_file_of_features_is_refused(tmp_path, write):
    write(tmp_path / "z.npz")
    with pytest.raises(ValueError, match=r"z\.npz is not a whole file of `paperlib features` .*make it anew"):
        read_features(tmp_path / "z.npz", split="all")


def test_labels_of_another_length_are_refused(tmp_path):
    provenance = np.frombuffer(b'{"name": "a", "source": "b", "license": "c"}', dtype=np.uint8)
    np.savez(tmp_path / "z.npz", provenance=provenance, x_train=np.zeros((3, 2)), y_train=np.zeros(2))
    with pytest.raises(ValueError, match=r"an int64 label for each row of x is needed"):
        read_features(tmp_path / "z.npz")


def test_an_unknown_split_of_a_file_lists_the_known_ones():
    with pytest.raises(ValueError, match=r"split='valid' is no split; choose one of train, test, all"):
        read_features(frozen.SHIPPED, split="valid")


def test_an_absent_file_of_features_is_an_error_of_the_system(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_features(tmp_path / "absent.npz")


def test_the_shipped_file_is_a_plain_archive_without_pickles():
    with zipfile.ZipFile(frozen.SHIPPED) as archive:
        assert all(name.endswith(".npy") for name in archive.namelist())
        assert archive.testzip() is None
