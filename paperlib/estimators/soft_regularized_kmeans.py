"""Soft regularised K-means behind scikit-learn's interface."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.distance import cdist
from scipy.special import logsumexp
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from paperlib._checks import check_enough_samples, check_positive, check_whole
from paperlib.models import critical_gamma
from paperlib.soft_kmeans import soft_assignments, soft_regularized_kmeans

AUTO_PENALTY = 1 / 30  # of the critical penalty, as for the gamma of EntropyClustering


class SoftRegularizedKMeans(ClusterMixin, BaseEstimator):
    r"""Cluster by soft assignments to means: what mutual information is claimed to be equivalent to.

    Minimises, over assignments :math:`q` with weighted means :math:`c_c`,

    .. math::
        \frac{1}{\lambda k} \frac1n \sum_{ic} q_{ic} \|x_i - c_c\|^2 + \frac1n \sum_{ic} q_{ic} \ln q_{ic}

    (Jabi, Pedersoli, Mitiche and Ben Ayed, arXiv 1810.04246, on given features: no network, no reconstruction, and
    without a term that depends on ``X`` alone). Chapter 4 of the book has what the equivalence needs, where it fails,
    and the posteriors that the authors' code reports in the end, which are not the assignments given here.

    Either step, of centres and of assignments, is exact, so the loss never rises; local minima are many, so several
    K-means++ starts are made and the lowest loss is kept. Cost: O(n k d) a step.

    Parameters
    ----------
    n_clusters : int, default=8
        Number of clusters k.
    penalty : float or "auto", default="auto"
        :math:`\lambda`, in squared units of ``X``; :math:`\lambda k` is the temperature of the assignments. Towards
        zero the method becomes K-means; above ``critical_penalty_`` all centres fall together. ``"auto"`` takes a
        thirtieth of that.
    n_init : int, default=5
        Number of starts; the lowest ``loss_`` wins.
    max_iter : int, default=500
        Limit on the pairs of steps of a start.
    tol : float, default=1e-6
        Stop when no assignment moves by more.
    random_state : int, RandomState instance or None, default=None
        Seeds the starts.

    Attributes
    ----------
    cluster_centers_ : ndarray of shape (n_clusters, n_features)
        The weighted means.
    labels_ : ndarray of shape (n_samples,)
        Nearest centre of each training sample.
    loss_ : float
        The loss reached, in nats.
    start_losses_ : ndarray of shape (n_init,)
        The loss reached from each start.
    marginal_ : ndarray of shape (n_clusters,)
        Mean assignment.
    penalty_ : float
        The ``penalty`` used.
    critical_penalty_ : float
        Twice the largest variance of ``X`` in any direction over ``n_clusters``.
    n_iter_ : int
        Pairs of steps of the winning start.
    n_features_in_ : int
        Number of features seen in ``fit``.

    Examples
    --------
    >>> from paperlib.data import gaussian_blobs
    >>> from paperlib.estimators import SoftRegularizedKMeans
    >>> x = gaussian_blobs(300, 3, seed=0).x
    >>> SoftRegularizedKMeans(3, random_state=0).fit(x).cluster_centers_.shape
    (3, 2)
    """

    def __init__(
        self,
        n_clusters: int = 8,
        *,
        penalty: float | str = "auto",
        n_init: int = 5,
        max_iter: int = 500,
        tol: float = 1e-6,
        random_state: Any = None,
    ) -> None:
        self.n_clusters = n_clusters
        self.penalty = penalty
        self.n_init = n_init
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: Any = None) -> SoftRegularizedKMeans:
        """Cluster ``X``, shape ``(n_samples, n_features)``; ``y`` is ignored. Computed in float64.

        Raises
        ------
        ValueError
            If ``X`` holds NaN or infinity or fewer samples than clusters, or a parameter is out of range.
        """
        self._check_parameters()
        data: NDArray[np.float64] = validate_data(self, X, dtype=np.float64, ensure_min_samples=2)
        check_enough_samples(len(data), self.n_clusters)
        mean = data.mean(0)
        centred = data - mean
        self.critical_penalty_ = 4 * critical_gamma(torch.from_numpy(centred), self.n_clusters)
        auto = AUTO_PENALTY * self.critical_penalty_ or 1.0  # any will do where nothing varies
        self.penalty_ = auto if self.penalty == "auto" else float(self.penalty)
        seed = int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # said below in the words of this class
            found = soft_regularized_kmeans(
                centred,
                self.n_clusters,
                self.penalty_,
                n_init=self.n_init,
                seed=seed,
                tolerance=self.tol,
                max_iterations=self.max_iter,
            )
        self.cluster_centers_ = found.centers + mean
        constant = np.square(centred).sum() / (len(data) * self.penalty_ * self.n_clusters)
        self.start_losses_ = found.start_values + constant
        self.loss_, self.n_iter_ = float(found.value + constant), found.n_iterations
        self.labels_ = found.labels.astype(np.int32)
        self.marginal_ = found.q.mean(0)
        used = len(np.unique(self.labels_))
        if used < self.n_clusters:
            warnings.warn(
                f"{used} of {self.n_clusters} clusters are used; lower penalty (now {self.penalty_:.3g}; "
                f"critical_penalty_ is {self.critical_penalty_:.3g}), raise n_init, or ask for fewer clusters",
                ConvergenceWarning,
                stacklevel=2,
            )
        if not found.converged:
            warnings.warn(
                f"the assignments had not settled after {self.n_iter_} steps; raise max_iter or tol (now {self.tol:g})",
                ConvergenceWarning,
                stacklevel=2,
            )
        return self

    def predict(self, X: ArrayLike) -> NDArray[np.int32]:
        """Nearest centre of each row of ``X``, shape ``(n_samples,)``."""
        return self.predict_proba(X).argmax(1).astype(np.int32)

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Assignment of each row of ``X`` to each centre, shape ``(n_samples, n_clusters)``."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        return soft_assignments(X, self.cluster_centers_, self.penalty_)

    def score(self, X: ArrayLike, y: Any = None) -> float:
        """Minus the loss on ``X`` for the centres found, in nats; higher is better. ``y`` is ignored."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        scores = -cdist(X, self.cluster_centers_, "sqeuclidean") / (self.penalty_ * self.n_clusters)
        return float(logsumexp(scores, axis=1).mean())

    def _check_parameters(self) -> None:
        for name in ("n_clusters", "n_init", "max_iter"):
            check_whole(getattr(self, name), name)
        check_positive(self.tol, "tol")
        if isinstance(self.penalty, str) and self.penalty != "auto":
            raise ValueError(f"penalty must be a number > 0 or 'auto', got {self.penalty!r}")
        if not isinstance(self.penalty, str):
            check_positive(self.penalty, "penalty")
