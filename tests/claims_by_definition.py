"""Objectives of the papers as their definitions say, for tests of claims about what the library does not hold yet."""

import itertools

import numpy as np
import torch
from scipy.optimize import linprog
from scipy.special import logsumexp, rel_entr

from paperlib.information import cross_entropy
from paperlib.losses import self_labeling_loss

# Pseudo-labels under reverse cross-entropy and strong fairness, uniform prior (Zhang and Boykov): tensors [n, k]


def em_value(sigma, y, weight):
    return float(cross_entropy(sigma, y).mean() - weight * y.mean(0).log().mean())


def em_step(sigma, y, weight):
    y = sigma + weight / y.shape[1] * y / y.mean(0)
    return y / y.sum(1, keepdim=True)


def descent_step(y, force, rate):
    """A step along ``force``, projected; the simplex is kept a little off its faces, where gradients are infinite."""
    moved = y + rate * force
    ordered = moved.sort(1, descending=True).values
    excess = (ordered.cumsum(1) - 1) / torch.arange(1, y.shape[1] + 1)
    last = (ordered > excess).sum(1, keepdim=True) - 1
    return (moved - excess.gather(1, last)).clamp_min(1e-6)


def collision_value(sigma, y, weight):
    """Collision cross-entropy and strong fairness."""
    return float(-(sigma * y).sum(1).log().mean() - weight * y.mean(0).log().mean()) - weight * np.log(y.shape[1])


def collision_force(sigma, y, weight):
    return sigma / (sigma * y).sum(1, keepdim=True) + weight / y.shape[1] / y.mean(0)


def collision_em_step(sigma, y, weight):
    y = y * collision_force(sigma, y, weight)
    return y / y.sum(1, keepdim=True)


def collision_descent_step(sigma, y, weight, rate):
    return descent_step(y, collision_force(sigma, y, weight), rate)


def pull(logits, targets, divergence):
    """Gradient of one coupling by the logits, a row a sample."""
    free = logits.clone().requires_grad_()
    return torch.autograd.grad(self_labeling_loss(free, targets, divergence=divergence), free)[0] * len(logits)


# Generalised mutual information (Ohl et al.): a cluster is a distribution over the n samples, arrays [n]

F_DIVERGENCES = {
    "kl": lambda p, q: rel_entr(p, q).sum(),
    "tv": lambda p, q: np.abs(p - q).sum() / 2,
    "hellinger": lambda p, q: 1 - np.sqrt(p * q).sum(),
    "chi2": lambda p, q: (p**2 / q).sum() - 1,
}


def mmd(x):
    """Maximum mean discrepancy with the linear kernel of ``x`` ``[n, d]``."""
    return lambda p, q: np.linalg.norm((p - q) @ x)


def wasserstein(x):
    """Least cost of moving p to q, by linear programming."""
    n = len(x)
    cost = np.linalg.norm(x[:, None] - x, axis=2).ravel()
    sums = np.concatenate([np.kron(np.eye(n), np.ones(n)), np.kron(np.ones(n), np.eye(n))])
    return lambda p, q: linprog(cost, A_eq=sums, b_eq=np.concatenate([p, q])).fun


def distances(x):
    return F_DIVERGENCES | {"mmd": mmd(x), "wasserstein": wasserstein(x)}


def one_vs_all(probs, distance):
    """Mean over clusters of the distance of a cluster to all samples; ``probs`` ``[n, k]``."""
    n, shares = len(probs), probs.mean(0)
    return sum(share * distance(probs[:, c] / (n * share), np.full(n, 1 / n)) for c, share in enumerate(shares))


def one_vs_one(probs, distance):
    """Mean over pairs of clusters of their distance."""
    shares = probs.mean(0)
    inside = probs / (len(probs) * shares)
    pairs = itertools.product(range(probs.shape[1]), repeat=2)
    return sum(shares[a] * shares[b] * distance(inside[:, a], inside[:, b]) for a, b in pairs)


# Contrastive loss of cluster predictions (Do et al.): arrays [n, k], one a view

CRITICS = {  # of two predictions, along the last axis
    "log dot": lambda p, q: np.log(np.maximum((p * q).sum(-1), 1e-300)),
    "dot": lambda p, q: (p * q).sum(-1),
    "negative squared distance": lambda p, q: -((p - q) ** 2).sum(-1),
    "negative Jensen-Shannon": lambda p, q: -(rel_entr(p, (p + q) / 2) + rel_entr(q, (p + q) / 2)).sum(-1) / 2,
}
LEAST_OF_BOUNDED = {"dot": 0.0, "negative squared distance": -2.0, "negative Jensen-Shannon": -np.log(2)}


def contrastive_loss(p, q, critic):
    """Both views pooled: each of 2n rows against the other view of its sample, among all 2n - 1 other rows."""
    rows, n = np.concatenate([p, q]), len(p)
    scores = critic(rows[:, None], rows[None])
    np.fill_diagonal(scores, -np.inf)
    return float(np.mean([logsumexp(scores[i]) - scores[i, (i + n) % (2 * n)] for i in range(2 * n)]))
