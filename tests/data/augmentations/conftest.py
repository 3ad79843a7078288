"""Random numbers that a test can read, and small batches of images."""

import pytest
import torch

from paperlib.data.augmentations import Draws


class Recorded(Draws):
    """Keeps every uniform and whole number that it gives, in order; ``coins`` are kept as the numbers behind them."""

    def __init__(self, n, seed=0):
        super().__init__(n, torch.Generator().manual_seed(seed))
        self.uniforms, self.wholes, self.orders = [], [], []

    def uniform(self, *bounds, **options):
        self.uniforms.append(super().uniform(*bounds, **options))
        return self.uniforms[-1]

    def whole(self, *bounds):
        self.wholes.append(super().whole(*bounds))
        return self.wholes[-1]

    def order(self, m):
        self.orders.append(super().order(m))
        return self.orders[-1]


@pytest.fixture
def recorded():
    return Recorded


@pytest.fixture
def pictures():
    """Random images in float64, ``pictures(n, c, h, w)``."""

    def make(*shape, seed=1):
        return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)

    return make
