"""First parameters of a layer, drawn from a generator of one's own."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


def linear(n_in: int, n_out: int, generator: torch.Generator | None = None) -> nn.Linear:
    """A linear layer as torch makes it, drawn from ``generator``; the global generator moves only when it is None."""
    layer = nn.utils.skip_init(nn.Linear, n_in, n_out)
    draw(layer.weight, layer.bias, generator)
    return layer


def convolution(
    n_in: int,
    n_out: int,
    size: int,
    generator: torch.Generator | None = None,
    *,
    padding: int = 0,
    bias: bool = True,
) -> nn.Conv2d:
    """Likewise, a convolution with square filters."""
    layer = nn.utils.skip_init(nn.Conv2d, n_in, n_out, size, padding=padding, bias=bias)
    draw(layer.weight, layer.bias, generator)
    return layer


@torch.no_grad()
def draw(weight: Tensor, bias: Tensor | None, generator: torch.Generator | None) -> None:
    r"""Fill ``weight`` ``[out, in, ...]``, then ``bias`` ``[out]`` if any, as torch's linear and convolution layers do.

    Both are uniform on :math:`\pm 1 / \sqrt{m}`, with :math:`m` the number of inputs of one output. The calls are
    torch's own, in its order, so that a seed gives the same numbers to the last bit.
    """
    nn.init.kaiming_uniform_(weight, a=math.sqrt(5), generator=generator)
    if bias is not None:
        bound = 1 / math.sqrt(weight[0].numel())
        nn.init.uniform_(bias, -bound, bound, generator=generator)
