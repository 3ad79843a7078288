"""Learning rates as functions of how much of a run is done."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal, get_args

from paperlib._checks import check_positive

Schedule = Literal["one_cycle", "cosine", "constant"]
_RISE, _FIRST, _LAST = 0.3, 0.04, 4e-6  # of one cycle: share of the rise, and both ends relative to the peak


def learning_rate_factor(schedule: Schedule, progress: float) -> float:
    """What the learning rate is multiplied by when a share ``progress`` of the steps is done.

    - ``"one_cycle"``: half a cosine up from 1/25 over the first 30 %, half a cosine down to nearly zero (Smith and
      Topin 2017, arXiv 1708.07120; the ends are those of torch's ``OneCycleLR``, the momentum is left alone);
    - ``"cosine"``: half a cosine from 1 to 0 (Loshchilov and Hutter 2017, arXiv 1608.03983, without restarts);
    - ``"constant"``: 1.

    Args:
        schedule: which.
        progress: from 0 to 1.

    Raises:
        ValueError: if ``schedule`` is none of the three.
    """
    if schedule == "one_cycle":
        if progress < _RISE:
            return _between(_FIRST, 1.0, progress / _RISE)
        return _between(1.0, _LAST, (progress - _RISE) / (1 - _RISE))
    if schedule == "cosine":
        return _between(1.0, 0.0, progress)
    if schedule == "constant":
        return 1.0
    raise ValueError(f"schedule must be one of {', '.join(map(repr, get_args(Schedule)))}, got {schedule!r}")


def geometric(first: float, last: float, *, until: float = 1.0) -> Callable[[float], float]:
    """A weight from ``first`` to ``last``, both positive, by equal factors, there when a share ``until`` is done.

    Raises:
        ValueError: if one of the three is not positive.
    """
    check_positive(first, "first"), check_positive(last, "last"), check_positive(until, "until")
    return lambda progress: first * (last / first) ** min(1.0, progress / until)


def _between(first: float, last: float, share: float) -> float:
    return last + (first - last) * (1 + math.cos(math.pi * share)) / 2
