"""One check of points for all of ``paperlib.theory``."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_LARGEST = 1e150  # squares of larger numbers overflow


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
