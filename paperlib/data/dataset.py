"""What every loader and every toy problem returns."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

SPLITS = ("train", "test", "all")


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """Samples and, where there are any, their labels.

    Attributes:
        x: features ``[n, d]`` (float32; toy problems float64), or images as uint8, 0 to 255: grey ones ``[n, h, w]``,
            colour ones ``[n, 3, h, w]`` in the order red, green, blue.
        y: labels ``[n]`` (int64, counted from 0), or None. For evaluation only: no method here trains on them.
        name: what it was asked for by.
        source: who made the data, and where they live.
        license: the terms the data come under.
        split: ``"train"``, ``"test"`` or ``"all"``; of STL-10 also ``"unlabeled"``.

    Tensors are on the CPU; ``np.asarray(dataset.x)`` shares their memory.

    Raises:
        ValueError: if ``x`` and ``y`` differ in length, or ``y`` is not an int64 vector.
    """

    x: Tensor
    y: Tensor | None
    name: str
    source: str
    license: str
    split: str = "all"

    def __post_init__(self) -> None:
        if self.y is not None and (self.y.dtype != torch.int64 or self.y.shape != self.x.shape[:1]):
            raise ValueError(
                f"y is {_describe(self.y)} beside x {_describe(self.x)}; an int64 label for each row of x is needed"
            )

    def __len__(self) -> int:
        return len(self.x)

    def __repr__(self) -> str:
        labels = "no labels" if self.y is None else f"y {_describe(self.y)} in {len(self.y.unique())} classes"
        return f"Dataset({self.name!r}, split={self.split!r}: x {_describe(self.x)}, {labels}; {self.license})"


def check_split(split: str, allowed: tuple[str, ...] = SPLITS) -> None:
    """Refuse what is no split.

    Raises:
        ValueError: if ``split`` is not one of those ``allowed``.
    """
    if split not in allowed:
        raise ValueError(f"split={split!r} is no split; choose one of {', '.join(allowed)}")


def _describe(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {list(tensor.shape)}"
