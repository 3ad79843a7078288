"""Sets of images with a split to cluster and a split to judge by."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace

import torch

from paperlib.data import Dataset, load
from paperlib.experiments.fits import labels_of


@dataclass(frozen=True, eq=False)
class ImageSplits:
    """Images to cluster and to judge by, as bytes ``[n, h, w]`` or ``[n, 3, h, w]``; labels for the judge alone."""

    name: str
    train: Dataset
    test: Dataset

    @property
    def n_classes(self) -> int:
        """How many classes there are: the one thing about labels that training is told, as k."""
        return len(labels_of(self.test).unique())


def load_splits(
    name: str = "mnist", *, n_samples: int | None = None, root: str | os.PathLike[str] | None = None
) -> ImageSplits:
    """A set of images by its name, of `paperlib.data`, with both splits; ``digits`` is its own test split.

    Args:
        name: of the set.
        n_samples: train on so many of the first images; None for all.
        root: data root, as for `paperlib.data.load`.
    """
    if name == "digits":
        data = load(name)
        whole = replace(data, x=(data.x * 15.9375).to(torch.uint8).view(-1, 8, 8))
        seen = replace(whole, x=whole.x[:n_samples], y=labels_of(whole)[:n_samples])
        return ImageSplits("digits/all" if n_samples is None else f"digits/all, trained on {len(seen)}", seen, whole)
    splits = [load(name, split=split, root=root) for split in ("train", "test")]
    seen = replace(splits[0], x=splits[0].x[:n_samples], y=labels_of(splits[0])[:n_samples])
    return ImageSplits(f"{name}/test, trained on {len(seen)}", seen, splits[1])


def skewed(task: ImageSplits, ratio: float) -> ImageSplits:
    """The same images with classes of unequal size, both splits alike: the first is ``ratio`` times the last.

    Class c of k keeps the first ``ratio ** (-c / (k - 1))`` of its images; their order stays.

    Args:
        task: with classes 0, ..., k - 1.
        ratio: at least 1.

    Raises:
        ValueError: if the ratio is below 1.
    """
    if not ratio >= 1:
        raise ValueError(f"ratio must be at least 1, got {ratio!r}")
    splits = [_thinned(split, ratio) for split in (task.train, task.test)]
    name = task.name.split(", trained on ")[0]
    return ImageSplits(f"{name}, skewed {ratio:g} to 1, trained on {len(splits[0])}", *splits)


def _thinned(data: Dataset, ratio: float) -> Dataset:
    y = labels_of(data)
    k = int(y.max()) + 1
    kept = [torch.nonzero(y == c).flatten() for c in range(k)]
    kept = [places[: round(len(places) * ratio ** (-c / max(k - 1, 1)))] for c, places in enumerate(kept)]
    order = torch.cat(kept).sort().values
    return replace(data, x=data.x[order], y=y[order])
