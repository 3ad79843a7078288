"""Every real data set by its name."""

from __future__ import annotations

import os

import torch
from sklearn.datasets import load_digits

from paperlib.data.dataset import Dataset, check_split
from paperlib.data.frozen import load_shipped
from paperlib.data.mnist import IMAGE_SETS, load_images
from paperlib.runtime import data_root

_DIGITS = "digits"
_SHIPPED = "fashion_mnist_mobilenet_v2"


def available() -> dict[str, str]:
    """Names that `load` knows, each with one line on what it is."""
    return {
        _DIGITS: "handwritten digits of scikit-learn, 1,797 rows of 64 features in 10 classes (float32); no download",
        _SHIPPED: "frozen features of Fashion-MNIST, 6,000 + 2,000 rows of 128 in 10 classes (float32); no download",
        **{name: images.description for name, images in IMAGE_SETS.items()},
    }


def load(name: str, *, split: str = "train", root: str | os.PathLike[str] | None = None) -> Dataset:
    """Load a real data set; the toy problems are functions of their own.

    ``mnist`` and ``fashion_mnist`` are looked for in the folder of their name under the data root (raw idx files, or
    gzipped), then where Debian's package dataset-fashion-mnist puts them, and fetched where they are not found. Every
    file is checked by its SHA-256. The other sets need no file.

    Args:
        name: one of `available()`.
        split: ``"train"``, ``"test"``, or ``"all"`` for both, in this order. ``digits`` has one split only: ``"train"``
            and ``"all"`` are the whole set, in its own order.
        root: the data root; by default ``$PAPERLIB_DATA``, else ``~/.cache/paperlib``.

    Returns:
        Features ``[n, d]`` as float32 (``digits``: pixels, 0 to 16), or images ``[n, 28, 28]`` as uint8 (0 to 255),
        with int64 labels ``[n]``.

    Raises:
        ValueError: if there is no such name or split, or a file is corrupted, truncated or another one.
        NotADirectoryError: if ``root`` is a file.
        FileNotFoundError: if the files are neither here nor to be had; the message says which to put where.
        OSError: if a fetched file cannot be written.
    """
    if name not in available():
        raise ValueError(f"name={name!r} is no data set; choose one of {', '.join(available())}")
    check_split(split)
    data_root(root)  # refuses a file, whichever set is asked for
    if name == _DIGITS:
        return _load_digits(split)
    if name == _SHIPPED:
        return load_shipped(split)
    return load_images(IMAGE_SETS[name], split, root)


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
