"""Virtual adversarial training: predictions should not change under the small step that changes them most."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.func import functional_call

from paperlib._checks import check_matrix, check_positive, check_weight, check_whole
from paperlib.information import kl_divergence_from_logits


def virtual_adversarial_loss(
    model: nn.Module,
    x: Tensor,
    logits: Tensor | None = None,
    *,
    radius: float | Tensor = 1.0,
    xi: float = 10.0,
    n_power_iterations: int = 1,
    generator: torch.Generator | None = None,
) -> Tensor:
    r"""Local distributional smoothness :math:`\frac1n \sum_i KL(\sigma(x_i) \| \sigma(x_i + r_i))`, in nats.

    A scalar to *minimise*, at least zero (up to rounding). The step :math:`r_i` has length :math:`\epsilon_i`, the
    ``radius``, and points to where the divergence grows fastest, by power iteration: from a random unit vector
    :math:`u_i`, :math:`u_i \leftarrow` the gradient of the divergence at the finite step :math:`\xi u_i`, normalised.
    Where that gradient is zero, :math:`u_i` stays. Neither :math:`r_i` nor :math:`\sigma(x_i)` carries a gradient:
    the prediction at the perturbed input is pulled to the one at the input.

    Source: Miyato, Maeda, Koyama and Ishii 2019 (arXiv 1704.03976); as a regulariser of clustering, Hu et al. 2017
    (IMSAT, arXiv 1702.08720) and Ohl et al. (arXiv 2210.06300, the authors' code), whose numbers are the defaults. The
    first :math:`u_i` is normalised Gaussian noise, which prefers no direction; that code draws it from a cube.

    Cost: ``n_power_iterations`` forward and backward passes and one forward pass more; one more without ``logits``.
    These passes leave the model as it was: no gradient is stored in its parameters, and buffers such as the running
    statistics of batch normalisation do not move. Dropout, if on, draws anew in each pass, which adds to the
    divergence.

    Args:
        model: maps ``x`` to logits ``[n, k]``.
        x: inputs, shape ``[n, ...]``, floating-point.
        logits: ``model(x)``, where it is at hand; its gradient is not used.
        radius: :math:`\epsilon`, at least zero, in the unit of ``x``; or one for each sample, shape ``[n]`` (IMSAT: a
            share of the distance to a near neighbour).
        xi: :math:`\xi`, positive.
        n_power_iterations: 0 for the random direction.
        generator: of the random directions, on any device; the global one of the device of ``x`` when None.

    Raises:
        TypeError: if ``x`` or ``logits`` is not a floating-point tensor.
        ValueError: if a shape or a number is out of range.
    """
    _check_inputs(x)
    radius = _check_radius(radius, x)
    check_positive(xi, "xi")
    check_whole(n_power_iterations, "n_power_iterations", 0)
    if logits is None:
        with torch.no_grad():
            logits = _apart(model, x)
    if len(check_matrix(logits, "logits")) != len(x):
        raise ValueError(f"logits must have one row for each of the {len(x)} samples of x, got {len(logits)}")
    clean = logits.detach()

    device = x.device if generator is None else generator.device
    noise = torch.randn(x.shape, generator=generator, dtype=x.dtype, device=device).to(x.device)
    direction = _normalized(noise, otherwise=noise)
    for _ in range(n_power_iterations):
        with torch.enable_grad():
            direction.requires_grad_()
            divergence = kl_divergence_from_logits(clean, _apart(model, x.detach() + xi * direction)).sum()
            (gradient,) = torch.autograd.grad(divergence, direction)
        direction = _normalized(gradient, otherwise=direction.detach())
    return kl_divergence_from_logits(clean, _apart(model, x + radius * direction)).mean()


def _apart(model: nn.Module, x: Tensor) -> Tensor:
    """``model(x)``, with what the pass would write into the model's buffers written into copies."""
    return functional_call(model, {name: buffer.clone() for name, buffer in model.named_buffers()}, (x,))


def _normalized(vectors: Tensor, *, otherwise: Tensor) -> Tensor:
    """Each sample of ``vectors`` divided by its Euclidean length; one of length zero is replaced by ``otherwise``."""
    inner = tuple(range(1, vectors.ndim))
    largest = vectors.abs().amax(inner, keepdim=True)  # taken out first, so that no square underflows
    scaled = vectors / largest
    unit = scaled / torch.linalg.vector_norm(scaled, dim=inner, keepdim=True)
    return torch.where(largest > 0, unit, otherwise)


def _check_inputs(x: Tensor) -> None:
    if not isinstance(x, Tensor) or not x.is_floating_point():
        given = x.dtype if isinstance(x, Tensor) else type(x).__name__
        raise TypeError(f"x must be a floating-point tensor, got {given}; use torch.as_tensor(..).float()")
    if x.ndim < 2 or x.numel() == 0:
        raise ValueError(f"x must have shape [n >= 1, ...] and hold numbers, got {list(x.shape)}")


def _check_radius(radius: float | Tensor, x: Tensor) -> float | Tensor:
    """The radius as a float, or as a tensor ``[n, 1, ...]`` beside ``x``."""
    if not isinstance(radius, Tensor):
        return check_weight(radius, "radius")
    if radius.shape != x.shape[:1]:
        raise ValueError(f"radius must be a number or have shape [{len(x)}], one a sample, got {list(radius.shape)}")
    if not bool(((radius >= 0) & radius.isfinite()).all()):
        low, high = (float(extreme) for extreme in radius.aminmax())
        raise ValueError(f"radius must hold finite numbers >= 0, got numbers from {low:.3g} to {high:.3g}")
    return radius.detach().to(x).reshape(-1, *[1] * (x.ndim - 1))
