"""Clustering that selects its features: Sparse GEMINI."""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_selection import SelectorMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import Tensor, nn

from paperlib._checks import check_enough_samples, check_positive, check_whole
from paperlib.estimators.gemini_models import probabilities
from paperlib.estimators.inputs import shared_tensor, total_variance
from paperlib.losses.gemini import DIVERGENCES, OBJECTIVES
from paperlib.models import LassoNet, SparseLinear, Standardize
from paperlib.runtime import resolve_device
from paperlib.training import (
    Gemini,
    Objective,
    SparseStep,
    TrainingResult,
    minimize_full_batch,
    minimize_mini_batch,
    sparse_path,
    sparsest_step,
)

UNBOUNDED = ("kl_ovo", "chi2_ovo")
BOUNDED = tuple(objective for objective in OBJECTIVES if objective not in UNBOUNDED)
_TOL = 1e-3  # without the penalty: beyond it predictions only harden, and hard ones give the path no gradient
_FACTOR = 1.1  # from one weight of the penalty to the next
_HIDDEN = 20


class PathStep(NamedTuple):
    """A step of the path.

    Attributes:
        alpha: weight of the penalty, in the unit of the score; zero for the full model.
        score: the objective on the training samples, without the penalty.
        n_features: the number of features that are on.
        support: which ones, shape ``(n_features,)``, bool.
    """

    alpha: float
    score: float
    n_features: int
    support: NDArray[np.bool_]


