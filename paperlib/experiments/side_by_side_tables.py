"""What is read from the rows of every method side by side: the agreement of methods, and runs that began at pixels."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import squareform

from paperlib.experiments.results import Row, read_rows
from paperlib.experiments.side_by_side import AGREEMENT, TABLE, agreement_with

CLASSES = "classes"
# The tables of each file with the runs whose network sees images; of the GEMINI rows, LeNet-5 with ten clusters.
FROM_PIXELS: dict[str, tuple[str, ...]] = {
    "deep_self_labeling.csv": ("pixels", "autoencoder", "end to end", "other methods"),
    "gemini_images.csv": ("MNIST",),
    "contrastive.csv": ("contrastive", "two stages"),
}


def agreement_matrix(rows: Iterable[Row], dataset: str, methods: Sequence[str]) -> NDArray[np.float64]:
    """Mean adjusted Rand index of each pair of methods at different seeds, and with the classes in the last place.

    Args:
        rows: of `paperlib.experiments.side_by_side`.
        dataset: column of the rows.
        methods: names, m of them, each measured with all others.

    Returns:
        A symmetric matrix ``[m + 1, m + 1]``; on its diagonal a method meets itself at another seed.

    Raises:
        ValueError: if a pair has no row.
    """
    found: dict[tuple[str, str], list[float]] = {}
    for row in rows:
        if row.dataset == dataset:
            if row.table == AGREEMENT:
                pair = row.method, row.metric.removeprefix(agreement_with(""))
                found.setdefault(pair, []).append(row.value)
            elif row.table == TABLE and row.metric == "ari":
                found.setdefault((row.method, CLASSES), []).append(row.value)
    found[CLASSES, CLASSES] = [1.0]
    names = [*methods, CLASSES]
    matrix = np.empty((len(names), len(names)))
    for i, one in enumerate(names):
        for j, other in enumerate(names[: i + 1]):
            values = found.get((one, other)) or found.get((other, one))
            if values is None:
                raise ValueError(
                    f"no row of {dataset} has the agreement of {one!r} with {other!r}; measure both in one run"
                )
            matrix[i, j] = matrix[j, i] = np.mean(values)
    return matrix


def shares(agreement: NDArray[np.float64]) -> NDArray[np.float64]:
    """Agreement ``[m, m]`` over the geometric mean of what the two methods have with themselves, on the diagonal.

    One for one and the same method, however widely its seeds scatter; less for two, but for chance. The diagonal must
    be positive.
    """
    own = np.sqrt(np.diag(agreement))
    return agreement / np.outer(own, own)


def similar_together(similarity: NDArray[np.float64]) -> list[int]:
    """An order that puts like beside like: the leaves of average linkage by one minus ``similarity``, ``[m, m]``."""
    distances = np.clip(1 - similarity, 0, None)
    np.fill_diagonal(distances, 0)
    return [int(leaf) for leaf in leaves_list(linkage(squareform(distances), "average", optimal_ordering=True))]


def from_pixels(folder: str | os.PathLike[str], metric: str = "accuracy") -> list[Row]:
    """The laptop's rows of ``metric`` for runs that began at pixels, from the files in ``folder`` that are there."""
    rows: list[Row] = []
    for name, tables in FROM_PIXELS.items():
        path = Path(folder) / name
        for row in read_rows(path) if path.exists() else []:
            wanted = row.table in tables and row.metric == metric and row.size == "laptop"
            if wanted and (row.table != "MNIST" or "lenet5, K=10," in row.method):
                rows.append(row)
    return rows
