"""Contrast across two views: of features, and of cluster predictions with the critic ``log p.q`` and its rivals."""

from __future__ import annotations

import math
from collections.abc import Callable
from numbers import Real
from typing import Literal, get_args

import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.checkpoint import checkpoint as recomputed

from paperlib._checks import check_choice, check_matrix, check_pair, check_positive, check_prior, check_whole
from paperlib.information import entropy
from paperlib.losses.f_divergences import log_marginal

Critic = Literal["log_dot", "log_dot_prior", "dot", "negative_l2", "negative_js"]
CRITICS: tuple[Critic, ...] = get_args(Critic)

_WHOLE = 2**20  # entries of a matrix of candidates up to which it is made, and kept, at once where chunk_size is None
_CHUNK = 2**22  # of what is made at a time where it is larger


def probability_contrastive_loss(
    logits_a: Tensor,
    logits_b: Tensor,
    *,
    critic: Critic = "log_dot",
    smoothing: float = 0.0,
    prior: Tensor | None = None,
    chunk_size: int | None = None,
) -> Tensor:
    r"""InfoNCE on cluster predictions: each must know its other view among all predictions of the batch.

    The mean over rows of :math:`-\ln [e^{f(p_i, p_{i+})} / \sum_{j \ne i} e^{f(p_i, p_j)}]`, a scalar to *minimise*, in
    nats. The predictions of both views are pooled into :math:`p_1, \dots, p_{2n}`, so a row has :math:`2n - 1`
    candidates, of which one, its other view :math:`p_{i+}`, is the positive. Then :math:`\ln(2n - 1)` less the loss
    estimates how much the two views tell about each other. It is no bound: candidates come in pairs, and the mean of
    the estimate may lie above the information (`paperlib.theory.batch_information`).

    Source: Do, Tran and Venkatesh 2021 (CRLC, arXiv 2107.11635), whose critic is ``"log_dot"``, without a temperature;
    the other three and the pooling as in the authors' code. ``"log_dot_prior"`` is ours: where cluster :math:`c`, with
    prior :math:`\pi_c`, explains all that two views share, the logarithm of their density ratio is
    :math:`\ln \sum_c p_c q_c / \pi_c`, which is the best critic where candidates are independent.

    - ``"log_dot"``: :math:`f = \ln \sum_c p_c q_c`, the logarithm of the probability that both views get one cluster.
    - ``"log_dot_prior"``: :math:`f = \ln \sum_c p_c q_c / \pi_c`. Equal to ``"log_dot"`` where :math:`\pi` is uniform,
      and also, row by row, wherever :math:`p_i` is one-hot, since its :math:`\pi_c` then divides every candidate.
    - ``"dot"``: :math:`\sum_c p_c q_c`; ``"negative_l2"``: :math:`-\sum_c (p_c - q_c)^2`; ``"negative_js"``: minus the
      Jensen-Shannon divergence, in nats. Their ranges are bounded, and so is how much better than the others they can
      call the positive.

    One-hot predictions that agree, and use the clusters equally, give with the first two :math:`\ln(2n / k - 1)`,
    where :math:`k < n`.

    Cost: O(n k) time and memory for the first two critics: their exponentials are linear in the candidate, so all of a
    row's candidates are one sum, computed stably on log-probabilities. O(n^2 k) time for the others, whose matrix of
    candidates is made chunk by chunk, and again in the backward pass.

    Args:
        logits_a: unnormalised log-probabilities of one view, shape ``[n, k]``.
        logits_b: those of the other view of the same samples, shape ``[n, k]``; swapping the views changes nothing.
        critic: the :math:`f` above.
        smoothing: from 0 to below 1: predictions become :math:`(1 - \gamma) p + \gamma / k`. The authors take 0.01.
        prior: :math:`\pi`, shape ``[k]``, for ``"log_dot_prior"``; the mean of the (smoothed) predictions of both
            views, held constant, when None.
        chunk_size: rows at a time; None for all where that is at most 2^20 numbers, else for about 2^22 numbers, of
            which a few such tensors are held. No part in the first two critics.

    Raises:
        TypeError: if either is not a floating-point tensor.
        ValueError: if the shapes differ, there is a single sample, a setting is out of its range, or ``prior`` is given
            for another critic or is no prior.
    """
    check_pair(logits_a, logits_b, "logits_a", "logits_b")
    check_choice(critic, "critic", CRITICS)
    check_smoothing(smoothing)
    if prior is not None:
        if critic != "log_dot_prior":
            raise ValueError(f"prior is for critic='log_dot_prior' alone, got critic={critic!r}; leave it out")
        prior = check_prior(prior, logits_a)
    _check_contrast(logits_a, chunk_size)
    log_probs = torch.cat((logits_a, logits_b)).log_softmax(1)
    return contrast_of(smoothed(log_probs, smoothing), critic, prior, chunk_size)


