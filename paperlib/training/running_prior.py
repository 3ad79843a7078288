"""The shares of the clusters over recent batches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from paperlib._checks import check_weight


@dataclass
class RunningPrior:
    r"""An exponential mean of mean predictions, :math:`\pi \leftarrow m \pi + (1 - m) \bar p`, begun at the first.

    A batch says how large the clusters are with an error of its own; the mean over batches is steadier, and lags behind
    a model that changes. What is not finite is not taken in: a step that a gradient scaler skips leaves no trace.

    Attributes:
        momentum: the :math:`m` above, from 0 (the present batch alone) to below 1.
        value: :math:`\pi`, shape ``[..., k]``, positive, without gradient; None before the first batch.

    Raises:
        ValueError: if the momentum is out of its range.
    """

    momentum: float = 0.9
    value: Tensor | None = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self.momentum = check_weight(self.momentum, "momentum")
        if self.momentum >= 1:
            raise ValueError(f"momentum must be below 1, got {self.momentum!r}")

    def update(self, mean: Tensor) -> Tensor:
        r"""Take in a batch's mean prediction :math:`\bar p`, shape ``[..., k]``, and return the new value.

        Raises:
            ValueError: if the batches before had another shape.
        """
        mean = mean.detach().clamp_min(torch.finfo(mean.dtype).tiny)  # a share of zero has no logarithm
        if self.value is None:
            old = torch.full_like(mean, 1 / mean.shape[-1])
            new = mean
        else:
            if self.value.shape != mean.shape:
                raise ValueError(
                    f"the running prior has shape {list(self.value.shape)}, this batch's mean {list(mean.shape)}; "
                    "make a new objective for another model"
                )
            old = self.value.to(mean)
            new = torch.lerp(mean, old, self.momentum)
        self.value = torch.where(new.isfinite(), new, old)
        return self.value

    def of_heads(self, logits: Tensor) -> list[Tensor] | list[None]:
        """The prior of each head of ``logits`` ``[2, b, h, k]``, beside them; None for each before the first batch."""
        n_heads = logits.shape[2]
        return [None] * n_heads if self.value is None else list(self.value.to(logits).unbind())

    def state_dict(self) -> dict[str, Tensor]:
        """The value, for a checkpoint."""
        return {} if self.value is None else {"prior": self.value}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """The converse; of nothing, there is none."""
        self.value = state.get("prior")


class KeepsPrior:
    """An objective with a `RunningPrior` as its ``prior``, and nothing else that a checkpoint has to hold."""

    prior: RunningPrior

    def state_dict(self) -> dict[str, Tensor]:
        """The running prior, for a checkpoint."""
        return self.prior.state_dict()

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """The converse."""
        self.prior.load_state_dict(state)
