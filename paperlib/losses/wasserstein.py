r"""Generalised mutual information with the Wasserstein distance: the cost of moving one cluster onto another.

.. math::
    \text{ova} = \sum_c \pi_c\, W(w_c, \tfrac1n), \qquad \text{ovo} = \sum_{ab} \pi_a \pi_b\, W(w_a, w_b),

where :math:`w_c` has the weights :math:`p_{ic} / (n \pi_c)` on the samples. The potentials :math:`f, g` of a transport
give its cost, :math:`\langle f, w_a \rangle + \langle g, w_b \rangle`, and are its gradients; multiplied by the
proportions the weights need no division. Source: Ohl et al., arXiv 2210.06300, and the authors' code.
"""

from __future__ import annotations

import torch
from torch import Tensor

from paperlib.transport import all_pairs, random_pairs, transport_potentials


def wasserstein(
    log_probs: Tensor,
    cost: Tensor,
    *,
    ovo: bool,
    entropic: float | None = None,
    n_pairs: int | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """The objective, in the unit of ``cost``.

    Cost: k transports, or k (k - 1) / 2 (``n_pairs`` where given), each about O(n^3 log n) exactly and O(n^2) an
    iteration with ``entropic``.

    Args:
        log_probs: shape ``[..., n, k]``; no column is minus infinity throughout.
        cost: distances between the samples, shape ``[n, n]`` or ``[..., n, n]``.
        ovo: one-versus-one instead of one-versus-all.
        entropic: see :func:`paperlib.transport.transport_potentials`.
        n_pairs: with ``ovo``, pairs of clusters drawn; their sum is scaled up, so that its mean is the objective.
        generator: draws the pairs.

    Returns:
        Shape ``[...]``.
    """
    if log_probs.ndim > 2:
        costs = cost.expand(*log_probs.shape[:-1], cost.shape[-1])
        options = {"ovo": ovo, "entropic": entropic, "n_pairs": n_pairs, "generator": generator}
        found = [
            wasserstein(one, its_cost, **options)  # type: ignore[arg-type]
            for one, its_cost in zip(log_probs.flatten(0, -3), costs.flatten(0, -3), strict=True)
        ]
        return torch.stack(found).view(log_probs.shape[:-2])
    n, k = log_probs.shape
    weights = log_probs.softmax(0).detach().mT  # [k, n]
    probs = log_probs.exp()
    pi = probs.mean(0)
    if not ovo:
        weights = torch.cat([weights, torch.full_like(weights[:1], 1 / n)])
        pairs = torch.stack([torch.arange(k), torch.full((k,), k)])
        f, g = transport_potentials(weights, pairs, cost, entropic=entropic)
        return (f * probs.mT).sum() / n + (pi * g.mean(1)).sum()
    pairs = all_pairs(k)
    scale = 2.0
    if n_pairs is not None and n_pairs < pairs.shape[1]:
        scale *= pairs.shape[1] / n_pairs
        pairs = random_pairs(k, n_pairs, generator)
    f, g = transport_potentials(weights, pairs, cost, entropic=entropic)
    a, b = pairs.to(probs.device)
    moved = pi[b] * (f * probs.mT[a]).sum(1) + pi[a] * (g * probs.mT[b]).sum(1)
    return scale * moved.sum() / n
