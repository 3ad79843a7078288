"""CIFAR-10, and CIFAR-100 with its 20 coarse classes, from the binary versions of the authors' archives.

A record is one byte for each label, then 32 x 32 bytes of red, of green and of blue, row by row. CIFAR-10 has one label
(0 to 9), CIFAR-100 two: coarse (0 to 19), then fine (0 to 99). The versions for Python are pickles, which can run code:
they are not read.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np
import torch

from paperlib.data.archives import PublishedFile, check_labels, read_members
from paperlib.data.dataset import Dataset

_SHAPE = (3, 32, 32)
_N_PIXELS = 3 * 32 * 32


@dataclass(frozen=True)
class CifarSet:
    """A set in the binary format of CIFAR.

    Attributes:
        archive: the .tar.gz.
        members: the number of records of each member of the archive, split by split.
        n_classes: the number of classes of each label of a record; the first label is the one that counts.
    """

    name: str
    description: str
    source: str
    license: str
    archive: PublishedFile
    members: dict[str, dict[str, int]]
    n_classes: tuple[int, ...]


def load_cifar(images: CifarSet, split: str, root: str | os.PathLike[str] | None = None) -> Dataset:
    """Images ``[n, 3, 32, 32]`` (uint8, RGB) and labels ``[n]`` of one split, or of all.

    Raises:
        FileNotFoundError: if the archive is neither here nor to be had; the message says where to put it.
        ValueError: if it is corrupted, truncated or another one.
        OSError: if the fetched archive cannot be written.
    """
    parts = ("train", "test") if split == "all" else (split,)
    counts = {member: count for part in parts for member, count in images.members[part].items()}
    path = images.archive.find(images.name, root)
    n_labels = len(images.n_classes)
    records = np.empty((sum(counts.values()), n_labels + _N_PIXELS), dtype=np.uint8)
    blocks = np.split(records, np.cumsum(list(counts.values()))[:-1])
    read_members(path, dict(zip(counts, blocks, strict=True)))
    for column, n_classes in enumerate(images.n_classes):
        check_labels(records[:, column], 0, n_classes - 1, path)
    return Dataset(
        x=torch.from_numpy(np.ascontiguousarray(records[:, n_labels:]).reshape(-1, *_SHAPE)),
        y=torch.from_numpy(records[:, 0].astype(np.int64)),
        name=images.name,
        source=images.source,
        license=images.license,
        split=split,
    )


_HOME = "https://www.cs.toronto.edu/~kriz"
_REPORT = "Krizhevsky 2009, Learning Multiple Layers of Features from Tiny Images (technical report, Toronto)"
_LICENSE = "none stated by the authors, who ask that the technical report be cited"

# Lengths and SHA-256: tensorflow/datasets, tensorflow_datasets/url_checksums/cifar10.txt and cifar100.txt.
CIFAR_SETS = {
    "cifar10": CifarSet(
        name="cifar10",
        description="photographs, 50,000 + 10,000 colour images of 32x32 in 10 classes (uint8); fetched, 170 MB",
        source=f"{_REPORT}, {_HOME}/cifar.html",
        license=_LICENSE,
        archive=PublishedFile(
            "cifar-10-binary.tar.gz",
            f"{_HOME}/cifar-10-binary.tar.gz",
            170_052_171,
            "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
        ),
        members={
            "train": {f"cifar-10-batches-bin/data_batch_{i}.bin": 10_000 for i in range(1, 6)},
            "test": {"cifar-10-batches-bin/test_batch.bin": 10_000},
        },
        n_classes=(10,),
    ),
    "cifar100_20": CifarSet(
        name="cifar100_20",
        description="photographs, 50,000 + 10,000 colour images of 32x32 in 20 classes, the coarse ones of CIFAR-100 "
        "(uint8); fetched, 169 MB",
        source=f"{_REPORT}, {_HOME}/cifar.html",
        license=_LICENSE,
        archive=PublishedFile(
            "cifar-100-binary.tar.gz",
            f"{_HOME}/cifar-100-binary.tar.gz",
            168_513_733,
            "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
        ),
        members={"train": {"cifar-100-binary/train.bin": 50_000}, "test": {"cifar-100-binary/test.bin": 10_000}},
        n_classes=(20, 100),
    ),
}
