"""Checks of settings that several augmentations share; each error says what was given and what to do."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real

from paperlib._checks import check_weight

Range = tuple[float, float]


def check_probability(value: float, name: str) -> float:
    """Return ``value`` as a float if it is a number from 0 to 1.

    Raises:
        ValueError: otherwise.
    """
    if not isinstance(value, Real) or not 0 <= value <= 1:
        raise ValueError(f"{name} must be a probability from 0 to 1, got {value!r}")
    return float(value)


def check_range(value: Sequence[float], name: str, least: float = -float("inf")) -> Range:
    """Return ``value`` as ``(low, high)`` if these are two finite numbers with ``least <= low <= high``.

    Raises:
        ValueError: otherwise.
    """
    pair = tuple(value) if isinstance(value, Sequence) else ()
    fits = len(pair) == 2 and all(isinstance(end, Real) and abs(end) < float("inf") for end in pair)
    if not (fits and least <= pair[0] <= pair[1]):
        bound = "" if least == -float("inf") else f", of at least {least:g}"
        raise ValueError(f"{name} must be two finite numbers (low, high), low <= high{bound}, got {value!r}")
    return float(pair[0]), float(pair[1])


def around_zero(value: float | Sequence[float], name: str) -> Range:
    """A range given as ``(low, high)``, or as one number ``d >= 0`` that stands for ``(-d, d)``.

    Raises:
        ValueError: if it is neither.
    """
    if isinstance(value, Sequence):
        return check_range(value, name)
    return -check_weight(value, name), check_weight(value, name)
