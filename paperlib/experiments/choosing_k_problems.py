"""Data whose number of clusters is known, and data without clusters in their place."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import pdist

from paperlib.data import Dataset, gaussian_blobs, gaussians_and_student, load, scattered_moons
from paperlib.experiments.fits import labels_of

Sample = tuple[NDArray[np.float64], NDArray[np.integer]]


@dataclass(frozen=True)
class Problem:
    """Data with a known number of clusters.

    Attributes:
        name: in the rows.
        n_clusters: the true number; of classes, where the data are images.
        numbers: of clusters to ask for, rising, the first of them one.
        draw: from a seed to samples ``[n, d]`` and classes ``[n]``.
    """

    name: str
    n_clusters: int
    numbers: tuple[int, ...]
    draw: Callable[[int], Sample]


def blobs(
    seed: int, *, n_clusters: int, n_features: int, apart: float, ratio: float = 1.0, n_samples: int = 600
) -> Sample:
    """Round blobs, of which the two nearest have centres ``apart`` standard deviations from each other.

    Centres are drawn until those two are a quarter of their cube's side apart, so that the others are not much farther.
    Sizes fall geometrically, the largest ``ratio`` times the smallest.
    """
    make = partial(gaussian_blobs, n_clusters=n_clusters, n_features=n_features)

    def nearest(attempt: int) -> float:
        return float(pdist(make(n_clusters, spread=1e-9, seed=attempt).x.numpy()).min())  # one sample a blob

    drawn = next(attempt for attempt in itertools.count(1000 * seed) if nearest(attempt) >= 5)
    weights = ratio ** -np.linspace(0, 1, n_clusters)
    shares = tuple((weights / weights.sum()).tolist())
    return _sample(make(n_samples, spread=nearest(drawn) / apart, seed=drawn, weights=shares))


def images(seed: int, *, name: str, n_samples: int = 600) -> Sample:
    """A random sample of a data set."""
    data = load(name, split="all" if name == "digits" else "train")
    x, y = _sample(data)
    kept = np.random.default_rng(seed).permutation(len(x))[:n_samples]
    return x[kept], y[kept]


def _gaussian(seed: int, *, n_features: int) -> Sample:
    return _sample(gaussian_blobs(600, 1, n_features=n_features, seed=seed))


def _moons(seed: int) -> Sample:
    return _sample(scattered_moons(600, seed=seed))


def _student(seed: int) -> Sample:
    return _sample(gaussians_and_student(600, df=1, seed=seed))


def _sample(data: Dataset) -> Sample:
    return data.x.flatten(1).double().numpy(), labels_of(data).numpy()


def _blobs(n_clusters: int, n_features: int, kind: str, numbers: tuple[int, ...], **options: Any) -> Problem:
    draw = partial(blobs, n_clusters=n_clusters, n_features=n_features, **options)
    return Problem(f"blobs {n_clusters}, d {n_features}, {kind}", n_clusters, numbers, draw)


_FEW = tuple(range(1, 13))
_MANY = (1, *range(2, 21, 2))
CLEAR, TOUCHING = 6.0, 3.0  # standard deviations
IMAGES = ("digits", "Fashion-MNIST, MobileNetV2")
PROBLEMS = {
    problem.name: problem
    for problem in (
        _blobs(3, 2, "clear", _FEW, apart=CLEAR),
        _blobs(5, 2, "clear", _FEW, apart=CLEAR),
        _blobs(8, 2, "clear", _FEW, apart=CLEAR),
        _blobs(5, 10, "clear", _FEW, apart=CLEAR),
        _blobs(8, 10, "clear", _FEW, apart=CLEAR),
        _blobs(16, 10, "clear", (1, *range(2, 31, 2)), apart=CLEAR),
        _blobs(5, 2, "touching", _FEW, apart=TOUCHING),
        _blobs(5, 10, "touching", _FEW, apart=TOUCHING),
        _blobs(5, 2, "unequal", _FEW, apart=CLEAR, ratio=10),
        Problem("one Gaussian, d 2", 1, _FEW, partial(_gaussian, n_features=2)),
        Problem("one Gaussian, d 10", 1, _FEW, partial(_gaussian, n_features=10)),
        Problem("two moons", 2, _FEW, _moons),
        Problem("Gaussians and Student-t, df 1", 4, _FEW, _student),
        Problem("digits", 10, _MANY, partial(images, name="digits")),
        Problem("Fashion-MNIST, MobileNetV2", 10, _MANY, partial(images, name="fashion_mnist_mobilenet_v2")),
    )
}


def standardise(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Centred, with a total variance of one: objectives in the unit of the data then compare between data sets."""
    centred = x - x.mean(0)
    return centred / np.sqrt(np.square(centred).sum(1).mean())


def without_clusters(x: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    """As many samples, uniform in the box along the principal axes that holds ``x`` (Tibshirani et al. 2001)."""
    mean = x.mean(0)
    axes = np.linalg.svd(x - mean, full_matrices=False)[2]
    along = (x - mean) @ axes.T
    uniform = np.random.default_rng(seed).uniform(along.min(0), along.max(0), along.shape)
    return uniform @ axes + mean
