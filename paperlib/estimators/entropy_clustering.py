"""Linear softmax clustering by mutual information and by self-labelling."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.special import entr, softmax
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import Tensor

from paperlib._checks import check_enough_samples, check_positive, check_prior, check_weight, check_whole
from paperlib.estimators.inputs import shared_tensor, total_variance
from paperlib.estimators.starts import all_logits, kmeans_start, path_to, random_start, tune_temperature
from paperlib.models import LinearSoftmax, critical_gamma
from paperlib.pseudo_labels import AlternatingDirection, DualNewton, ExpectationMaximization, Sinkhorn
from paperlib.runtime import resolve_device
from paperlib.training import (
    MutualInformation,
    Objective,
    PseudoLabelSolver,
    SelfLabeling,
    TrainingResult,
    minimize_full_batch,
    minimize_mini_batch,
)

METHODS = ("mutual_information", "self_labeling", "collision_self_labeling", "mi_adm", "sela")
INITS = ("k-means", "random", "continuation")
AUTO_GAMMA = 1 / 30  # of the critical gamma


class EntropyClustering(ClusterMixin, BaseEstimator):
    r"""Cluster by a linear softmax that is decisive and fair, trained without labels.

    Minimises a loss plus :math:`\gamma \sum_c \|v_c\|^2` over the rows :math:`v_c` and biases of a linear softmax
    :math:`\sigma`. The loss is

    - ``method="mutual_information"``: :math:`\frac1n \sum_i H(\sigma_i) + \lambda\, KL(\bar\sigma \| u)`
      (Krause, Perona and Gomes 2010; with :math:`\lambda = 1` and uniform :math:`u`, mutual information);

    or the least value over pseudo-labels :math:`y`, which are solved for at every step, of

    - ``"self_labeling"``: :math:`\frac1n \sum_i H(\sigma_i, y_i) + \lambda\, KL(u \| \bar y)`, reverse
      cross-entropy and strong fairness (Zhang and Boykov, arXiv 2301.11405);
    - ``"collision_self_labeling"``:
      :math:`-\frac1n \sum_i \ln \sum_c \sigma_{ic} y_{ic} + \lambda\, KL(u \| \bar y)` (arXiv 2303.07321;
      fairness of the other direction is an option of the solver);
    - ``"mi_adm"``: :math:`\frac1n \sum_i [H(y_i, \sigma_i) + KL(y_i \| \sigma_i)] + \lambda\, KL(\bar y \| u)`
      (Jabi et al., arXiv 1810.04246), with exact pseudo-labels;
    - ``"sela"``: :math:`\frac1n \sum_i [H(y_i, \sigma_i) - \frac1s H(y_i)]` with :math:`\bar y = u` exactly
      (Asano, Rupprecht and Vedaldi 2020; they train on the largest entry of :math:`y_i` alone, which a larger
      ``sharpness`` :math:`s` comes close to).

    Losses of different methods are not comparable. A loss has many local minima, so several starts are made and the
    lowest is kept; labels are never used. One step costs two matrix products with ``X``, O(n k d), and the solution
    for the pseudo-labels, some tens of passes over ``[n, k]``; memory is ``X`` and a few arrays of ``[n, k]``. With
    ``batch_size`` a step and its memory depend on the batch alone.

    Parameters
    ----------
    n_clusters : int, default=8
        Number of clusters k. Some may end up empty, which is warned of.
    method : str, default="mutual_information"
        The objective, one of the five above.
    gamma : float or "auto", default="auto"
        Weight of the squared norm of the rows, in nats times the squared unit of ``X``; the biases are free. Above
        ``critical_gamma_`` a model that ignores the data is a local minimum; ``"auto"`` takes a thirtieth of that.
        A smaller value makes predictions more confident and the loss more rugged.
    fairness_weight : float, default=1.0
        The weight of fairness, which SeLa does not use. Self-labelling collapses to one cluster where it is too small
        for ``gamma``; 10 is a good value for it.
    prior : array-like of shape (n_clusters,), default=None
        Expected proportions of the clusters, positive, summing to one; uniform when None. Cluster c is meant to have
        proportion ``prior[c]``.
    init : {"k-means", "random", "continuation"}, default="k-means"
        Where the starts come from: K-means centres, or random directions, at the temperature at which the mutual
        information loss plus penalty is lowest. ``"continuation"`` takes the K-means centres along a path of gammas
        from that of ``"auto"``, where boundaries are soft, by halves down to ``gamma``; each solution is the start of
        the next. It finds lower losses where ``gamma`` is far below, say a three-hundredth of ``critical_gamma_``.
    n_init : int, default=5
        Number of starts; the lowest ``loss_`` wins.
    max_iter : int, default=500
        Limit on L-BFGS iterations; with ``batch_size``, the number of epochs, where 50 is often enough.
    batch_size : int, default=None
        None for full-batch L-BFGS; a number for Adam on batches of that many samples (well above ``n_clusters``).
    sharpness : float, default=10.0
        SeLa's :math:`s`; other methods do not use it.
    device : str or torch.device, default=None
        Where to compute; None takes a CUDA device if there is one.
    random_state : int, RandomState instance or None, default=None
        Seeds the starts and the order of the batches.

    Attributes
    ----------
    coef_ : ndarray of shape (n_clusters, n_features)
        The rows.
    intercept_ : ndarray of shape (n_clusters,)
        The biases.
    labels_ : ndarray of shape (n_samples,)
        Most probable cluster of each training sample.
    loss_ : float
        The objective reached on the training data, penalty included, in nats.
    start_losses_ : ndarray of shape (n_init,)
        The objective reached from each start; a wide spread says that the landscape is rugged.
    marginal_ : ndarray of shape (n_clusters,)
        Mean prediction; compare with the prior.
    gamma_ : float
        The ``gamma`` used.
    critical_gamma_ : float
        Largest variance of ``X`` in any direction over ``2 n_clusters``; see :func:`paperlib.models.critical_gamma`.
    n_iter_ : int
        Iterations of the winning start.
    n_features_in_ : int
        Number of features seen in ``fit``.

    Examples
    --------
    >>> from paperlib.data import gaussian_blobs
    >>> from paperlib.estimators import EntropyClustering
    >>> x = gaussian_blobs(300, 3, seed=0).x
    >>> EntropyClustering(3, random_state=0).fit(x).labels_.shape
    (300,)
    """

    def __init__(
        self,
        n_clusters: int = 8,
        *,
        method: str = "mutual_information",
        gamma: float | str = "auto",
        fairness_weight: float = 1.0,
        prior: ArrayLike | None = None,
        init: str = "k-means",
        n_init: int = 5,
        max_iter: int = 500,
        batch_size: int | None = None,
        sharpness: float = 10.0,
        device: str | torch.device | None = None,
        random_state: Any = None,
    ) -> None:
        self.n_clusters = n_clusters
        self.method = method
        self.gamma = gamma
        self.fairness_weight = fairness_weight
        self.prior = prior
        self.init = init
        self.n_init = n_init
        self.max_iter = max_iter
        self.batch_size = batch_size
        self.sharpness = sharpness
        self.device = device
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: Any = None) -> EntropyClustering:
        """Cluster ``X``, shape ``(n_samples, n_features)``; ``y`` is ignored.

        float32 data are worked on in float32, anything else in float64.

        Raises
        ------
        ValueError
            If ``X`` holds NaN or infinity or fewer samples than clusters, or a parameter is out of range.
        """
        self._check_parameters()
        data: NDArray[Any] = validate_data(self, X, dtype=[np.float64, np.float32], ensure_min_samples=2)
        check_enough_samples(len(data), self.n_clusters)
        device = resolve_device(self.device)
        x = shared_tensor(data)
        if self.batch_size is None:
            x = x.to(device)
        prior = None if self.prior is None else check_prior(self.prior, x.new_empty(self.n_clusters)).to(device)
        scale = total_variance(x) ** 0.5 or 1.0
        self.critical_gamma_ = critical_gamma(x, self.n_clusters)
        self.gamma_ = AUTO_GAMMA * self.critical_gamma_ if self.gamma == "auto" else float(self.gamma)

        random = check_random_state(self.random_state)
        seeds = random.randint(np.iinfo(np.int32).max, size=self.n_init)
        fits = [self._fit_once(x, data, device, prior, scale, int(seed)) for seed in seeds]
        self.start_losses_ = np.array([result.value for _, result in fits])
        if not np.isfinite(self.start_losses_).any():
            raise ValueError(f"no start reached a finite loss (fairness_weight={self.fairness_weight!r}); rescale X")
        model, result = fits[int(np.nanargmin(self.start_losses_))]

        self.coef_ = model.coef.detach().cpu().numpy()
        self.intercept_ = model.intercept.detach().cpu().numpy()
        self.loss_, self.n_iter_ = result.value, result.n_iterations
        probs = self._probabilities(data)
        self.labels_ = probs.argmax(1).astype(np.int32)
        self.marginal_ = probs.mean(0)
        for complaint in self._complaints(probs, result):
            warnings.warn(complaint, ConvergenceWarning, stacklevel=2)
        return self

    def predict(self, X: ArrayLike) -> NDArray[np.int32]:
        """Most probable cluster of each row of ``X``, shape ``(n_samples,)``."""
        return self.predict_proba(X).argmax(1).astype(np.int32)

    def predict_proba(self, X: ArrayLike) -> NDArray[np.floating[Any]]:
        """Probability of each cluster for each row of ``X``, shape ``(n_samples, n_clusters)``."""
        check_is_fitted(self)
        return self._probabilities(validate_data(self, X, dtype=[np.float64, np.float32], reset=False))

    def score(self, X: ArrayLike, y: Any = None) -> float:
        """Minus the objective on ``X`` without the penalty, in nats; higher is better, zero the best. ``y`` is ignored.

        The mean prediction is that of ``X``, so score on enough samples to hold every cluster.
        """
        check_is_fitted(self)
        X = validate_data(self, X, dtype=[np.float64, np.float32], reset=False)
        logits = torch.from_numpy(X @ self.coef_.T + self.intercept_)
        prior = None if self.prior is None else check_prior(self.prior, logits)
        return -self._judge(logits, prior)

    def _probabilities(self, X: NDArray[Any]) -> NDArray[np.floating[Any]]:
        return softmax(X @ self.coef_.T + self.intercept_, axis=1)

    def _objective(self, prior: Tensor | None, *, max_iterations: int = 300, warm_start: bool = False) -> Objective:
        weight = self.fairness_weight
        solver: PseudoLabelSolver
        match self.method:
            case "mutual_information":
                return MutualInformation(weight, prior)
            case "self_labeling":
                solver = DualNewton(weight, tolerance=1e-6)
            case "collision_self_labeling":
                solver = ExpectationMaximization(
                    weight, max_iterations, tolerance=1e-4, divergence="collision_cross_entropy"
                )
            case "mi_adm":
                solver = AlternatingDirection(weight, max_iterations, tolerance=1e-9)
            case _:
                solver = Sinkhorn(self.sharpness, max_iterations, tolerance=1e-4)
        return SelfLabeling(solver, prior, warm_start=warm_start)

    @torch.no_grad()
    def _judge(self, logits: Tensor, prior: Tensor | None) -> float:
        """The objective of all ``logits``, with pseudo-labels solved for afresh and for longer than in a search."""
        objective = self._objective(prior, max_iterations=5000)
        value = float(objective(logits))
        if isinstance(objective, SelfLabeling) and objective.unsolved:
            knob = "sharpness" if self.method == "sela" else "fairness_weight"
            warnings.warn(
                f"the pseudo-labels were not solved for to the end at {knob}={getattr(self, knob):g}, so the loss is "
                f"an upper bound; lower {knob}",
                ConvergenceWarning,
                stacklevel=3,
            )
        return value

    def _fit_once(
        self, x: Tensor, X: NDArray[Any], device: torch.device, prior: Tensor | None, scale: float, seed: int
    ) -> tuple[LinearSoftmax, TrainingResult]:
        generator = torch.Generator().manual_seed(seed)
        start = random_start if self.init == "random" else kmeans_start
        weight, bias = start(X, self.n_clusters, prior=prior, seed=seed)
        model = LinearSoftmax(weight.to(x), bias.to(x), mean=x.mean(0), scale=scale).to(device)
        gammas = (
            path_to(self.gamma_, AUTO_GAMMA * self.critical_gamma_) if self.init == "continuation" else [self.gamma_]
        )
        tune_temperature(model, x, gamma=gammas[0], fairness_weight=self.fairness_weight, prior=prior)
        for gamma in gammas:
            objective = self._objective(prior, warm_start=self.batch_size is None and self.method != "sela")
            if self.batch_size is None:
                tol = 1e-7 if gamma == self.gamma_ else 1e-5  # on the way, near is near enough
                result = minimize_full_batch(model, objective, x, gamma=gamma, max_iter=self.max_iter, tol=tol)
            else:
                result = minimize_mini_batch(
                    model,
                    objective,
                    x,
                    batch_size=self.batch_size,
                    gamma=gamma,
                    max_iter=self.max_iter,
                    generator=generator,
                )
        with torch.no_grad():
            value = self._judge(all_logits(model, x), prior) + self.gamma_ * float(model.penalty())
        return model, result._replace(value=value)

    def _check_parameters(self) -> None:
        for name in ("n_clusters", "n_init", "max_iter"):
            check_whole(getattr(self, name), name)
        if self.batch_size is not None:
            check_whole(self.batch_size, "batch_size", 2)
        check_positive(self.sharpness, "sharpness")
        check_weight(self.fairness_weight, "fairness_weight")
        if isinstance(self.gamma, str) and self.gamma != "auto":
            raise ValueError(f"gamma must be a number >= 0 or 'auto', got {self.gamma!r}")
        if not isinstance(self.gamma, str):
            check_weight(self.gamma, "gamma")
        for name, allowed in (("method", METHODS), ("init", INITS)):
            if getattr(self, name) not in allowed:
                choices = ", ".join(map(repr, allowed))
                raise ValueError(f"{name} must be one of {choices}, got {getattr(self, name)!r}")

    def _complaints(self, probs: NDArray[Any], result: TrainingResult) -> Iterator[str]:
        """What a user should know of a fit that is not what was asked for, each with the knob to turn."""
        knobs = f"lower gamma (now {self.gamma_:.3g}; critical_gamma_ is {self.critical_gamma_:.3g})"
        prior = np.full(self.n_clusters, 1 / self.n_clusters) if self.prior is None else np.asarray(self.prior)
        informs = float(entr(self.marginal_).sum() - entr(probs).sum(1).mean())
        used = len(np.unique(self.labels_))
        if self.critical_gamma_ == 0:
            yield "X does not vary, or too little for its dtype; rescale it"
        elif informs < 1e-3 * entr(prior).sum():
            yield (
                f"the model ignores the data: it knows {informs:.2g} nats of them; {knobs}, or raise fairness_weight "
                f"(now {self.fairness_weight:g}) if every sample is in one cluster"
            )
        elif used < self.n_clusters:
            yield (
                f"{used} of {self.n_clusters} clusters are used; if that is not wanted, {knobs}, raise fairness_weight "
                f"(now {self.fairness_weight:g}) or n_init, or ask for fewer clusters"
            )
        if not result.converged:
            yield (
                f"the search stopped before the loss settled, after {result.n_iterations} iterations; raise max_iter "
                f"(now {self.max_iter}), or use float64"
            )
