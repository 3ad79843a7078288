"""Where the random numbers of one batch come from."""

from __future__ import annotations

import torch
from torch import Tensor

from paperlib._checks import check_whole


class Draws:
    """The random numbers of a batch of ``n`` samples, of which this process holds ``b``: all, or those of ``rows``.

    Every number is drawn for all ``n`` samples, always in the same order, and the local rows are kept. So the ranks of
    a distributed run, each with the same seed and its own rows, see together what one process would see.

    Cost: each rank draws for the whole batch. That is nothing for the few numbers a sample that crops, flips and
    colours need, and ``n / b`` times the work for noise a pixel (`normal` of the shape of the images). Numbers are
    drawn on the device of the generator. One on the CPU with images on a GPU costs one small copy a draw, which does
    not wait for the kernels that are queued; one on the GPU saves the copy. The two give different numbers.

    Args:
        n: samples of the global batch.
        generator: of the numbers; the global one of ``device`` when None.
        rows: the samples of the global batch that this process holds; all of them when None.
        device: where the numbers are wanted, which is where the images are.

    Raises:
        TypeError: if ``rows`` is neither None nor a slice.
        ValueError: if ``n`` is not a whole number of at least one.
    """

    def __init__(
        self,
        n: int,
        generator: torch.Generator | None = None,
        rows: slice | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        self.n = check_whole(n, "n")
        if not (rows is None or isinstance(rows, slice)):
            raise TypeError(f"rows must be None or a slice of the global batch, got {rows!r}; use slice(start, stop)")
        self.generator = generator
        self.rows = slice(None) if rows is None else rows
        self.device = torch.device(device)

    def __len__(self) -> int:
        """The number of local samples, ``b``."""
        return len(range(self.n)[self.rows])

    def uniform(self, low: float = 0.0, high: float = 1.0, *shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
        """Numbers from ``low`` to ``high``, shape ``[b, *shape]``; exactly ``low`` where both are equal."""
        unit = torch.rand((self.n, *shape), generator=self.generator, dtype=dtype, device=self._source)
        return self._local(unit) * (high - low) + low

    def coin(self, probability: float) -> Tensor:
        """True with the given probability, shape ``[b]``; never for 0, always for 1."""
        return self.uniform() < probability

    def normal(self, *shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
        """Standard normal numbers, shape ``[b, *shape]``."""
        return self._local(torch.randn((self.n, *shape), generator=self.generator, dtype=dtype, device=self._source))

    def whole(self, low: int, high: int, *shape: int) -> Tensor:
        """Whole numbers (int64) of at least ``low`` and below ``high``, shape ``[b, *shape]``."""
        return self._local(torch.randint(low, high, (self.n, *shape), generator=self.generator, device=self._source))

    def order(self, m: int) -> Tensor:
        """A random order of ``0 .. m - 1`` for each sample (int64), shape ``[b, m]``."""
        return self.uniform(0.0, 1.0, m).argsort(dim=1)

    @property
    def _source(self) -> torch.device:
        return self.device if self.generator is None else self.generator.device

    def _local(self, drawn: Tensor) -> Tensor:
        return drawn[self.rows].to(self.device, non_blocking=True)