def feature_contrastive_loss(
    features_a: Tensor, features_b: Tensor, *, temperature: float = 0.1, chunk_size: int | None = None
) -> Tensor:
    r"""InfoNCE on directions of features: each must know its other view among all features of the batch.

    The mean over rows of :math:`-\ln [e^{z_i^\top z_{i+} / \tau} / \sum_{j \ne i} e^{z_i^\top z_j / \tau}]`, a scalar
    to *minimise*, in nats. The features of both views are pooled and scaled to length one; a row has :math:`2n - 1`
    candidates, of which one, its other view, is the positive. A row of zeros has no direction: its cosines are zero.

    Source: the NT-Xent loss of SimCLR (Chen et al. 2020, arXiv 2002.05709), as CRLC takes it (Do, Tran and Venkatesh
    2021, arXiv 2107.11635) with its default temperature.

    Cost: O(n^2 d) time; memory for one chunk of the matrix of candidates, which is made again in the backward pass
    where there are several.

    Args:
        features_a: of one view, shape ``[n, d]``.
        features_b: of the other view of the same samples, shape ``[n, d]``; swapping the views changes nothing.
        temperature: the :math:`\tau` above, positive.
        chunk_size: rows of that matrix at a time; None for all where it has at most 2^20 entries, else for about 2^22,
            of which a few such tensors are held.

    Raises:
        TypeError: if either is not a floating-point tensor.
        ValueError: if the shapes differ, there is a single sample, or a setting is out of its range.
    """
    check_pair(features_a, features_b, "features_a", "features_b")
    temperature = check_positive(temperature, "temperature")
    _check_contrast(features_a, chunk_size)
    directions = _directions(torch.cat((features_a, features_b)))
    return _info_nce(directions, lambda rows, all_rows: rows @ all_rows.mT / temperature, 1, chunk_size)


def logit_bound_loss(logits: Tensor, *, bound: float = 25.0) -> Tensor:
    r"""A soft bound on the size of logits, the mean over samples of :math:`\frac12 \sum_c (|\ell_c| - b)_+^2`.

    A scalar to *minimise*, at least zero, and zero where all logits are within the bound. Confident predictions gain
    ever less from larger logits, but nothing else holds these back.

    Source: the authors' code of CRLC (arXiv 2107.11635), with a weight of 0.01.

    Args:
        logits: shape ``[n, k]``.
        bound: the :math:`b` above, positive.

    Raises:
        TypeError: if ``logits`` is not a floating-point tensor.
        ValueError: if its shape is not ``[n >= 1, k >= 1]``, or the bound is out of range.
    """
    check_matrix(logits, "logits")
    return (logits.abs() - check_positive(bound, "bound")).relu().square().sum(1).mean() / 2


def critic_matrix(log_probs: Tensor, others: Tensor, critic: Critic, prior: Tensor | None = None) -> Tensor:
    """A critic of every pair of predictions, shape ``[n, m]``.

    Cost: O(n m k) time; memory O(n m k) for the first two critics and ``"negative_js"``, O(n m) for the others.

    Args:
        log_probs: log-probabilities, shape ``[n, k]``.
        others: log-probabilities, shape ``[m, k]``.
        critic: see `probability_contrastive_loss`.
        prior: shape ``[k]``, needed by ``"log_dot_prior"``; no part in the others.

    Raises:
        TypeError: if either is not a floating-point tensor.
        ValueError: if the critic is unknown, the numbers of clusters differ, or ``prior`` is needed and missing or no
            prior.
    """
    check_choice(critic, "critic", CRITICS)
    if check_matrix(log_probs, "log_probs").shape[1] != check_matrix(others, "others").shape[1]:
        shapes = f"{list(log_probs.shape)} and {list(others.shape)}"
        raise ValueError(f"log_probs and others must have the same clusters, got {shapes}")
    if critic != "log_dot_prior":
        return _critic_matrix(log_probs, others, critic)
    if prior is None:
        raise ValueError("critic='log_dot_prior' needs prior, the share of each cluster; got None")
    return _critic_matrix(log_probs, others, critic, check_prior(prior, log_probs))


def _critic_matrix(log_probs: Tensor, others: Tensor, critic: Critic, prior: Tensor | None = None) -> Tensor:
    if critic in ("log_dot", "log_dot_prior"):
        weighted = log_probs if prior is None else log_probs - prior.log()
        return torch.logsumexp(weighted[:, None] + others, -1)
    p, q = log_probs.exp(), others.exp()
    if critic == "dot":
        return p @ q.mT
    if critic == "negative_l2":
        return 2 * p @ q.mT - p.square().sum(1)[:, None] - q.square().sum(1)
    middle = entropy((p[:, None] + q) / 2)
    return (entropy(p)[:, None] + entropy(q)) / 2 - middle


