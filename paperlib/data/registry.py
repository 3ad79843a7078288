"""Every real data set by its name."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

import torch
from sklearn.datasets import load_digits

from paperlib.data.cifar import CIFAR_SETS, load_cifar
from paperlib.data.dataset import SPLITS, Dataset, check_split
from paperlib.data.frozen import load_shipped
from paperlib.data.mnist import IMAGE_SETS, load_images
from paperlib.data.stl10 import STL10_SETS, UNLABELED, load_stl10
from paperlib.data.usps import USPS_SETS, load_usps
from paperlib.runtime import data_root

_DIGITS = "digits"
_SHIPPED = "fashion_mnist_mobilenet_v2"
_FETCHED: tuple[tuple[Mapping[str, Any], Callable[..., Dataset]], ...] = (
    (IMAGE_SETS, load_images),
    (USPS_SETS, load_usps),
    (CIFAR_SETS, load_cifar),
    (STL10_SETS, load_stl10),
)


def available() -> dict[str, str]:
    """Names that `load` knows, each with one line on what it is."""
    return {
        _DIGITS: "handwritten digits of scikit-learn, 1,797 rows of 64 features in 10 classes (float32); no download",
        _SHIPPED: "frozen features of Fashion-MNIST, 6,000 + 2,000 rows of 128 in 10 classes (float32); no download",
        **{name: images.description for sets, _ in _FETCHED for name, images in sets.items()},
    }


def load(name: str, *, split: str = "train", root: str | os.PathLike[str] | None = None) -> Dataset:
    """Load a real data set; the toy problems are functions of their own, and so is `paperlib.data.image_folder`.

    ==============================  ========================  ==============  =======  ===============
    name                            x                         train, test     classes  fetched
    ==============================  ========================  ==============  =======  ===============
    ``digits``                      float32 ``[n, 64]``       1,797, none     10       no
    ``fashion_mnist_mobilenet_v2``  float32 ``[n, 128]``      6,000, 2,000    10       no
    ``mnist``, ``fashion_mnist``    uint8 ``[n, 28, 28]``     60,000, 10,000  10       four idx files
    ``usps``                        uint8 ``[n, 16, 16]``     7,291, 2,007    10       two bzip2 files
    ``cifar10``                     uint8 ``[n, 3, 32, 32]``  50,000, 10,000  10       one .tar.gz
    ``cifar100_20``                 uint8 ``[n, 3, 32, 32]``  50,000, 10,000  20       one .tar.gz
    ``stl10``                       uint8 ``[n, 3, 96, 96]``  5,000, 8,000    10       one .tar.gz
    ==============================  ========================  ==============  =======  ===============

    What is fetched is looked for in the folder of the set's name under the data root first, and kept there in its
    original format. ``mnist`` and ``fashion_mnist`` may lie there raw or gzipped; ``fashion_mnist`` is found too where
    Debian's package dataset-fashion-mnist puts it. A broken download is resumed by the next call. Every file is checked
    by its SHA-256 at each loading; the docstrings of `paperlib.data.usps`, `paperlib.data.cifar` and
    `paperlib.data.stl10` tell the formats.

    Args:
        name: one of `available()`.
        split: ``"train"``, ``"test"``, or ``"all"`` for both, in this order; for ``stl10`` also ``"unlabeled"``, its
            100,000 images without labels (2.8 GB of memory), which ``"all"`` leaves out. ``digits`` has one split only:
            ``"train"`` and ``"all"`` are the whole set, in its own order.
        root: the data root; by default ``$PAPERLIB_DATA``, else ``~/.cache/paperlib``.

    Returns:
        Features ``[n, d]`` as float32 (``digits``: pixels, 0 to 16), grey images ``[n, h, w]`` or colour images
        ``[n, 3, h, w]`` as uint8 (0 to 255), with int64 labels ``[n]``, or None for ``"unlabeled"``.

    Raises:
        ValueError: if there is no such name or split, or a file is corrupted, truncated or another one.
        NotADirectoryError: if ``root`` is a file.
        FileNotFoundError: if the files are neither here nor to be had; the message says which to put where.
        OSError: if a fetched file cannot be written.
    """
    if name not in available():
        raise ValueError(f"name={name!r} is no data set; choose one of {', '.join(available())}")
    check_split(split, (*SPLITS, UNLABELED) if name in STL10_SETS else SPLITS)
    data_root(root)  # refuses a file, whichever set is asked for
    for sets, load_set in _FETCHED:
        if name in sets:
            return load_set(sets[name], split, root)
    return _load_digits(split) if name == _DIGITS else load_shipped(split)


def _load_digits(split: str) -> Dataset:
    if split == "test":
        raise ValueError("split='test' does not exist for digits, which has one split; use 'train' or 'all'")
    x, y = load_digits(return_X_y=True)
    return Dataset(
        x=torch.from_numpy(x).float(),
        y=torch.from_numpy(y).long(),
        name=_DIGITS,
        source="Alpaydin and Kaynak 1998, Optical Recognition of Handwritten Digits (UCI), test part, by scikit-learn",
        license="BSD-3-Clause (scikit-learn)",
        split=split,
    )
