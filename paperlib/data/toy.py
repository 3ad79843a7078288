"""Toy problems, most in the plane, where the answer can be seen: float64, made from a seed, nothing to download."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from paperlib.data.dataset import Dataset

_BOX = 10.0  # half the side of the cube that holds the centres of the blobs


def two_strips(
    n_per_strip: int = 20, *, half_gap: float = 1.5, half_length: float = 5.0, shear: float = 0.0
) -> Dataset:
    r"""Two long parallel rows of points, which K-means cuts across and a maximum margin keeps apart.

    The rows are :math:`\{(t - s, -g)\}` and :math:`\{(t + s, g)\}` with :math:`t` on an even grid over
    :math:`[-\ell, \ell]`, half the gap :math:`g`, and the shear :math:`s`. With ``shear=1.5`` the rows are not even a
    fixed point of Lloyd's algorithm.

    Args:
        n_per_strip: points in each row, at least 2.
        half_gap: :math:`g`, positive; also the margin between the rows.
        half_length: :math:`\ell`, positive.
        shear: :math:`s`, by which the upper row moves to the right and the lower one to the left.

    Returns:
        ``x`` ``[2 n_per_strip, 2]``, the lower row (label 0) first, then the upper one (label 1).

    Raises:
        ValueError: if an argument is out of range.
    """
    _check_count("n_per_strip", n_per_strip, 2)
    _check_positive("half_gap", half_gap)
    _check_positive("half_length", half_length)
    if not math.isfinite(shear):
        raise ValueError(f"shear={shear!r} is not finite; give a finite number, 0 for none")
    grid = np.linspace(-half_length, half_length, n_per_strip)
    rows = [np.column_stack((grid + side * shear, np.full(n_per_strip, side * half_gap))) for side in (-1, 1)]
    return _toy("two_strips", np.concatenate(rows), np.repeat((0, 1), n_per_strip))


def gaussian_blobs(
    n_samples: int,
    n_clusters: int,
    *,
    n_features: int = 2,
    spread: float = 1.0,
    seed: int = 0,
    weights: Sequence[float] | None = None,
) -> Dataset:
    """Round Gaussian clusters about centres drawn uniformly from the cube of side 20 about the origin.

    Args:
        n_samples: points in all, at least ``n_clusters``.
        n_clusters: number of clusters, at least 1.
        n_features: dimension, at least 1.
        spread: standard deviation of every cluster along every axis, positive.
        seed: of NumPy's default generator.
        weights: shares of the clusters, positive, summing to one; by default equal. Sizes are ``n_samples`` times the
            shares, rounded such that they add up.

    Returns:
        ``x`` ``[n_samples, n_features]`` in random order; ``y`` says which cluster each point was drawn from.

    Raises:
        ValueError: if an argument is out of range, or a share is too small to give its cluster a point.
    """
    _check_count("n_clusters", n_clusters, 1)
    _check_count("n_samples", n_samples, n_clusters)
    _check_count("n_features", n_features, 1)
    _check_positive("spread", spread)
    labels = np.repeat(np.arange(n_clusters), _cluster_sizes(n_samples, n_clusters, weights))
    generator = np.random.default_rng(seed)
    centres = generator.uniform(-_BOX, _BOX, (n_clusters, n_features))
    y = generator.permutation(labels)
    return _toy("gaussian_blobs", centres[y] + spread * generator.standard_normal((n_samples, n_features)), y)


def two_moons(n_samples: int, *, noise: float = 0.05, seed: int = 0) -> Dataset:
    """Two interleaved half circles of radius one, which no straight line separates.

    Args:
        n_samples: points in all, at least 2; the upper moon gets the odd one.
        noise: standard deviation of the Gaussian noise along both axes, at least 0.
        seed: of NumPy's default generator.

    Returns:
        ``x`` ``[n_samples, 2]``, the upper moon (label 0, about the origin) first, then the lower one (label 1, about
        (1, 0.5)).

    Raises:
        ValueError: if an argument is out of range.
    """
    _check_count("n_samples", n_samples, 2)
    _check_noise(noise)
    n_lower = n_samples // 2
    upper, lower = (np.linspace(0, np.pi, n) for n in (n_samples - n_lower, n_lower))
    moons = np.concatenate(
        (np.column_stack((np.cos(upper), np.sin(upper))), np.column_stack((1 - np.cos(lower), 0.5 - np.sin(lower))))
    )
    jitter = noise * np.random.default_rng(seed).standard_normal(moons.shape)
    return _toy("two_moons", moons + jitter, np.repeat((0, 1), (len(upper), len(lower))))


def scattered_moons(n_samples: int = 500, *, radius: float = 2.0, noise: float = 0.05, seed: int = 0) -> Dataset:
    r"""Two interleaved half circles with points at random angles, the moons of the GEMINI experiments.

    A point is :math:`\rho\, (\cos \varphi, \pm\sin \varphi) + (\pm\rho/2, \mp\rho/4)` plus Gaussian noise, with an
    angle :math:`\varphi` that is uniform on :math:`(0, \pi)` and the upper signs for label 1, which is as likely as
    label 0. The points of :func:`two_moons` lie on circles of radius one, evenly.

    Source: Ohl et al., arXiv 2210.06300, the experiment on moons. The draws are those of the authors' code, made by
    NumPy's legacy generator: a seed gives their numbers.

    Args:
        n_samples: points in all, at least 1.
        radius: :math:`\rho`, positive.
        noise: standard deviation of the Gaussian noise along both axes, at least 0.
        seed: of NumPy's ``RandomState``.

    Returns:
        ``x`` ``[n_samples, 2]`` in random order; ``y`` is 1 on the upper moon (about (1, -0.5) at radius 2), 0 on the
        lower one (about (-1, 0.5)).

    Raises:
        ValueError: if an argument is out of range.
    """
    _check_count("n_samples", n_samples, 1)
    _check_positive("radius", radius)
    _check_noise(noise)
    random = np.random.RandomState(seed)
    angles = random.uniform(0, np.pi, n_samples)
    y = random.binomial(1, 0.5, n_samples)
    side = 2 * y - 1
    circle = radius * np.column_stack((np.cos(side * angles), np.sin(side * angles)))
    centres = np.column_stack((radius / 2 * side, -radius / 4 * side))
    return _toy("scattered_moons", circle + centres + random.normal(0, noise, (n_samples, 2)), y)


def gaussians_and_student(n_samples: int = 5000, *, df: float = 1.0, separation: float = 5.0, seed: int = 0) -> Dataset:
    r"""Three round Gaussians and a Student-t distribution, whose far points mislead K-means and Gaussian mixtures.

    The centres are :math:`a\, (1, 1)`, :math:`a\, (1, -1)`, :math:`a\, (-1, 1)` for the Gaussians, of unit variance
    along both axes, and :math:`a\, (-1, -1)` for the Student-t; the four have equal chances.

    Source: Ohl et al., arXiv 2210.06300, the experiment on Gaussians and a Student-t. The draws are those of the
    authors' code, made by NumPy's legacy generator: a seed gives their numbers (theirs is 0).

    Args:
        n_samples: points in all, at least 1.
        df: degrees of freedom of the Student-t, positive; with 1 it has no mean, with 2 no variance.
        separation: :math:`a`, half the distance between neighbouring centres, positive.
        seed: of NumPy's ``RandomState``.

    Returns:
        ``x`` ``[n_samples, 2]``, sorted by class: labels 0 to 2 for the Gaussians in the order above, 3 for the
        Student-t. With few samples a class may have none.

    Raises:
        ValueError: if an argument is out of range.
    """
    _check_count("n_samples", n_samples, 1)
    _check_positive("df", df)
    _check_positive("separation", separation)
    random = np.random.RandomState(seed)
    y = np.sort(random.multinomial(1, [0.25] * 4, size=n_samples).argmax(1))
    centres = separation * np.array([[1, 1], [1, -1], [-1, 1], [-1, -1]])
    noise = random.standard_normal((n_samples, 2))  # class after class, as the classes are sorted
    student = y == 3
    noise[student] *= np.sqrt(df / random.chisquare(df, student.sum()))[:, None]
    return _toy("gaussians_and_student", noise + centres[y], y)


def informative_features(
    n_samples: int = 300,
    n_clusters: int = 3,
    *,
    n_informative: int = 5,
    n_noise: int = 20,
    separation: float = 1.7,
    seed: int = 0,
) -> Dataset:
    r"""Round Gaussian clusters in the first features, and noise of variance one in the others.

    The centres lie on the diagonal of the informative features, :math:`\mu` apart along each and about the origin; all
    features have variance one within a cluster. How many noise features a method keeps, and informative ones it misses,
    says how well it selects.

    Source: Celeux, Martin-Magniette, Maugis-Rabusseau and Raftery, Comparing model selection and regularization
    approaches to variable selection in model-based clustering, Journal de la Societe Francaise de Statistique 155
    (2014), section 3.1, whose sizes are the defaults; the first experiment of Sparse GEMINI (Ohl et al., arXiv
    2302.03391).

    Args:
        n_samples: points in all, at least ``n_clusters``.
        n_clusters: number of clusters, at least 1.
        n_informative: features that differ between clusters, at least 1.
        n_noise: features that do not, at least 0.
        separation: :math:`\mu`, positive.
        seed: of NumPy's default generator.

    Returns:
        ``x`` ``[n_samples, n_informative + n_noise]`` in random order; ``y`` says which cluster each point was drawn
        from. The clusters have equal chances, so with few samples one may have none.

    Raises:
        ValueError: if an argument is out of range.
    """
    _check_count("n_clusters", n_clusters, 1)
    _check_count("n_samples", n_samples, n_clusters)
    _check_count("n_informative", n_informative, 1)
    _check_count("n_noise", n_noise, 0)
    _check_positive("separation", separation)
    generator = np.random.default_rng(seed)
    y = generator.integers(n_clusters, size=n_samples)
    x = generator.standard_normal((n_samples, n_informative + n_noise))
    x[:, :n_informative] += separation * (y - (n_clusters - 1) / 2)[:, None]
    return _toy("informative_features", x, y)


def _cluster_sizes(n_samples: int, n_clusters: int, weights: Sequence[float] | None) -> NDArray[np.int64]:
    """Whole numbers that add up to ``n_samples``: shares rounded down, the rest to the largest remainders."""
    shares = np.full(n_clusters, 1 / n_clusters) if weights is None else np.asarray(weights, dtype=np.float64)
    if shares.shape != (n_clusters,) or not (shares > 0).all() or abs(shares.sum() - 1) > 1e-6:
        raise ValueError(f"weights={weights!r} must be {n_clusters} positive numbers that sum to one")
    quotas = n_samples * shares / shares.sum()
    sizes = np.floor(quotas).astype(np.int64)
    sizes[np.argsort(sizes - quotas, kind="stable")[: n_samples - sizes.sum()]] += 1
    if (sizes == 0).any():
        raise ValueError(
            f"weights={weights!r} leave cluster {sizes.argmin()} without a point among n_samples={n_samples}; "
            "raise n_samples, or that weight"
        )
    return sizes


def _toy(name: str, x: NDArray[np.float64], y: NDArray[np.integer]) -> Dataset:
    return Dataset(
        x=torch.from_numpy(x),
        y=torch.from_numpy(y).long(),
        name=name,
        source=f"paperlib.data.{name}",
        license="BSD-3-Clause (paperlib)",
    )


def _check_count(name: str, value: int, minimum: int) -> None:
    if not value >= minimum or value % 1:
        raise ValueError(f"{name}={value!r} must be a whole number >= {minimum}")


def _check_positive(name: str, value: float) -> None:
    if not 0 < value < math.inf:
        raise ValueError(f"{name}={value!r} must be a finite number > 0")


def _check_noise(noise: float) -> None:
    if not 0 <= noise < math.inf:
        raise ValueError(f"noise={noise!r} must be a finite number >= 0")
