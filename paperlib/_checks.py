"""Checks that several rooms share; each error says what was given and what to do."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_LARGEST = 1e150  # squares of larger numbers overflow


def check_matrix(value: Tensor, name: str) -> Tensor:
    """Return ``value`` if it is a non-empty floating-point matrix with rows of at least one entry.

    Raises:
        TypeError: if it is no tensor, or not of a floating-point type.
        ValueError: if its shape is not ``[n >= 1, k >= 1]``.
    """
    if not isinstance(value, Tensor):
        raise TypeError(f"{name} must be a torch tensor, got {type(value).__name__}; use torch.as_tensor")
    if not value.is_floating_point():
        raise TypeError(f"{name} must hold floating-point numbers, got {value.dtype}; use {name}.float()")
    if value.ndim != 2 or value.shape[0] < 1 or value.shape[1] < 1:
        raise ValueError(f"{name} must have shape [n >= 1, k >= 1], got {list(value.shape)}")
    return value


def check_pair(first: Tensor, second: Tensor, first_name: str, second_name: str) -> None:
    """Check two matrices as `check_matrix` does, and that they have one shape.

    Raises:
        TypeError: if either is no tensor, or not of a floating-point type.
        ValueError: if a shape is not ``[n >= 1, k >= 1]``, or they differ.
    """
    check_matrix(first, first_name)
    check_matrix(second, second_name)
    if first.shape != second.shape:
        shapes = f"{list(first.shape)} and {list(second.shape)}"
        raise ValueError(f"{first_name} and {second_name} must have one shape, got {shapes}")


def check_weight(value: float, name: str) -> float:
    """Return ``value`` as a float if it is a finite number, at least zero.

    Raises:
        ValueError: otherwise.
    """
    if not isinstance(value, Real) or not 0 <= value < float("inf"):
        raise ValueError(f"{name} must be a finite number >= 0, got {value!r}")
    return float(value)


def check_positive(value: float, name: str) -> float:
    """Return ``value`` as a float if it is a finite number above zero.

    Raises:
        ValueError: otherwise.
    """
    if not isinstance(value, Real) or not 0 < value < float("inf"):
        raise ValueError(f"{name} must be a finite number > 0, got {value!r}")
    return float(value)


def check_choice(value: str, name: str, allowed: Sequence[str]) -> str:
    """Return ``value`` if it is one of ``allowed``.

    Raises:
        ValueError: otherwise.
    """
    if value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(allowed)}, got {value!r}")
    return value


def check_whole(value: int, name: str, least: int = 1) -> int:
    """Return ``value`` if it is a whole number (no bool) of at least ``least``.

    Raises:
        ValueError: otherwise.
    """
    if not isinstance(value, Integral) or isinstance(value, bool) or value < least:
        raise ValueError(f"{name} must be a whole number of at least {least}, got {value!r}")
    return int(value)


def check_enough_samples(n_samples: int, n_clusters: int) -> None:
    """Refuse fewer samples than clusters.

    Raises:
        ValueError: if there are.
    """
    if n_samples < n_clusters:
        raise ValueError(
            f"n_samples={n_samples} is fewer than n_clusters={n_clusters}; give more samples or fewer clusters"
        )


def check_probabilities(probs: Tensor, name: str) -> Tensor:
    """Return ``probs`` if it is an ``[n, k]`` matrix of rows that are probabilities.

    Raises:
        TypeError: if it is not a floating-point tensor.
        ValueError: if an entry is negative or not a number, or a row does not sum to one.
    """
    check_matrix(probs, name)
    off = (probs.sum(1) - 1).abs().max()
    allowed = 1e-3 if torch.finfo(probs.dtype).eps > 1e-10 else 1e-6
    if not (bool(off <= allowed) and bool(probs.min() >= 0)):  # NaN fails either comparison
        raise ValueError(
            f"{name} must have rows of probabilities; the smallest entry is {float(probs.min()):.3g} and a row sum is "
            f"off by {float(off):.3g}; use softmax(logits)"
        )
    return probs


def check_start(start: Tensor | None, probs: Tensor) -> Tensor | None:
    """Return the targets to start from, without their gradient, if they fit the predictions; None when there are none.

    Raises:
        TypeError: if ``start`` is not a floating-point tensor.
        ValueError: if it has another shape than ``probs``, or rows that are not probabilities.
    """
    if start is None:
        return None
    if check_probabilities(start, "start").shape != probs.shape:
        raise ValueError(f"start must have the shape of probs, {list(probs.shape)}, got {list(start.shape)}")
    return start.detach()


def check_prior(prior: Any, like: Tensor) -> Tensor:
    """The prior over the clusters as a ``[k]`` tensor beside ``like`` ``[..., k]``; uniform when ``prior`` is None.

    ``prior`` may be a tensor or anything that ``torch.as_tensor`` takes.

    Raises:
        ValueError: if it has another length, an entry that is not positive, or does not sum to one within 1e-6.
    """
    k = like.shape[-1]
    if prior is None:
        return torch.full((k,), 1.0 / k, dtype=like.dtype, device=like.device)
    try:
        given = torch.as_tensor(prior, dtype=torch.float64)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"prior must be None or {k} numbers, got {prior!r}") from error
    if given.shape != (k,):
        raise ValueError(f"prior must have one entry for each of the {k} clusters, got shape {list(given.shape)}")
    if not bool(torch.all(given > 0)):
        raise ValueError(
            f"prior must be positive in every entry, got {given.tolist()}; drop clusters that are not wanted"
        )
    if abs(float(given.sum()) - 1.0) > 1e-6:
        raise ValueError(f"prior must sum to one, got {float(given.sum()):.8g}; divide it by its sum")
    return (given / given.sum()).to(dtype=like.dtype, device=like.device)


def check_points(x: Any, *, plane: bool = False) -> NDArray[np.float64]:
    """Return ``x`` as a float64 array ``[n >= 1, d >= 1]``; with ``plane=True`` it must be ``[n, 2]``.

    Raises:
        ValueError: if the shape is another one, or an entry is not finite or above 1e150 in size.
    """
    points = np.asarray(x, dtype=np.float64)
    if points.ndim != 2 or 0 in points.shape:
        raise ValueError(f"x must have shape [n >= 1, d >= 1], got {list(points.shape)}")
    if plane and points.shape[1] != 2:
        raise ValueError(
            f"x must have shape [n, 2], got {list(points.shape)}: splits by a line can be enumerated only in the plane;"
            " project onto two coordinates first"
        )
    if not np.abs(points).max() <= _LARGEST:  # the form that is False for NaN
        raise ValueError("x must hold finite numbers of size at most 1e150; drop rows with NaN, or rescale")
    return points
