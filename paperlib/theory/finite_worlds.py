"""Worlds of a few symbols in which two views share a cluster and nothing else, and all that is true of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import rel_entr

from paperlib._checks import check_prior, check_probabilities
from paperlib.losses.contrastive import Critic, critic_matrix

Array = NDArray[np.float64]

SIX_SYMBOLS = (
    (0.45, 0.35, 0.15, 0.05, 0.00, 0.00),
    (0.00, 0.00, 0.00, 0.25, 0.50, 0.25),
    (0.05, 0.05, 0.25, 0.50, 0.05, 0.10),
)
"""Emission of the book's example: a cluster at either end of six symbols, and a third one between the two."""


@dataclass(frozen=True, eq=False)
class FiniteWorld:
    r"""Draw a cluster :math:`c` from :math:`\pi`, then two views of it, independently, from :math:`p(x | c)`.

    So :math:`p(x, \tilde x) = \sum_c \pi_c\, p(x | c)\, p(\tilde x | c)`: the views share their cluster and nothing
    else. Everything below is exact, in float64; information is in nats.

    Args:
        prior: :math:`\pi`, shape ``[k]``, positive.
        emission: :math:`p(x | c)`, shape ``[k, m]``: a row a cluster, over m symbols, each of which some cluster emits.

    Raises:
        ValueError: if these are not probabilities, their shapes disagree, or a symbol never occurs.
    """

    prior: Any
    emission: Any

    def __post_init__(self) -> None:
        emission = check_probabilities(torch.as_tensor(self.emission, dtype=torch.float64), "emission")
        never = torch.nonzero(emission.sum(0) == 0).flatten().tolist()
        if never:
            raise ValueError(f"emission has symbols that no cluster emits, columns {never}; leave them out")
        object.__setattr__(self, "prior", check_prior(self.prior, emission.mT).numpy())
        object.__setattr__(self, "emission", emission.numpy())

    @cached_property
    def joint(self) -> Array:
        r"""Probabilities :math:`p(x, \tilde x)` of pairs of symbols, shape ``[m, m]``, symmetric."""
        return np.einsum("c,cx,cy->xy", self.prior, self.emission, self.emission)

    @cached_property
    def marginal(self) -> Array:
        """Probabilities of the symbols, shape ``[m]``, the same for both views."""
        return self.prior @ self.emission

    @cached_property
    def posteriors(self) -> Array:
        r"""Bayes' :math:`p(c | x)`, shape ``[m, k]``; their mean under :attr:`marginal` is the prior."""
        return (self.prior[:, None] * self.emission / self.marginal).T

    @cached_property
    def log_ratio(self) -> Array:
        r"""The oracle critic :math:`\ln \frac{p(x, \tilde x)}{p(x)\, p(\tilde x)}`, from the definition, ``[m, m]``."""
        with np.errstate(divide="ignore"):  # pairs that never occur
            return np.log(self.joint / np.outer(self.marginal, self.marginal))

    @cached_property
    def information(self) -> float:
        r"""Mutual information of the two views, the mean of :attr:`log_ratio`."""
        return float(rel_entr(self.joint, np.outer(self.marginal, self.marginal)).sum())

    def critic(self, name: Critic, prior: Any = None) -> Array:
        """A critic of :func:`~paperlib.losses.probability_contrastive_loss` on the posteriors, shape ``[m, m]``.

        Args:
            name: see there.
            prior: shape ``[k]``, for ``"log_dot_prior"``; the world's own when None.
        """
        log_posteriors = torch.from_numpy(self.posteriors).log()
        if name == "log_dot_prior" and prior is None:
            prior = self.prior
        return critic_matrix(log_posteriors, log_posteriors, name, prior).numpy()

    def sample(self, shape: int | tuple[int, ...], rng: np.random.Generator) -> tuple[NDArray[np.int64], ...]:
        """Pairs of symbols, two arrays of whole numbers of the given shape."""
        m = len(self.marginal)
        return np.divmod(rng.choice(m * m, size=shape, p=self.joint.ravel() / self.joint.sum()), m)
