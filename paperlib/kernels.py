"""Kernels, their explicit features, and distances: what the objectives that see geometry see.

A kernel with explicit features ``[n, m]`` costs O(n m) wherever it is used; one without is multiplied in chunks
(`GramOperator`), so that no ``n x n`` matrix is ever held. Everything runs where its tensors are, CPU or GPU.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
import torch
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import shortest_path
from torch import Tensor, nn

from paperlib._checks import check_matrix, check_positive, check_whole

KernelName = Literal["linear", "rbf", "laplacian", "polynomial", "cosine"]
MetricName = Literal["euclidean", "sqeuclidean"]
_CHUNK = 2**24  # entries of a Gram matrix that exist at one time


def _check_name(given: str, allowed: tuple[str, ...], what: str) -> None:
    if given not in allowed:
        raise ValueError(f"{what} must be one of {', '.join(map(repr, allowed))}, got {given!r}")


@dataclass(frozen=True)
class Kernel:
    r"""A positive semi-definite kernel between points.

    - ``"linear"``: :math:`x^\top y`; ``"cosine"``: the same of points scaled to unit length;
    - ``"rbf"``: :math:`\exp(-\gamma \|x - y\|^2)`; ``"laplacian"``: :math:`\exp(-\gamma \|x - y\|_1)`;
    - ``"polynomial"``: :math:`(\gamma x^\top y + c)^p`.

    Attributes:
        name: one of the five.
        gamma: positive; when None, one over the number of features times their mean variance, set by `scaled_to`.
        degree: :math:`p`, a whole number of at least one.
        offset: :math:`c`, at least zero.

    Raises:
        ValueError: if an attribute is out of its range.
    """

    name: KernelName = "rbf"
    gamma: float | None = None
    degree: int = 3
    offset: float = 1.0

    def __post_init__(self) -> None:
        _check_name(self.name, get_args(KernelName), "kernel")
        if self.gamma is not None:
            check_positive(self.gamma, "gamma")
        check_whole(self.degree, "degree")
        if not 0 <= self.offset < math.inf:
            raise ValueError(f"offset must be a finite number >= 0, got {self.offset!r}")

    def scaled_to(self, x: Tensor) -> Kernel:
        """The same kernel with its ``gamma`` set by the samples ``[n, d]``, where none was given."""
        if self.gamma is not None or self.name in ("linear", "cosine"):
            return self
        spread = float(x.var(0, correction=0).sum())
        return replace(self, gamma=1 / spread if 0 < spread < math.inf else 1.0)

    def __call__(self, x: Tensor, y: Tensor) -> Tensor:
        """Values between ``[n, d]`` and ``[m, d]``, shape ``[n, m]``. Cost: O(n m d).

        Raises:
            ValueError: if ``gamma`` is needed and was not set.
        """
        if self.name == "cosine":
            x, y = nn.functional.normalize(x, dim=1), nn.functional.normalize(y, dim=1)
        if self.name in ("linear", "cosine"):
            return x @ y.mT
        if self.gamma is None:
            raise ValueError(f"the {self.name} kernel has no gamma yet; give one, or use scaled_to(x)")
        if self.name == "rbf":
            return squared_distances(x, y).mul_(-self.gamma).exp_()
        if self.name == "laplacian":
            return torch.cdist(x, y, p=1).mul_(-self.gamma).exp_()
        return (self.gamma * (x @ y.mT) + self.offset) ** self.degree


class GramOperator:
    """The Gram matrix of a kernel as an operator: products in chunks of rows, the matrix never held.

    Args:
        x: samples, shape ``[n, d]``.
        kernel: called with two sets of samples, ``[m, d]`` and ``[n, d]``; gives ``[m, n]``.
    """

    def __init__(self, x: Tensor, kernel: Kernel) -> None:
        self.x, self.kernel = check_matrix(x, "x"), kernel

    @property
    def shape(self) -> tuple[int, int]:
        """``(n, n)``."""
        return len(self.x), len(self.x)

    @torch.no_grad()
    def __matmul__(self, other: Tensor) -> Tensor:
        """The product with ``[n, m]``. Cost: O(n^2 (d + m)) time, 64 MiB of the matrix at a time in float32."""
        rows = max(1, _CHUNK // len(self.x))
        return torch.cat([self.kernel(chunk, self.x) @ other for chunk in self.x.split(rows)])


class FeatureMap(nn.Module):
    """Explicit features whose dot products are, or approach, a kernel: ``[n, d]`` to ``[n, m]``."""


class _FourierMap(FeatureMap):
    frequencies: Tensor

    def __init__(self, frequencies: Tensor) -> None:
        super().__init__()
        self.register_buffer("frequencies", frequencies)

    def forward(self, x: Tensor) -> Tensor:
        angles = x @ self.frequencies
        return torch.cat([angles.cos(), angles.sin()], dim=1) / math.sqrt(angles.shape[1])


class _NystromMap(FeatureMap):
    landmarks: Tensor
    whitening: Tensor

    def __init__(self, landmarks: Tensor, whitening: Tensor, kernel: Kernel) -> None:
        super().__init__()
        self.register_buffer("landmarks", landmarks)
        self.register_buffer("whitening", whitening)
        self.kernel = kernel

    def forward(self, x: Tensor) -> Tensor:
        return self.kernel(x, self.landmarks) @ self.whitening


@dataclass(frozen=True)
class RandomFourierFeatures:
    r"""Random features :math:`\sqrt{1/m}\,[\cos \Omega x, \sin \Omega x]` of a kernel that depends on :math:`x - y`.

    Unbiased, with an error of about :math:`1/\sqrt m` wherever the samples lie; every point has length one.
    Source: Rahimi and Recht 2007.

    Attributes:
        n_components: :math:`m`; there are twice as many features.
        kernel: ``"rbf"`` or ``"laplacian"``.

    Raises:
        ValueError: if another kernel is asked for, or ``n_components`` is not a whole number of at least one.
    """

    n_components: int = 256
    kernel: Kernel = Kernel("rbf")

    def __post_init__(self) -> None:
        check_whole(self.n_components, "n_components")
        if self.kernel.name not in ("rbf", "laplacian"):
            raise ValueError(f"random Fourier features are for rbf and laplacian, not {self.kernel.name}; use Nystrom")

    def fit(self, x: Tensor, *, generator: torch.Generator | None = None) -> FeatureMap:
        """Draw the frequencies for samples ``[n, d]``, on the CPU and then moved to them."""
        kernel = self.kernel.scaled_to(check_matrix(x, "x"))
        gamma, size = kernel.gamma or 1.0, (x.shape[1], self.n_components)
        if kernel.name == "rbf":
            frequencies = math.sqrt(2 * gamma) * torch.randn(size, generator=generator, dtype=torch.float64)
        else:  # Cauchy, whose characteristic function is that kernel along each axis
            uniform = torch.rand(size, generator=generator, dtype=torch.float64)
            frequencies = gamma * torch.tan(math.pi * (uniform - 0.5))
        return _FourierMap(frequencies.to(x))


@dataclass(frozen=True)
class Nystrom:
    r"""Features :math:`k(x, Z)\, K_{ZZ}^{-1/2}` with landmarks :math:`Z` drawn from the samples, for any kernel.

    Exact between points whose features lie in the span of those of the landmarks: with all samples as landmarks, or
    with a kernel of low rank. Source: Williams and Seeger 2001.

    Attributes:
        n_components: landmarks; at most all samples.
        kernel: any.

    Raises:
        ValueError: if ``n_components`` is not a whole number of at least one.
    """

    n_components: int = 256
    kernel: Kernel = Kernel("rbf")

    def __post_init__(self) -> None:
        check_whole(self.n_components, "n_components")

    def fit(self, x: Tensor, *, generator: torch.Generator | None = None) -> FeatureMap:
        """Draw landmarks from samples ``[n, d]``. Cost: O(m^2 (d + m)), with m landmarks."""
        kernel = self.kernel.scaled_to(check_matrix(x, "x"))
        drawn = torch.randperm(len(x), generator=generator)[: self.n_components]
        landmarks = x[drawn.to(x.device)]
        values, vectors = torch.linalg.eigh(kernel(landmarks, landmarks).double())
        kept = values > values[-1] * len(values) * torch.finfo(x.dtype).eps
        whitening = vectors[:, kept] / values[kept].sqrt()
        return _NystromMap(landmarks, whitening.to(x), kernel)


def squared_distances(x: Tensor, y: Tensor) -> Tensor:
    """Squared Euclidean distances between ``[n, d]`` and ``[m, d]``, shape ``[n, m]``, from one matrix product."""
    shift = y.mean(0)  # nearer to the origin, fewer digits cancel
    x, y = x - shift, y - shift
    squares = x.square().sum(1)[:, None] + y.square().sum(1)
    return squares.sub_(2 * (x @ y.mT)).clamp_min_(0)


def distances(x: Tensor, metric: MetricName = "euclidean") -> Tensor:
    """Distances between all samples ``[n, d]``, shape ``[n, n]``, exactly zero on the diagonal. Cost: O(n^2 d).

    Raises:
        ValueError: if there is no such metric.
    """
    _check_name(metric, get_args(MetricName), "metric")
    found = torch.cdist(check_matrix(x, "x"), x, compute_mode="donot_use_mm_for_euclid_dist")
    return found if metric == "euclidean" else found.square_()


def graph_hops(x: Tensor, *, quantile: float = 0.05) -> Tensor:
    """Hops along the graph that links the nearest pairs: a distance along the shape of the data.

    Pairs closer than the given quantile of all ``n^2`` distances are linked; where there is no way from one sample to
    another, the distance is ``2 n``. Source: Ohl et al., arXiv 2210.06300, authors' code (two moons).
    Cost: O(n^2 d) and n breadth-first searches, on the CPU.

    Args:
        x: samples, shape ``[n, d]``.
        quantile: share of the pairs to link, between 0 and 1.

    Returns:
        Shape ``[n, n]``, like ``x``.

    Raises:
        ValueError: if ``quantile`` is not between 0 and 1.
    """
    if not 0 < quantile < 1:
        raise ValueError(f"quantile must lie between 0 and 1, got {quantile!r}")
    near = distances(x).cpu().numpy()
    hops = shortest_path(csr_matrix(near < np.quantile(near, quantile)), directed=False, unweighted=True)
    hops[np.isinf(hops)] = 2 * len(near)
    return torch.from_numpy(hops).to(x)
