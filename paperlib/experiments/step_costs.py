"""What training a network costs, from counts: operations and memory of a view, and hours at a stated rate.

Counts are exact for what they count. Hours are estimates: they divide by a rate that somebody measured or assumes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

_BYTES_PER_PARAMETER = 16  # weight, gradient and Adam's two moments in float32


class ViewCost(NamedTuple):
    """What one view of one image costs in training.

    Attributes:
        forward: operations of a prediction, two for a multiplication with addition.
        training: operations of a forward and a backward pass.
        kept_bytes: what the backward pass needs of the forward one, in the type that the network ran in.
        parameters: numbers in the network, once, whatever the views.
    """

    forward: float
    training: float
    kept_bytes: float
    parameters: int


def view_cost(model: nn.Module, shape: tuple[int, ...]) -> ViewCost:
    """Count what one input of a shape costs, on the CPU, with a few random inputs.

    Convolutions and matrix products are counted, by torch; normalisation, activations, augmentation and the objective
    are not: they are few operations, though on a GPU their reading and writing takes its share of the time.

    Args:
        model: from ``[b, *shape]`` to logits, in training mode; its buffers take part in two forward passes.
        shape: of one input.

    Cost: four forward passes of at most four inputs and one backward pass.
    """
    device = next(model.parameters()).device

    def inputs(n: int) -> Tensor:
        return torch.rand(n, *shape, device=device)

    with torch.no_grad(), FlopCounterMode(display=False) as forward:
        model(inputs(2))
    with FlopCounterMode(display=False) as training:
        model(inputs(2)).sum().backward()
    model.zero_grad(set_to_none=True)
    kept = [_kept_bytes(model, inputs(n)) for n in (2, 4)]  # their difference leaves out what all views share
    return ViewCost(
        forward.get_total_flops() / 2,
        training.get_total_flops() / 2,
        (kept[1] - kept[0]) / 2,
        sum(parameter.numel() for parameter in model.parameters()),
    )


def _kept_bytes(model: nn.Module, x: Tensor) -> int:
    kept: dict[int, tuple[int, Any]] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes(), tensor  # the tensor, so that no address is used twice
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        model(x)
    return sum(size for size, _ in kept.values())


@dataclass(frozen=True)
class Accelerator:
    """A GPU as its maker describes it.

    Attributes:
        name: of the GPU.
        peak: operations a second of its tensor units in half precision, dense.
        memory: bytes.
    """

    name: str
    peak: float
    memory: float


# NVIDIA's data sheets: T4 (float16), A100 SXM 40 GB and H100 SXM (bfloat16, without sparsity).
ACCELERATORS = (
    Accelerator("T4", 65e12, 16e9),
    Accelerator("A100 40 GB", 312e12, 40e9),
    Accelerator("H100", 989e12, 80e9),
)


def training_hours(cost: ViewCost, n_views: float, rate: float) -> float:
    r"""Hours that ``n_views`` views take at ``rate`` operations a second, :math:`V F / (3600\, r)`.

    For a GPU the rate is its peak times the share of it that is reached, times the number of GPUs.
    """
    return n_views * cost.training / rate / 3600


def training_bytes(cost: ViewCost, views_at_once: int, *, half: bool = False) -> float:
    r"""Memory of a step, :math:`16 p + V_1 m` for ``p`` parameters under Adam and :math:`V_1` views at a time.

    What libraries take for scratch, and what allocators lose, comes on top.

    Args:
        cost: counted in float32.
        views_at_once: of all images of a batch, or of a micro-batch.
        half: whether the network runs in half precision, so that what is kept is half of what was counted.
    """
    return _BYTES_PER_PARAMETER * cost.parameters + views_at_once * cost.kept_bytes / (2 if half else 1)
