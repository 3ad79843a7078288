"""The regularised entropy-clustering loss of a linear softmax with two classes, accurate down to losses of 1e-300."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
_TINY = 5e-324  # the smallest positive number


def renyi_of_logit(f: Array, alpha: float = 1.0) -> tuple[Array, Array]:
    r"""Renyi entropy of the distribution :math:`(\sigma(f), \sigma(-f))` and its derivative by :math:`f`, in nats.

    With :math:`t = |f|` it is :math:`[\ln(1 + e^{-\alpha t}) - \alpha \ln(1 + e^{-t})] / (1 - \alpha)`; Shannon's at
    :math:`\alpha = 1` and :math:`\ln(1 + e^{-t})` at infinity. No digit is lost at large :math:`t`, where it decays as
    :math:`\frac{\alpha}{\alpha - 1} e^{-t}`, :math:`t e^{-t}` or :math:`\frac{1}{1 - \alpha} e^{-\alpha t}` for an
    order above, at or below one. Near order one, but not at it, digits cancel as :math:`1 / |1 - \alpha|`.

    Args:
        f: logit differences, any shape.
        alpha: order, from 0 (a constant, :math:`\ln 2`) to infinity.

    Returns:
        Entropy in ``[0, log 2]`` and derivative, each of the shape of ``f``.

    Raises:
        ValueError: if ``alpha`` is negative or not a number.
    """
    if not alpha >= 0:
        raise ValueError(f"alpha={alpha!r} is not an order of Renyi's entropies; give a number >= 0, or infinity")
    t = np.abs(f)
    small = np.exp(-t)
    if alpha == 1:
        return np.log1p(small) + t * small / (1 + small), -f * small / (1 + small) ** 2
    if alpha == math.inf:
        return np.log1p(small), -np.sign(f) * small / (1 + small)
    power = np.exp(-alpha * t)
    value = (np.log1p(power) - alpha * np.log1p(small)) / (1 - alpha)
    slope = alpha * (small / (1 + small) - power / (1 + power)) / (1 - alpha)
    return value, np.sign(f) * slope


def two_class_loss(
    weight: Array, bias: float, x: Array, gamma: float, *, fairness_weight: float = 1.0, alpha: float = 1.0
) -> tuple[float, Array]:
    r"""Regularised loss :math:`\frac1n \sum_i R_\alpha(\sigma_i) + \lambda KL(\bar\sigma \| u) + \gamma \|w\|^2`, nats.

    Here :math:`\sigma_i = (\sigma(f_i), \sigma(-f_i))` with :math:`f_i = w^\top x_i + b`, and :math:`u` is uniform.
    :math:`w` is the difference of the two rows of a softmax's weights, so this :math:`\gamma` is half that of the
    estimators, which charge :math:`\sum_c \|v_c\|^2 = \|w\|^2 / 2`. The bias is free.

    Source: Zhang and Boykov, arXiv 2301.11405, the regularised loss at two classes. Cost: O(n d).

    Args:
        weight: :math:`w`, shape ``[d]``.
        bias: :math:`b`.
        x: points, shape ``[n, d]``.
        gamma: :math:`\gamma`, at least zero.
        fairness_weight: :math:`\lambda`, at least zero.
        alpha: order of the entropy; 1 is Shannon's, and then the loss is that of mutual information.

    Returns:
        The loss, and its gradient by ``(weight, bias)``, shape ``[d + 1]``.
    """
    f = x @ weight + bias
    value, slope = renyi_of_logit(f, alpha)
    small = np.exp(-np.abs(f))
    share = small / (1 + small)  # of the less likely class
    # Mean posteriors of the classes, and their difference: whole numbers first, lest tiny shares be rounded away.
    n, moved, n_first = len(f), np.where(f > 0, share, -share).sum(), np.count_nonzero(f > 0)
    first, second = max((n_first - moved) / n, _TINY), max((n - n_first + moved) / n, _TINY)
    tilt = (2 * n_first - n - 2 * moved) / n
    if abs(tilt) < 0.5:
        half_odds = math.atanh(tilt)
        divergence = tilt * half_odds + 0.5 * math.log1p(-tilt * tilt)
    else:
        half_odds = 0.5 * (math.log(first) - math.log(second))
        divergence = math.log(2) + first * math.log(first) + second * math.log(second)
    slope = slope + 2 * fairness_weight * half_odds * share * (1 - share)
    loss = value.mean() + fairness_weight * divergence + gamma * float(weight @ weight)
    return float(loss), np.append(slope @ x / n + 2 * gamma * weight, slope.mean())
