"""Checks of tensors that the losses and solvers share; each error says what was given and what to do."""

from __future__ import annotations

from numbers import Real
from typing import Any

import torch
from torch import Tensor


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
