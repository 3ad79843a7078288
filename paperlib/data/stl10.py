"""STL-10 from the authors' archive of binary files.

An image is 96 x 96 bytes of red, of green and of blue, each column by column: rows and columns are swapped on reading.
A label is one byte, 1 to 10. The 100,000 unlabelled images are drawn from more kinds of things than the ten classes.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from paperlib.data.archives import PublishedFile, check_labels, read_members
from paperlib.data.dataset import Dataset

UNLABELED = "unlabeled"
_SHAPE = (3, 96, 96)
_N_CLASSES = 10
_BLOCK = 1000  # images that are turned upright at once


@dataclass(frozen=True)
class Stl10Set:
    """A set in the binary format of STL-10.

    Attributes:
        archive: the .tar.gz.
        n_samples: the number of images of each part: train, test and unlabeled.
    """

    name: str
    description: str
    source: str
    license: str
    archive: PublishedFile
    n_samples: dict[str, int]


def load_stl10(images: Stl10Set, split: str, root: str | os.PathLike[str] | None = None) -> Dataset:
    """Images ``[n, 3, 96, 96]`` (uint8, RGB), and labels ``[n]`` but for the split ``"unlabeled"``.

    ``"all"`` is train, then test. The unlabelled part takes 2.8 GB of memory, and no more while it is read.

    Raises:
        FileNotFoundError: if the archive is neither here nor to be had; the message says where to put it.
        ValueError: if it is corrupted, truncated or another one.
        OSError: if the fetched archive cannot be written.
    """
    parts = ("train", "test") if split == "all" else (split,)
    counts = [images.n_samples[part] for part in parts]
    path = images.archive.find(images.name, root)
    x, labels = np.empty((sum(counts), *_SHAPE), dtype=np.uint8), np.empty(sum(counts), dtype=np.uint8)
    ends = np.cumsum(counts)[:-1]
    targets = {f"stl10_binary/{part}_X.bin": block for part, block in zip(parts, np.split(x, ends), strict=True)}
    if split != UNLABELED:
        for part, block in zip(parts, np.split(labels, ends), strict=True):
            targets[f"stl10_binary/{part}_y.bin"] = block
    read_members(path, targets)
    for start in range(0, len(x), _BLOCK):
        block = x[start : start + _BLOCK]
        block[:] = block.swapaxes(2, 3).copy()  # [n, 3, column, row] -> [n, 3, row, column]
    y: Tensor | None = None
    if split != UNLABELED:
        check_labels(labels, 1, _N_CLASSES, path)
        y = torch.from_numpy(labels.astype(np.int64) - 1)
    return Dataset(
        x=torch.from_numpy(x),
        y=y,
        name=images.name,
        source=images.source,
        license=images.license,
        split=split,
    )


# Length and SHA-256: tensorflow/datasets, tensorflow_datasets/url_checksums/stl10.txt.
STL10_SETS = {
    "stl10": Stl10Set(
        name="stl10",
        description="photographs, 5,000 + 8,000 colour images of 96x96 in 10 classes (uint8), and 100,000 without "
        "labels; fetched, 2.6 GB",
        source="Coates, Lee and Ng 2011, An Analysis of Single-Layer Networks in Unsupervised Feature Learning, "
        "https://cs.stanford.edu/~acoates/stl10/",
        license="none stated by the authors, who ask that the paper be cited; the images come from ImageNet",
        archive=PublishedFile(
            "stl10_binary.tar.gz",
            "http://ai.stanford.edu/~acoates/stl10/stl10_binary.tar.gz",
            2_640_397_119,
            "f31fd99273a1acb8609c8db427cebb1de3f71de77758cdc0e22956e1289b9866",
        ),
        n_samples={"train": 5_000, "test": 8_000, UNLABELED: 100_000},
    ),
}
