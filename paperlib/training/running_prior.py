"""The shares of the clusters over recent batches."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from paperlib._checks import check_weight


class RunningPrior:
    r"""An exponential mean of mean predictions, :math:`\pi \leftarrow m \pi + (1 - m) \bar p`, begun at the first.

    A batch says how large the clusters are with an error of its own; the mean over batches is steadier, and lags behind
    a model that changes.

    Args:
        momentum: the :math:`m` above, from 0 (the present batch alone) to below 1.

    Attributes:
        value: :math:`\pi`, shape ``[..., k]``, positive, without gradient; None before the first batch.

    Raises:
        ValueError: if the momentum is out of its range.
    """

    def __init__(self, momentum: float = 0.9) -> None:
        self.momentum = check_weight(momentum, "momentum")
        if self.momentum >= 1:
            raise ValueError(f"momentum must be below 1, got {momentum!r}")
        self.value: Tensor | None = None

    def update(self, mean: Tensor) -> Tensor:
        r"""Take in a batch's mean prediction :math:`\bar p`, shape ``[..., k]``, and return the new value."""
        mean = mean.detach().clamp_min(torch.finfo(mean.dtype).tiny)  # a share of zero has no logarithm
        self.value = mean if self.value is None else torch.lerp(mean, self.value.to(mean), self.momentum)
        return self.value

    def state_dict(self) -> dict[str, Tensor]:
        """The value, for a checkpoint."""
        return {} if self.value is None else {"prior": self.value}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """The converse; of nothing, there is none."""
        self.value = state.get("prior")
