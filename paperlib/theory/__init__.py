r"""What proves or refutes the papers' claims: exact solvers for small problems, and certified bounds.

Where there is a ``gamma`` there are two clusters, and it multiplies :math:`\|w\|^2` with :math:`w` the difference of
the weights of the two logits: it is half the estimators' ``gamma``. Where there is a ``penalty`` there are ``k``
clusters, and it is the estimators' ``gamma``. Points may be arrays or tensors; results are float64 arrays.
"""

from paperlib.soft_kmeans import (
    SoftKMeans,
    final_posteriors,
    soft_assignments,
    soft_kmeans_loss,
    soft_regularized_kmeans,
    weighted_means,
)
from paperlib.theory.certificate import Certificate, certify_counterexample
from paperlib.theory.dichotomies import linear_dichotomies
from paperlib.theory.enclosure import Enclosure, certified_minimum
from paperlib.theory.equivalence import (
    SoftKMeansIdentity,
    normalizer_free_loss,
    normalizer_free_softmax,
    soft_kmeans_identity,
)
from paperlib.theory.equivalence_algebra import derive_equivalence
from paperlib.theory.finite_worlds import SIX_SYMBOLS, FiniteWorld
from paperlib.theory.hard_margin import HardMargin, hard_margin
from paperlib.theory.information_bounds import (
    Estimate,
    batch_information,
    information_bound,
    sampled_information_bound,
)
from paperlib.theory.margin_path import MarginPath, margin_path
from paperlib.theory.splitting import (
    SplittingMinimum,
    approximate_assignments,
    exact_assignments,
    exact_softmax,
    minimize_splitting,
    regularized_information_loss,
    splitting_loss,
)
from paperlib.theory.two_class import renyi_of_logit, two_class_loss
from paperlib.theory.two_means import TwoMeans, exact_two_means

__all__ = [
    "SIX_SYMBOLS",
    "Certificate",
    "Enclosure",
    "Estimate",
    "FiniteWorld",
    "HardMargin",
    "MarginPath",
    "SoftKMeans",
    "SoftKMeansIdentity",
    "SplittingMinimum",
    "TwoMeans",
    "approximate_assignments",
    "batch_information",
    "certified_minimum",
    "certify_counterexample",
    "derive_equivalence",
    "exact_assignments",
    "exact_softmax",
    "exact_two_means",
    "final_posteriors",
    "hard_margin",
    "information_bound",
    "linear_dichotomies",
    "margin_path",
    "minimize_splitting",
    "normalizer_free_loss",
    "normalizer_free_softmax",
    "regularized_information_loss",
    "renyi_of_logit",
    "sampled_information_bound",
    "soft_assignments",
    "soft_kmeans_identity",
    "soft_kmeans_loss",
    "soft_regularized_kmeans",
    "splitting_loss",
    "two_class_loss",
    "weighted_means",
]
