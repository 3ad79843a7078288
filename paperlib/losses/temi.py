"""TEMI: the pointwise mutual information of a sample and its neighbour."""

from __future__ import annotations

from numbers import Real

import torch
from torch import Tensor

from paperlib._checks import check_pair, check_prior
from paperlib.losses.f_divergences import log_marginal


def temi_loss(logits: Tensor, neighbor_logits: Tensor, prior: Tensor | None = None, *, beta: float = 0.6) -> Tensor:
    r"""Minus pointwise mutual information, :math:`-\frac1n \sum_i \ln \sum_c (\sigma_{ic} \nu_{ic})^\beta / \pi_c`.

    A scalar to *minimise*, in nats. :math:`\sigma_i` predicts sample i, :math:`\nu_i` a neighbour of it, and
    :math:`\pi` is the share of each cluster. With :math:`\beta = 1` it is minus the mean logarithm of the density ratio
    that a latent cluster with prior :math:`\pi` implies, the critic ``"log_dot_prior"`` of
    :func:`probability_contrastive_loss` at the positive pairs; with equal shares too, SCAN's consistency less
    :math:`\ln k`.

    Source: Adaloglou et al. 2023 (arXiv 2303.17896), whose settings have :math:`\beta = 0.6`. They estimate
    :math:`\pi` over many batches, take the neighbour's prediction from an averaged teacher, and weigh each pair by how
    far the teachers of all heads call it one cluster. Here is the information alone: symmetric, both predictions learn,
    and every pair counts the same.

    - Where predictions agree, a power of one half is indifferent to how sure they are, and smaller ones prefer doubt.
    - With ``prior`` None and a power of one half or more, the value is at least ``-log k``. Above one half only one-hot
      predictions that agree and share the samples equally reach that; at one half any prediction that all share does.
    - With ``prior`` None and a power above one half, one-hot predictions that agree give minus the entropy of the
      shares, so all samples in one cluster give zero; uniform predictions give ``2 * (beta - 1) * log k``.

    The powers are taken on log-probabilities, so they never underflow. A cluster of which no sample is possible adds
    nothing.

    Args:
        logits: unnormalised log-probabilities of the samples, shape ``[n, k]``.
        neighbor_logits: those of one neighbour of each sample, shape ``[n, k]``; swapping the two changes nothing.
        prior: :math:`\pi`, shape ``[k]``; the mean of both predictions, held constant, when None.
        beta: the power, above 0, at most 1.

    Raises:
        TypeError: if either is not a floating-point tensor.
        ValueError: if the shapes differ, ``prior`` is no prior, or the power is out of range.
    """
    check_pair(logits, neighbor_logits, "logits", "neighbor_logits")
    beta = check_beta(beta)
    return information_of(logits, neighbor_logits, None if prior is None else check_prior(prior, logits), beta)


def information_of(logits: Tensor, neighbor_logits: Tensor, prior: Tensor | None, beta: float) -> Tensor:
    """`temi_loss` without its checks: those of a prior wait for a GPU, which an objective must not do at every step."""
    log_probs, neighbors = logits.log_softmax(-1), neighbor_logits.log_softmax(-1)
    if prior is None:
        log_prior = log_marginal(torch.cat((log_probs, neighbors)).detach())
        log_prior = log_prior.masked_fill(log_prior.isneginf(), 0.0)
    else:
        log_prior = prior.log()
    return -torch.logsumexp(beta * (log_probs + neighbors) - log_prior, -1).mean()


def check_beta(beta: float) -> float:
    """Return ``beta`` as a float if it is above 0 and at most 1.

    Raises:
        ValueError: otherwise.
    """
    if not isinstance(beta, Real) or not 0 < beta <= 1:
        raise ValueError(f"beta must be a number with 0 < beta <= 1, got {beta!r}")
    return float(beta)
