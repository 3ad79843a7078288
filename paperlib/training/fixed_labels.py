"""Learning from given soft labels, under any of the couplings."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor

from paperlib.losses.self_labeling import Divergence
from paperlib.training.batches import rows_at
from paperlib.training.objectives import shared_label_loss


@dataclass(frozen=True)
class FixedLabels:
    """:func:`paperlib.losses.self_labeling_loss` to labels that do not change; the views of a sample share its label.

    Attributes:
        targets: of all samples, ``[n, k]``, rows of probabilities.
        divergence: the coupling.
    """

    targets: Tensor = field(repr=False, compare=False)
    divergence: Divergence = "cross_entropy"

    def __call__(self, logits: Tensor, index: Tensor | None = None) -> Tensor:
        """The mean coupling for ``logits``, shape ``[b, k]`` or ``[v, b, k]``, in nats."""
        return shared_label_loss(logits, rows_at(self.targets, index).to(logits), self.divergence)
