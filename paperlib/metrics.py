"""How well a clustering agrees with known classes; scikit-learn and SciPy do the work.

Labels are integers in arrays or tensors of shape ``[n]``. Two mappings from clusters to classes exist and must not be
compared: one-to-one (:func:`clustering_accuracy`, what papers report) and many-to-one (:func:`many_to_one_accuracy`,
which can only rise with the number of clusters).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score
from sklearn.metrics.cluster import contingency_matrix

__all__ = [
    "adjusted_rand_index",
    "best_assignment",
    "clustering_accuracy",
    "clusters_used",
    "many_to_one_accuracy",
    "normalized_mutual_information",
]


def clustering_accuracy(y_true: Any, y_pred: Any) -> float:
    """Share of samples that agree under the best one-to-one matching of clusters to classes, in ``[0, 1]``.

    The matching is found by the Hungarian algorithm (Kuhn 1955). Where there are more clusters than classes, the
    samples of unmatched clusters count as wrong. Cost: O(n + max(k, c)^3).

    Raises:
        ValueError: if the labels are not two vectors of one length, of whole numbers, with at least one sample.
    """
    y_true, y_pred = _labels(y_true, y_pred)
    counts = contingency_matrix(y_true, y_pred)
    rows, columns = linear_sum_assignment(counts, maximize=True)
    return float(counts[rows, columns].sum() / len(y_true))


def many_to_one_accuracy(y_true: Any, y_pred: Any) -> float:
    """Share of samples that agree when every cluster is given its majority class (purity), in ``[0, 1]``.

    One cluster a sample gives 1.0: do not compare across numbers of clusters, nor with :func:`clustering_accuracy`.

    Raises:
        ValueError: as :func:`clustering_accuracy`.
    """
    y_true, y_pred = _labels(y_true, y_pred)
    return float(contingency_matrix(y_true, y_pred).max(axis=0).sum() / len(y_true))


def normalized_mutual_information(y_true: Any, y_pred: Any) -> float:
    """Mutual information over the arithmetic mean of the two entropies, in ``[0, 1]`` (scikit-learn's convention).

    Two labelings of a single cluster each give 1.0, as in scikit-learn; other libraries say 0.0.
    """
    return float(normalized_mutual_info_score(*_labels(y_true, y_pred)))


def adjusted_rand_index(y_true: Any, y_pred: Any) -> float:
    """Rand index corrected for chance (Hubert and Arabie 1985): at most 1, zero on average for random labels."""
    return float(adjusted_rand_score(*_labels(y_true, y_pred)))


def clusters_used(y_pred: Any) -> int:
    """Number of clusters that hold at least one sample."""
    return len(np.unique(_vector(y_pred, "y_pred")))


def best_assignment(y_true: Any, y_pred: Any) -> dict[int, int]:
    """The one-to-one matching behind :func:`clustering_accuracy`, as ``{cluster: class}``.

    Clusters beyond the number of classes are absent.
    """
    y_true, y_pred = _labels(y_true, y_pred)
    rows, columns = linear_sum_assignment(contingency_matrix(y_true, y_pred), maximize=True)
    classes, clusters = np.unique(y_true), np.unique(y_pred)
    return {int(clusters[column]): int(classes[row]) for row, column in zip(rows, columns, strict=True)}


def _vector(labels: Any, name: str) -> NDArray[np.integer[Any]]:
    values = np.asarray(labels.detach().cpu() if hasattr(labels, "detach") else labels)
    if values.ndim != 1 or len(values) == 0:
        raise ValueError(f"{name} must be a vector with at least one label, got shape {values.shape}")
    if values.dtype.kind not in "iub":
        whole = values.dtype.kind == "f" and bool(np.all((values == np.round(values)) & (abs(values) < 2**53)))
        if not whole:
            raise ValueError(
                f"{name} must hold whole numbers, got {values.dtype}; use np.unique(.., return_inverse=True)"
            )
        values = values.astype(np.int64)
    return values


def _labels(y_true: Any, y_pred: Any) -> tuple[NDArray[np.integer[Any]], NDArray[np.integer[Any]]]:
    first, second = _vector(y_true, "y_true"), _vector(y_pred, "y_pred")
    if len(first) != len(second):
        raise ValueError(f"y_true and y_pred must be of one length, got {len(first)} and {len(second)}")
    return first, second
