r"""What a contrast certifies of mutual information, without sampling, by sampling, and as a batch does it.

The bound of a critic :math:`f` with :math:`N` candidates, of which one is the positive :math:`\tilde x` and the others
are drawn independently from :math:`p(\tilde x)`, is

.. math:: B_N(f) = \ln N - E \ln \frac{e^{f(x, \tilde x)} + \sum_{j=2}^N e^{f(x, \tilde x_j)}}{e^{f(x, \tilde x)}},

in nats. :math:`B_N \le \min(I, \ln N)` for every critic, and no critic has a larger one than
:math:`\ln \frac{p(x, \tilde x)}{p(x) p(\tilde x)}`. Source: van den Oord, Li and Vinyals 2018 (arXiv 1807.03748).
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import xlog1py

from paperlib._checks import check_whole
from paperlib.losses.contrastive import Critic, probability_contrastive_loss
from paperlib.theory.finite_worlds import FiniteWorld

Array = NDArray[np.float64]

_STEP = 0.2  # of the trapezoid rule: its error is of order exp(-pi^2 / step)
_REACH = 40.0  # exp(-40) is below the rounding unit
_GONE = 7.0  # so is exp(-exp(7)), by far


class Estimate(NamedTuple):
    """A mean of independent draws, and its standard error."""

    mean: float
    standard_error: float


def information_bound(joint: Any, scores: Any, n_candidates: int) -> float:
    r"""The bound :math:`B_N(f)`, exactly, for any number of candidates.

    An expectation over :math:`N` symbols, but no sum over all of them: with Frullani's
    :math:`\ln z = \int_0^\infty (e^{-t} - e^{-tz}) \frac{dt}{t}` the candidates, being independent, become a power,

    .. math:: E \ln \Big(a + \sum_{j=2}^N w_j\Big) = \int_0^\infty \big(e^{-t} - e^{-ta} (E e^{-tw})^{N-1}\big)
        \frac{dt}{t},

    where :math:`w_j = e^{f(x, \tilde x_j)}`. The trapezoid rule on :math:`\ln t` gives that to about 1e-13. Cost:
    O(m^2 s) for m symbols and scores that differ by up to s nats in a row, whatever N.

    Args:
        joint: :math:`p(x, \tilde x)`, shape ``[m, l]``; the other candidates follow its column sums.
        scores: :math:`f(x, \tilde x)`, shape ``[m, l]``; minus infinity for pairs that the critic rules out. The bound
            is minus infinity if one of these occurs.
        n_candidates: :math:`N`, at least 2.

    Raises:
        ValueError: if the shapes disagree, ``joint`` is not a distribution, a score is infinite or not a number, or
            there are fewer than two candidates.
    """
    joint, scores = _checked(joint, scores)
    n_others = check_whole(n_candidates, "n_candidates", 2) - 1
    x, y = np.nonzero(joint)
    if np.isneginf(scores[x, y]).any():
        return -math.inf
    scores = _below_zero(scores)
    first, last = -_REACH - math.log(n_candidates), math.log(_REACH) - scores[x, y].min()
    log_t = np.arange(first, last + _STEP, _STEP)[:, None, None]
    weighted = np.exp(np.minimum(log_t + scores, _GONE))  # t w; none overflows
    below_one = np.maximum(np.expm1(-weighted) @ joint.sum(0), -1.0)  # E exp(-t w) - 1; joint may sum to 1 + 1e-16
    others = xlog1py(n_others, below_one)
    integrand = np.expm1(-np.exp(np.minimum(log_t[:, 0], _GONE))) - np.expm1(others[:, x] - weighted[:, x, y])
    log_sum = _STEP * integrand.sum(0)
    return float(joint[x, y] @ (scores[x, y] - log_sum)) + math.log(n_candidates)


def sampled_information_bound(
    joint: Any, scores: Any, n_candidates: int, *, n_rows: int = 20_000, seed: int = 0
) -> Estimate:
    r"""The same by simulation: :math:`B_N(f)` from independent rows of a positive and :math:`N - 1` others each.

    Args:
        joint: as for :func:`information_bound`.
        scores: likewise.
        n_candidates: :math:`N`, at least 2.
        n_rows: rows drawn.
        seed: of the draws.

    Raises:
        ValueError: as there.
    """
    joint, scores = _checked(joint, scores)
    n_others = check_whole(n_candidates, "n_candidates", 2) - 1
    rng = np.random.default_rng(seed)
    drawn = rng.choice(joint.size, size=check_whole(n_rows, "n_rows", 2), p=joint.ravel() / joint.sum())
    x, y = np.divmod(drawn, joint.shape[1])
    counts = rng.multinomial(n_others, joint.sum(0) / joint.sum(), size=n_rows)
    scores = _below_zero(scores)
    weights = np.exp(scores)
    total = weights[x, y] + (counts * weights[x]).sum(1)
    return _estimate(math.log(n_candidates) + scores[x, y] - np.log(total))


def batch_information(
    world: FiniteWorld, critic: Critic, n_pairs: int, *, n_batches: int = 400, seed: int = 0
) -> Estimate:
    r"""What the training loss reports: :math:`\ln(2n - 1)` less it, over batches of n pairs of views.

    A different thing from :math:`B_{2n-1}`: both views are pooled, so all candidates of a row have their other view
    beside them but the positive, whose other view is the row itself. Candidates are not independent, and the mean of
    this estimate may lie above the information.

    Args:
        world: where pairs are drawn from; the predictions are its posteriors.
        critic: see :func:`~paperlib.losses.probability_contrastive_loss`; ``"log_dot_prior"`` is given the world's
            prior.
        n_pairs: n, at least 2.
        n_batches: batches drawn.
        seed: of the draws.
    """
    logits = torch.from_numpy(world.posteriors).log()
    prior = torch.from_numpy(world.prior) if critic == "log_dot_prior" else None
    draws = world.sample((check_whole(n_batches, "n_batches", 2), n_pairs), np.random.default_rng(seed))
    losses = [
        float(
            probability_contrastive_loss(
                logits[torch.from_numpy(x)], logits[torch.from_numpy(y)], critic=critic, prior=prior
            )
        )
        for x, y in zip(*draws, strict=True)
    ]
    return _estimate(math.log(2 * n_pairs - 1) - np.array(losses))


def _checked(joint: Any, scores: Any) -> tuple[Array, Array]:
    joint, scores = np.asarray(joint, dtype=np.float64), np.asarray(scores, dtype=np.float64)
    if joint.ndim != 2 or joint.shape != scores.shape:
        raise ValueError(
            f"joint and scores must be matrices of one shape, a row a symbol of the first view; got "
            f"{list(joint.shape)} and {list(scores.shape)}"
        )
    if not (joint.min() >= 0 and abs(joint.sum() - 1) < 1e-6):
        raise ValueError(
            f"joint must hold probabilities that sum to one; its smallest entry is {joint.min():.3g} and its sum "
            f"{joint.sum():.8g}"
        )
    if not (scores < math.inf).all():  # NaN fails, too
        raise ValueError("scores must be numbers, or minus infinity for pairs that are ruled out; got NaN or infinity")
    return joint, scores


def _below_zero(scores: Array) -> Array:
    """Scores less the largest of their row, which no bound feels; rows without any stay."""
    largest = scores.max(1, keepdims=True)
    return scores - np.where(np.isneginf(largest), 0.0, largest)


def _estimate(values: Array) -> Estimate:
    return Estimate(float(values.mean()), float(values.std(ddof=1) / math.sqrt(len(values))))
