"""USPS from the two files of LIBSVM's collection: text, a line an image, packed with bzip2.

A line is a label, 1 to 10 for the digits 0 to 9, then pairs ``index:value`` for 16 x 16 pixels, row by row, counted
from 1. A value is a grey level from -1 to 1; a pixel that a line leaves out is 0. Grey level v becomes the byte nearest
to (v + 1) / 2 * 255: the 256 levels 2 b / 255 - 1 come back as their b, any other is moved by at most 1 / 255.
(torchvision cuts the fraction off instead, which can give one less.)
"""

from __future__ import annotations

import bz2
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.datasets import load_svmlight_file

from paperlib.data.archives import ADVICE, PublishedFile
from paperlib.data.dataset import Dataset

_SIDE = 16
_N_CLASSES = 10


@dataclass(frozen=True)
class UspsSet:
    """A set in the format of USPS.

    Attributes:
        files: the file of each split, and the number of its images.
    """

    name: str
    description: str
    source: str
    license: str
    files: dict[str, tuple[PublishedFile, int]]


def load_usps(images: UspsSet, split: str, root: str | os.PathLike[str] | None = None) -> Dataset:
    """Images ``[n, 16, 16]`` (uint8, 255 is ink) and labels ``[n]`` of one split, or of all.

    Raises:
        FileNotFoundError: if a file is neither here nor to be had; the message says which, and where to put it.
        ValueError: if a file is corrupted, truncated or another one.
        OSError: if a fetched file cannot be written.
    """
    parts = ("train", "test") if split == "all" else (split,)
    arrays = [read_usps(file.find(images.name, root), n) for file, n in (images.files[part] for part in parts)]
    x, y = (torch.from_numpy(np.concatenate(each)) for each in zip(*arrays, strict=True))
    return Dataset(x=x, y=y, name=images.name, source=images.source, license=images.license, split=split)


def read_usps(path: Path, n_samples: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Images ``[n_samples, 16, 16]`` and labels ``[n_samples]`` of one file.

    Raises:
        ValueError: if it is damaged, or holds another number of images, or a label or a value that is out of range.
    """
    try:
        with bz2.open(path) as stream:
            sparse, labels = load_svmlight_file(stream, n_features=_SIDE**2, dtype=np.float64, zero_based=False)
    except (OSError, EOFError, ValueError) as error:
        raise ValueError(f"{path} is not a whole bzip2 file of {_SIDE}x{_SIDE} pixels ({error}); {ADVICE}") from error
    if len(labels) != n_samples:
        raise ValueError(f"{path} holds {len(labels)} images, expected {n_samples}; {ADVICE}")
    if not np.isin(labels, np.arange(1, _N_CLASSES + 1)).all():
        raise ValueError(f"{path} holds the labels {np.unique(labels)}, expected 1 to {_N_CLASSES}; {ADVICE}")
    values = sparse.toarray()
    if not np.abs(values).max() <= 1:  # the form that is False for NaN
        raise ValueError(f"{path} holds values from {values.min()} to {values.max()}, expected -1 to 1; {ADVICE}")
    grey = np.rint((values + 1) / 2 * 255).astype(np.uint8)
    return grey.reshape(-1, _SIDE, _SIDE), labels.astype(np.int64) - 1


_HOME = "https://www.csie.ntu.edu.tw/~cjlin/libsvmtools/datasets/multiclass"

# SHA-256: pytorch/vision, torchvision/prototype/datasets/_builtin/usps.py.
# Lengths beside the same SHA-256: Lallapallooza/cycle_adv_ot, data/usps.bz2 and data/usps.t.bz2 (Git LFS pointers).
USPS_SETS = {
    "usps": UspsSet(
        name="usps",
        description="handwritten digits, 7,291 + 2,007 grey images of 16x16 in 10 classes (uint8); fetched, 8 MB",
        source="Hull 1994, A Database for Handwritten Text Recognition Research (IEEE TPAMI 16), from LIBSVM Data, "
        f"{_HOME}.html#usps",
        license="none stated by the authors",
        files={
            "train": (
                PublishedFile(
                    "usps.bz2",
                    f"{_HOME}/usps.bz2",
                    6_579_383,
                    "3771e9dd6ba685185f89867b6e249233dd74652389f263963b3b741e994b034f",
                ),
                7_291,
            ),
            "test": (
                PublishedFile(
                    "usps.t.bz2",
                    f"{_HOME}/usps.t.bz2",
                    1_831_726,
                    "a9c0164e797d60142a50604917f0baa604f326e9a689698763793fa5d12ffc4e",
                ),
                2_007,
            ),
        },
    ),
}