def contrast_of(
    log_probs: Tensor, critic: Critic, prior: Tensor | None = None, chunk_size: int | None = None
) -> Tensor:
    """`probability_contrastive_loss` of pooled log-probabilities ``[2n, k]``, without its checks.

    Those of a prior wait for a GPU, which an objective must not do at every step.
    """
    if critic not in ("log_dot", "log_dot_prior"):
        depth = log_probs.shape[1] if critic == "negative_js" else 1
        return _info_nce(log_probs, lambda rows, all_rows: _critic_matrix(rows, all_rows, critic), depth, chunk_size)
    log_probs = log_probs.clamp_min(torch.finfo(log_probs.dtype).min / 8)  # for -inf, whose differences are no numbers
    weighted = log_probs
    if critic == "log_dot_prior":
        weighted = log_probs - (log_marginal(log_probs.detach()) if prior is None else prior.log())
    positive = torch.logsumexp(weighted + log_probs.roll(len(log_probs) // 2, 0), 1)
    candidates = torch.logsumexp(weighted + _log_sum_of_others(log_probs), 1)
    return (candidates - positive).mean()


def smoothed(log_probs: Tensor, smoothing: float) -> Tensor:
    r"""Log-probabilities of :math:`(1 - \gamma) p + \gamma / k`, same shape."""
    if smoothing == 0:
        return log_probs
    floor = log_probs.new_full((), math.log(smoothing / log_probs.shape[-1]))
    return torch.logaddexp(log_probs + math.log1p(-smoothing), floor)


def check_smoothing(smoothing: float) -> float:
    """Return ``smoothing`` if it is a number from 0 to below 1.

    Raises:
        ValueError: otherwise.
    """
    if not isinstance(smoothing, Real) or not 0 <= smoothing < 1:
        raise ValueError(f"smoothing must be a number with 0 <= smoothing < 1, got {smoothing!r}")
    return float(smoothing)


def _directions(features: Tensor) -> Tensor:
    """Rows scaled to length one, whatever their size; rows of zeros stay."""
    largest = features.detach().abs().amax(1, keepdim=True)
    scaled = features / torch.where(largest > 0, largest, 1)
    length = torch.linalg.vector_norm(scaled, dim=1, keepdim=True)
    return scaled / torch.where(largest > 0, length, 1)


def _log_sum_of_others(log_probs: Tensor) -> Tensor:
    r"""Entry ``[i, c]`` is :math:`\ln \sum_{j \ne i} p_{jc}`, in O(m k).

    The sum less the row's own part loses all digits where that part is nearly the whole. That can happen once a column,
    at its largest entry; there the sum is taken anew without it. Elsewhere the part is at most one half.
    """
    largest = torch.zeros_like(log_probs, dtype=torch.bool).scatter_(0, log_probs.argmax(0, keepdim=True), True)
    total = torch.logsumexp(log_probs, 0)
    without_largest = torch.logsumexp(log_probs.masked_fill(largest, -math.inf), 0)
    part = (log_probs - total).masked_fill(largest, -1.0).clamp_max(-0.5).exp()  # at most -ln 2 but for rounding
    return torch.where(largest, without_largest, total + torch.log1p(-part))


def _info_nce(
    pooled: Tensor, similarity: Callable[[Tensor, Tensor], Tensor], depth: int, chunk_size: int | None
) -> Tensor:
    """The mean over rows of minus the log-softmax of the partner among all other rows, a chunk of rows at a time."""
    m = len(pooled)
    partner = torch.arange(m, device=pooled.device).roll(m // 2)

    def of_chunk(rows: Tensor, all_rows: Tensor, start: int) -> Tensor:
        with torch.autocast(rows.device.type, enabled=False):  # it would round the products to half precision
            found = similarity(rows, all_rows)
        own = torch.arange(start, start + len(rows), device=rows.device)
        found = found.scatter(1, own[:, None], -math.inf)
        return functional.cross_entropy(found, partner[start : start + len(rows)], reduction="sum")

    size = chunk_size or (m if m * m * depth <= _WHOLE else max(1, _CHUNK // (m * depth)))
    if size >= m:
        return of_chunk(pooled, pooled, 0) / m
    sums = [
        recomputed(of_chunk, rows, pooled, at * size, use_reentrant=False) for at, rows in enumerate(pooled.split(size))
    ]
    return torch.stack(sums).sum() / m


def _check_contrast(given: Tensor, chunk_size: int | None) -> None:
    if len(given) < 2:
        raise ValueError("a contrast needs at least two samples, got 1: a single one has no other to differ from")
    if chunk_size is not None:
        check_whole(chunk_size, "chunk_size")