class SparseGeminiClustering(ClusterMixin, SelectorMixin, BaseEstimator):
    r"""Cluster by few features, chosen without labels.

    Maximises a generalised mutual information less :math:`\alpha \sum_j \|W_j\|_2`, with :math:`W_j` the weights of
    feature :math:`j` (Ohl et al., Sparse GEMINI, arXiv 2302.03391). First the best of ``n_init`` starts without the
    penalty, the full model; then :math:`\alpha` grows by a tenth a step, and features go one by one, until no more than
    ``min_features`` are left (:func:`paperlib.training.sparse_path`). Of all steps that keep ``share`` of the full
    model's objective the one with the fewest features is chosen, and `transform` keeps these. Last, and not in the
    paper, its model is trained on without the penalty, which would leave predictions less certain than they can be.

    The features are penalised alike. Inside they are centred and divided by one number, so that the selection does not
    depend on the unit of ``X``, but a feature of a larger variance counts for more. Bring features of different units
    to one scale first. Where that gives all of them the same variance, and they are not correlated, a linear kernel
    hardly tells one direction from another: the variance that clusters give a feature is what it sees.

    Cost: O(n k d) an iteration; some tens of steps, of at most ``max_iter`` iterations, most often little more than
    ten. A Wasserstein objective needs many transports; give it a small ``batch_size``.

    Parameters
    ----------
    n_clusters : int, default=3
        Largest number of clusters k.
    objective : str, default="mmd_ova"
        As in `GeminiClustering`, without ``kl_ovo`` and ``chi2_ovo``: they are unbounded, and a share of their best
        value says nothing. ``mmd`` with the linear kernel, ``wasserstein`` with Euclidean distances. The other
        distances do not see where samples lie, and any feature may serve to make predictions certain.
    model : {"linear", "mlp"}, default="linear"
        A linear softmax; a linear softmax beside a hidden layer of 20 (LassoNet), whose features are those of the
        linear part.
    min_features : int, default=2
        Where the path ends.
    share : float, default=0.9
        Of the full model's objective that the chosen model keeps, between zero and one.
    groups : array-like of shape (n_features,), default=None
        Features with the same entry are chosen together. Only for the linear model.
    dynamic : bool, default=False
        From the first selection on, train with an objective that sees the samples' selected features alone;
        ``objective_`` and `score` see the chosen ones. The scores of the path stay those of all features.
    batch_size : int, default=None
        None for all samples at once, where L-BFGS fits the full model; a number for batches of that many, well above
        ``n_clusters``, where Adam does.
    max_iter : int, default=100
        Limit on the iterations, or epochs, of the full model and of each step of the path.
    learning_rate : float, default=0.05
        Step size of the path and of Adam, for features of mean variance one.
    n_init : int, default=3
        Number of random starts of the full model; the highest objective wins.
    device : str or torch.device, default=None
        Where to compute; None takes a CUDA device if there is one.
    random_state : int, RandomState instance or None, default=None
        Seeds starts and batches.

    Attributes
    ----------
    support_ : ndarray of shape (n_features,), bool
        The chosen features; also `get_support`.
    path_ : list of PathStep
        All steps, the full model first, each with ``alpha``, ``score``, ``n_features`` and ``support``.
    alpha_ : float
        Weight of the penalty of the chosen step.
    objective_ : float
        The objective reached on the training samples, in the unit of ``X`` for ``mmd`` and ``wasserstein``; with
        ``batch_size`` the mean over batches.
    model_ : torch.nn.Module
        The trained model, from samples to logits.
    coef_ : ndarray of shape (n_clusters, n_features)
        The rows of a linear model, exactly zero where a feature is off; ``intercept_`` has the biases. Only with
        ``model="linear"``.
    labels_ : ndarray of shape (n_samples,)
        Most probable cluster of each training sample.
    marginal_ : ndarray of shape (n_clusters,)
        Mean prediction.
    n_iter_ : int
        Iterations or epochs of the full model.
    n_features_in_ : int
        Number of features seen in ``fit``.

    Examples
    --------
    >>> from paperlib.data import informative_features
    >>> from paperlib.estimators import SparseGeminiClustering
    >>> x = informative_features(300, 3, seed=0).x
    >>> SparseGeminiClustering(3, objective="mmd_ovo", random_state=0).fit(x).get_support(indices=True)
    array([0, 1, 2, 3, 4])
    """

    def __init__(
        self,
        n_clusters: int = 3,
        *,
        objective: str = "mmd_ova",
        model: str = "linear",
        min_features: int = 2,
        share: float = 0.9,
        groups: ArrayLike | None = None,
        dynamic: bool = False,
        batch_size: int | None = None,
        max_iter: int = 100,
        learning_rate: float = 0.05,
        n_init: int = 3,
        device: str | torch.device | None = None,
        random_state: Any = None,
    ) -> None:
        self.n_clusters = n_clusters
        self.objective = objective
        self.model = model
        self.min_features = min_features
        self.share = share
        self.groups = groups
        self.dynamic = dynamic
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.learning_rate = learning_rate
        self.n_init = n_init
        self.device = device
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: Any = None) -> SparseGeminiClustering:
        """Cluster ``X``, shape ``(n_samples, n_features)``, and choose its features; ``y`` is ignored.

        float32 data are worked on in float32, anything else in float64.

        Raises
        ------
        ValueError
            If ``X`` holds NaN or infinity, fewer samples than clusters or nothing but constants, or a parameter is out
            of range.
        FloatingPointError
            If the objective is not finite on the path.
        """
        self._check_parameters()
        data: NDArray[Any] = validate_data(self, X, dtype=[np.float64, np.float32], ensure_min_samples=2)
        check_enough_samples(len(data), self.n_clusters)
        x, device = shared_tensor(data), resolve_device(self.device)
        self._standardize = _standardize(x)
        z = self._standardize(x)
        if self.batch_size is None:
            z = z.to(device)

        random = check_random_state(self.random_state)
        seeds = [int(seed) for seed in random.randint(np.iinfo(np.int32).max, size=self.n_init)]
        fits = [self._fit_full(z, device, seed) for seed in seeds]
        model, full = min(fits, key=lambda fit: fit[1].value if np.isfinite(fit[1].value) else np.inf)
        generator = torch.Generator().manual_seed(seeds[0])
        path = self._path(model, z, -full.value, generator)
        chosen = sparsest_step(path, share=self.share) if path[0].score > 0 else path[0]
        model.load_state_dict(chosen.state)
        selected = z * chosen.selected.to(z.device)  # features that are off have no gradient
        result = self._train(model, selected, self._objective(selected if self.dynamic else z), generator)

        self.model_ = nn.Sequential(self._standardize.to(device), model)
        if isinstance(model, SparseLinear):
            coef = model.weight.detach() / self._standardize.scale
            self.coef_ = coef.cpu().numpy()
            self.intercept_ = (model.bias.detach() - coef @ self._standardize.mean).cpu().numpy()
        unit = self._unit()
        self.path_ = [
            PathStep(unit * step.alpha, unit * step.score, step.n_features, step.selected.cpu().numpy())
            for step in path
        ]
        self.support_ = chosen.selected.cpu().numpy()
        self.alpha_, self.objective_, self.n_iter_ = unit * chosen.alpha, -unit * result.value, full.n_iterations
        probs = probabilities(self.model_, x)
        self.labels_ = probs.argmax(1).astype(np.int32)
        self.marginal_ = probs.mean(0)
        if len(np.unique(self.labels_)) == 1 and self.n_clusters > 1:
            warnings.warn(
                f"every sample is in one cluster, with {chosen.n_features} features ({self.objective} is "
                f"{self.objective_:.2g}); raise share, n_init or max_iter",
                ConvergenceWarning,
                stacklevel=2,
            )
        return self

    def predict(self, X: ArrayLike) -> NDArray[np.int32]:
        """Most probable cluster of each row of ``X``, shape ``(n_samples,)``."""
        return self.predict_proba(X).argmax(1).astype(np.int32)

    def predict_proba(self, X: ArrayLike) -> NDArray[np.floating[Any]]:
        """Probability of each cluster for each row of ``X``, with all its features: ``(n_samples, n_clusters)``."""
        x = self._tensor(X)
        return probabilities(self.model_, x)

    def score(self, X: ArrayLike, y: Any = None) -> float:
        """The objective on ``X``, without the penalty; higher is better. ``y`` is ignored.

        A cluster's distribution is that within ``X``, so score on enough samples to hold every cluster.
        """
        x = self._tensor(X)
        logits = torch.from_numpy(probabilities(self.model_, x)).log()
        z = self._standardize(x.to(self._standardize.mean))
        if self.dynamic:
            z = z * torch.from_numpy(self.support_).to(z.device)
        return -self._unit() * float(self._objective(z)(logits))

    def _get_support_mask(self) -> NDArray[np.bool_]:
        check_is_fitted(self)
        return self.support_

    def _tensor(self, X: ArrayLike) -> Tensor:
        check_is_fitted(self)
        return shared_tensor(validate_data(self, X, dtype=[np.float64, np.float32], reset=False))

    def _objective(self, features: Tensor) -> Gemini:
        return Gemini(self.objective, features=None if self._is_divergence() else features)

    def _is_divergence(self) -> bool:
        return self.objective.split("_")[0] in DIVERGENCES

    def _unit(self) -> float:
        """What the objective of the centred and scaled features is multiplied by to be that of the given ones."""
        return 1.0 if self._is_divergence() else float(self._standardize.scale)

    def _fit_full(self, z: Tensor, device: torch.device, seed: int) -> tuple[SparseLinear | LassoNet, TrainingResult]:
        """A model of all features, without penalty, from a random start."""
        generator = torch.Generator().manual_seed(seed)
        model: SparseLinear | LassoNet
        if self.model == "mlp":
            model = LassoNet(z.shape[1], self.n_clusters, hidden=_HIDDEN, generator=generator)
        else:
            groups = None if self.groups is None else torch.from_numpy(np.unique(self.groups, return_inverse=True)[1])
            model = SparseLinear(z.shape[1], self.n_clusters, groups=groups, generator=generator)
        model = model.to(device, z.dtype)
        return model, self._train(model, z, self._objective(z), generator)

    def _train(
        self, model: nn.Module, inputs: Tensor, objective: Objective, generator: torch.Generator
    ) -> TrainingResult:
        if self.batch_size is None:
            return minimize_full_batch(model, objective, inputs, max_iter=self.max_iter, tol=_TOL)
        return minimize_mini_batch(
            model,
            objective,
            inputs,
            batch_size=self.batch_size,
            max_iter=self.max_iter,
            learning_rate=self.learning_rate,
            schedule="constant",
            tol=_TOL,
            generator=generator,
        )

    def _path(
        self, model: SparseLinear | LassoNet, z: Tensor, score: float, generator: torch.Generator
    ) -> list[SparseStep]:
        """The path from a full model of that score; the full model alone where it tells no samples apart."""
        if self.n_clusters == 1 or score <= 0:
            return [SparseStep(0.0, 0.0, model.selected(), model.state_dict())]
        return sparse_path(
            model,
            self._objective(z),
            z,
            min_features=self.min_features,
            factor=_FACTOR,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            max_iter=self.max_iter,
            on_selection=(lambda on: self._objective(z * on.to(z.device))) if self.dynamic else None,
            generator=generator,
        )

    def _check_parameters(self) -> None:
        check_whole(self.n_clusters, "n_clusters")
        check_whole(self.min_features, "min_features", 0)
        check_whole(self.max_iter, "max_iter")
        check_whole(self.n_init, "n_init")
        check_positive(self.learning_rate, "learning_rate")
        if self.batch_size is not None:
            check_whole(self.batch_size, "batch_size", 2)
        if not 0 <= self.share <= 1:
            raise ValueError(f"share must be between 0 and 1, got {self.share!r}")
        for name, allowed in (("objective", BOUNDED), ("model", ("linear", "mlp"))):
            given = getattr(self, name)
            if given not in allowed:
                why = ": it is unbounded, and a share of it says nothing" if given in UNBOUNDED else ""
                raise ValueError(f"{name} must be one of {', '.join(map(repr, allowed))}, got {given!r}{why}")
        if self.groups is not None and self.model != "linear":
            raise ValueError("groups are for the linear model; leave them out, or set model='linear'")
        if self.dynamic and self._is_divergence():
            raise ValueError(f"{self.objective} does not see where samples lie; set dynamic=False, or choose mmd_ova")


def _standardize(x: Tensor) -> Standardize:
    """One centre and one scale for the samples ``[n, d]``, after which their features have a mean variance of one."""
    scale = (total_variance(x) / x.shape[1]) ** 0.5
    if scale == 0 or bool((x == x[0]).all()):
        raise ValueError("X does not vary, so no feature tells samples apart")
    return Standardize(x.mean(0), scale)
