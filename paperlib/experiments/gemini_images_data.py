"""Images to cluster, with features that may lend them a geometry: sets by their name, or a file of one's own."""

from __future__ import annotations

import os
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from paperlib.data import Dataset, load
from paperlib.experiments.fits import labels_of

DATASETS = ("mnist", "fashion_mnist", "digits")
_N_DIGITS_TRAIN = 1297  # of 1,797: the last 500 are the test part


@dataclass(frozen=True, eq=False)
class Images:
    """One part of a set of images.

    Attributes:
        x: what a network sees, float32 ``[n, h, w]``, or ``[n, channels, h, w]``; flattened, the geometry ``"pixels"``.
        y: labels, int64 ``[n]``, for the judge alone.
        features: the geometry ``"features"``, float32 ``[n, d]``, or None.
    """

    x: Tensor
    y: Tensor
    features: Tensor | None = None

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, part: slice) -> Images:
        """Some of the images."""
        return Images(self.x[part], self.y[part], None if self.features is None else self.features[part])


@dataclass(frozen=True, eq=False)
class ImageTask:
    """A set of images, called ``name`` in the rows. Networks are trained on ``train`` and judged on both parts."""

    name: str
    train: Images
    test: Images


def load_images(
    name: str = "mnist", *, n_samples: int | None = None, root: str | os.PathLike[str] | None = None
) -> ImageTask:
    """A set of grey images by its name, scaled from -1 (background) to 1.

    Fashion-MNIST has the features of MobileNetV2 that ship, and so only the images to which these belong: the first
    6,000 of the train split and the first 2,000 of the test split. Digits have images of 8 x 8 and no features.

    Args:
        name: one of `DATASETS`.
        n_samples: train on so many of the first images; None for all.
        root: data root, as for `paperlib.data.load`.

    Raises:
        ValueError: if there is no such name, or the images are not those of the features.
        OSError: if data cannot be had; ``digits`` always can.
    """
    if name not in DATASETS:
        raise ValueError(f"dataset {name!r} is unknown; choose one of {', '.join(DATASETS)}, or give a file of images")
    if name == "digits":
        data = load(name)
        whole = Images(data.x.view(-1, 8, 8) / 8 - 1, labels_of(data))
        train, test = whole[:_N_DIGITS_TRAIN], whole[_N_DIGITS_TRAIN:]
    elif name == "fashion_mnist":
        train, test = (
            _with_features(load(name, split=split, root=root), load("fashion_mnist_mobilenet_v2", split=split))
            for split in ("train", "test")
        )
    else:
        train, test = (_grey(load(name, split=split, root=root)) for split in ("train", "test"))
    train = train[:n_samples]
    return ImageTask(f"{name}/test, trained on {len(train)}", train, test)


def read_images(path: str | os.PathLike[str], *, n_samples: int | None = None) -> ImageTask:
    """Images of a file of your own, such as CIFAR-10 with features of a network that was trained without labels.

    Every channel is shifted and scaled to mean 0 and variance 1 over the train images, as the authors do with CIFAR-10.

    Args:
        path: an .npz with ``images_train`` and ``images_test``, uint8 ``[n, channels, 32, 32]``; ``labels_train`` and
            ``labels_test``, whole numbers ``[n]``; and, for the geometry ``"features"``, ``features_train``, floating
            point ``[n, d]``.
        n_samples: train on so many of the first images; None for all.

    Raises:
        OSError: if the file cannot be opened.
        ValueError: if it is no such file, or an array is missing or of another type or shape.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, TypeError) as error:
        raise ValueError(f"{path} is no .npz of arrays ({error}); write it with numpy.savez") from error
    train, test = (_given(arrays, part) for part in ("train", "test"))
    if train.x.shape[1:] != test.x.shape[1:]:
        raise ValueError(
            f"images_train has {train.x.shape[1]} channels, but images_test has {test.x.shape[1]}; give both as many"
        )
    mean = train.x.mean((0, 2, 3), keepdim=True)
    scale = train.x.std((0, 2, 3), correction=0, keepdim=True)
    scale[scale == 0] = 1.0
    train, test = (Images((part.x - mean) / scale, part.y, part.features) for part in (train[:n_samples], test))
    return ImageTask(f"{Path(path).stem}/test, trained on {len(train)}", train, test)


def _grey(data: Dataset) -> Images:
    return Images(data.x / 127.5 - 1, labels_of(data))


def _with_features(images: Dataset, frozen: Dataset) -> Images:
    part, labels = _grey(images)[: len(frozen)], labels_of(frozen)
    if not torch.equal(part.y, labels):
        raise ValueError("the features that ship are not those of these images: their labels differ")
    return Images(part.x, part.y, frozen.x)


def _given(arrays: dict[str, NDArray], part: str) -> Images:
    images = _array(arrays, f"images_{part}", "uint8 [n, channels, 32, 32]", "u", 4)
    if images.dtype != np.uint8 or images.shape[2:] != (32, 32) or 0 in images.shape:
        raise ValueError(_wrong(images, f"images_{part}", "uint8 [n, channels, 32, 32]"))
    labels = _array(arrays, f"labels_{part}", f"whole numbers [{len(images)}]", "iu", 1, len(images))
    features = None
    if f"features_{part}" in arrays:
        given = _array(arrays, f"features_{part}", f"floating point [{len(images)}, d]", "f", 2, len(images))
        features = torch.from_numpy(given.astype(np.float32))
        if not bool(features.isfinite().all()):
            raise ValueError(f"features_{part} must be finite, got numbers that are not")
    return Images(torch.from_numpy(images).float(), torch.from_numpy(labels.astype(np.int64)), features)


def _array(arrays: dict[str, NDArray], name: str, wanted: str, kinds: str, ndim: int, n: int | None = None) -> NDArray:
    if name not in arrays:
        raise ValueError(f"the file has no array {name}; it needs {wanted}, and holds {', '.join(arrays) or 'none'}")
    array = arrays[name]
    if array.dtype.kind not in kinds or array.ndim != ndim or (n is not None and len(array) != n):
        raise ValueError(_wrong(array, name, wanted))
    return array


def _wrong(array: NDArray, name: str, wanted: str) -> str:
    return f"{name} must be {wanted}, got {array.dtype} {list(array.shape)}"
