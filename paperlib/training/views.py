"""Data as a training loop sees them: several views of each sample, made anew for every batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from paperlib.data.augmentations import Augmentation, Draws
from paperlib.training.batches import rows_at


@dataclass(frozen=True, eq=False)
class Views:
    """Samples, and how each of their views is made.

    Attributes:
        x: samples ``[n, ...]``, on any device: floating point, or bytes (uint8), which become 0 to 1 when a batch is
            made. Grey images ``[n, h, w]`` of bytes become ``[n, 1, h, w]``.
        augmentations: of `paperlib.data.augmentations`, one for each view; None for the sample as it is. By default one
            view, as it is.
        neighbors: places ``[n, m]`` of each sample's neighbours in ``x``, or None. With them the first view shows the
            sample and every other one a random neighbour of it (SCAN).

    Raises:
        TypeError: if ``x`` is neither floating point nor bytes.
        ValueError: if there is no sample or no view, or ``neighbors`` is not ``[n, m >= 1]`` whole numbers, or there is
            no second view to show them.
    """

    x: Tensor
    augmentations: Sequence[Augmentation | None] = (None,)
    neighbors: Tensor | None = None

    def __post_init__(self) -> None:
        if not self.x.is_floating_point() and self.x.dtype != torch.uint8:
            raise TypeError(f"x must be floating point or uint8, got {self.x.dtype}; use x.float()")
        if self.x.ndim < 2 or len(self.x) == 0:
            raise ValueError(f"x must have shape [n >= 1, ...], got {list(self.x.shape)}")
        if not self.augmentations:
            raise ValueError("augmentations is empty; give one for each view, None for the sample as it is")
        if self.neighbors is None:
            return
        shape = list(self.neighbors.shape)
        if len(shape) != 2 or shape[0] != len(self.x) or shape[1] == 0 or self.neighbors.dtype != torch.int64:
            raise ValueError(f"neighbors must be int64 [{len(self.x)}, m], got {self.neighbors.dtype} {shape}")
        if len(self.augmentations) == 1:
            raise ValueError("neighbors are shown from the second view on; give two augmentations, or (None, None)")

    def __len__(self) -> int:
        return len(self.x)

    def samples(self, index: Tensor | slice, device: torch.device | str | None = None) -> Tensor:
        """The samples at ``index`` as they are, floating point, on ``device``."""
        x = self.x[index] if isinstance(index, slice) else rows_at(self.x, index)
        x = x.to(device, non_blocking=True)
        if x.dtype == torch.uint8:
            x = x.to(torch.get_default_dtype()) / 255
            if x.ndim == 3:
                x = x.unsqueeze(1)
        return x

    def draw(self, index: Tensor, draws: Draws, device: torch.device | str | None = None) -> Tensor:
        """All views of the samples at ``index`` ``[b]``, shape ``[v, b, ...]``, on ``device``.

        Args:
            index: places in ``x``.
            draws: the random numbers of this batch.
            device: by default that of ``x``.
        """
        own = self.samples(index, device)
        views = []
        for place, augmentation in enumerate(self.augmentations):
            view = own
            if place and self.neighbors is not None:
                chosen = draws.whole(0, self.neighbors.shape[1]).to(self.neighbors.device)
                view = self.samples(rows_at(self.neighbors, index).gather(1, chosen[:, None])[:, 0], device)
            views.append(view if augmentation is None else augmentation.apply(view, draws))
        return torch.stack(views) if len(views) > 1 else views[0].unsqueeze(0)
