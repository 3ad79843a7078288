"""Logits of two views, which the tests of the losses on pairs share."""

import torch


def pair(n=7, k=4, *, scale=2.0, seed=0, dtype=torch.float64):
    """Random logits of both views, always the same."""
    generator = torch.Generator().manual_seed(seed)
    a, b = scale * torch.randn(2, n, k, generator=generator, dtype=torch.float64)
    return a.to(dtype), b.to(dtype)


def confident(labels, k=4, size=1e4):
    """Logits of predictions that are one-hot after rounding."""
    return size * torch.nn.functional.one_hot(torch.as_tensor(labels), k).double()
