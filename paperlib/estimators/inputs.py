"""What the estimators do with samples before anything is fitted."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def shared_tensor(data: NDArray[Any]) -> Tensor:
    """``data`` as a tensor, without a copy where torch can look at it as it is."""
    shareable = data.flags.writeable and min(data.strides) >= 0
    return torch.from_numpy(data if shareable else data.copy())


def total_variance(x: Tensor) -> float:
    """Sum of the variances of all features of ``x`` ``[n, d]``.

    Raises:
        ValueError: if it is too large for the dtype.
    """
    variance = float(x.var(0, correction=0).sum())
    if not np.isfinite(variance):
        kind = str(x.dtype).removeprefix("torch.")
        raise ValueError(f"the variance of X overflows {kind}; divide X by its largest absolute value")
    return variance
