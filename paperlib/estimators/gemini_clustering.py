"""Clustering by generalised mutual information (GEMINI)."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import Tensor, nn

from paperlib._checks import check_enough_samples, check_positive, check_weight, check_whole
from paperlib.estimators.gemini_models import MODELS, new_model, probabilities
from paperlib.estimators.inputs import shared_tensor, total_variance
from paperlib.kernels import FeatureMap, GramOperator, Kernel, Nystrom, RandomFourierFeatures, distances
from paperlib.losses.gemini import DIVERGENCES, OBJECTIVES
from paperlib.runtime import resolve_device
from paperlib.training import (
    Gemini,
    Objective,
    TrainingResult,
    VirtualAdversarial,
    minimize_full_batch,
    minimize_mini_batch,
)

KERNELS = ("linear", "cosine", "rbf", "laplacian", "polynomial", "precomputed")
DISTANCES = ("euclidean", "sqeuclidean", "precomputed")


class GeminiClustering(ClusterMixin, BaseEstimator):
    r"""Cluster by a model whose clusters are far apart, trained without labels.

    Maximises a generalised mutual information (Ohl et al., arXiv 2210.06300): the mean distance between the
    distribution of a cluster and that of the data (one-versus-all, ``ova``) or of another cluster (one-versus-one,
    ``ovo``). The formulas are in :func:`paperlib.losses.gemini`. ``n_clusters`` is an upper bound: a cluster may stay
    empty.

    There are many local maxima, so several starts are made and the highest objective is kept; labels are never used.
    With a linear kernel or an explicit feature map a step costs O(n k d) and no ``n x n`` matrix is made; with another
    kernel O(n^2 d), in chunks; with a Wasserstein objective as many transports as there are clusters, or pairs of them,
    so use a ``batch_size``.

    Parameters
    ----------
    n_clusters : int, default=8
        Largest number of clusters k.
    objective : str, default="mmd_ova"
        ``"<kl|tv|hellinger|chi2|mmd|wasserstein>_<ova|ovo>"``. The first four see predictions alone, the last two see
        where the samples lie. ``kl_ovo`` and ``chi2_ovo`` are unbounded: single predictions can lead them astray, and
        ``chi2_ovo`` often is.
    model : {"linear", "mlp", "kernel", "categorical"} or torch.nn.Module, default="linear"
        From samples to logits: a linear softmax; one hidden layer of 100; a linear softmax on kernel features (those of
        ``kernel``, "rbf" where that is linear or precomputed; 256 Nystrom landmarks unless it is a map of its own);
        free logits for each sample, which predict no others. A module gets ``(n_samples, n_features)`` as it is and is
        copied; parts with a ``reset_parameters`` method, as torch's layers, are drawn anew for each start.
    kernel : str, Kernel, RandomFourierFeatures or Nystrom, default="linear"
        Of the MMD: a name of a :class:`paperlib.kernels.Kernel`, such an object, a map to explicit features, or
        "precomputed", where ``fit`` is given the matrix.
    metric : {"euclidean", "sqeuclidean", "precomputed"}, default="euclidean"
        Of the Wasserstein distance.
    entropic : float, default=None
        None for exact Wasserstein distances, which need the extra ``transport``; a number for Sinkhorn divergences with
        this weight of the entropy, in the unit of the metric.
    batch_size : int, default=None
        None for full-batch L-BFGS; a number for Adam on batches of that many samples, well above ``n_clusters``.
    max_iter : int, default=200
        Limit on L-BFGS iterations or on epochs.
    learning_rate : float, default=0.01
        Adam's; L-BFGS has none.
    tol : float, default=1e-6
        Stop when an iteration raises the objective by less than this share of it (or of one, if it is lower); with
        ``batch_size``, when ten epochs do.
    n_init : int, default=10
        Number of random starts; the highest objective wins. Full-batch starts are cheap and end in different places.
    adversarial_weight : float, default=0.0
        Weight of virtual adversarial training (Miyato et al. 2019) at a radius of one tenth of the root of the data's
        total variance; needs ``batch_size``.
    device : str or torch.device, default=None
        Where to compute; None takes a CUDA device if there is one.
    random_state : int, RandomState instance or None, default=None
        Seeds starts and batches.

    Attributes
    ----------
    model_ : torch.nn.Module
        The trained model, from samples to logits.
    coef_ : ndarray of shape (n_clusters, n_features)
        The rows of a linear model; ``intercept_`` has the biases. Only with ``model="linear"``.
    labels_ : ndarray of shape (n_samples,)
        Most probable cluster of each training sample.
    objective_ : float
        The objective reached: on all training samples, or, where that costs more than O(n), the mean over the last
        epoch's batches. Without the adversarial term.
    start_objectives_ : ndarray of shape (n_init,)
        What each start reached, less the adversarial term; its largest entry chose the winner.
    marginal_ : ndarray of shape (n_clusters,)
        Mean prediction.
    n_iter_ : int
        Iterations or epochs of the winning start.
    n_features_in_ : int
        Number of features seen in ``fit``.

    Examples
    --------
    >>> from paperlib.data import gaussian_blobs
    >>> from paperlib.estimators import GeminiClustering
    >>> x = gaussian_blobs(300, 3, seed=0).x
    >>> GeminiClustering(3, random_state=0).fit(x).labels_.shape
    (300,)
    """

    def __init__(
        self,
        n_clusters: int = 8,
        *,
        objective: str = "mmd_ova",
        model: str | nn.Module = "linear",
        kernel: str | Kernel | RandomFourierFeatures | Nystrom = "linear",
        metric: str = "euclidean",
        entropic: float | None = None,
        batch_size: int | None = None,
        max_iter: int = 200,
        learning_rate: float = 0.01,
        tol: float = 1e-6,
        n_init: int = 10,
        adversarial_weight: float = 0.0,
        device: str | torch.device | None = None,
        random_state: Any = None,
    ) -> None:
        self.n_clusters = n_clusters
        self.objective = objective
        self.model = model
        self.kernel = kernel
        self.metric = metric
        self.entropic = entropic
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.learning_rate = learning_rate
        self.tol = tol
        self.n_init = n_init
        self.adversarial_weight = adversarial_weight
        self.device = device
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: Any = None, *, affinity: ArrayLike | None = None) -> GeminiClustering:
        """Cluster ``X``, shape ``(n_samples, n_features)``; ``y`` is ignored.

        float32 data are worked on in float32, anything else in float64.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            What the model sees.
        y : None
            Ignored.
        affinity : array-like of shape (n_samples, n_samples), default=None
            Gram matrix or distances, with ``kernel`` or ``metric`` "precomputed".

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
        random = check_random_state(self.random_state)
        seeds = [int(seed) for seed in random.randint(np.iinfo(np.int32).max, size=self.n_init)]
        self._kernel = self._kernel_for(x, seeds[0])
        self._optimizer: torch.optim.Optimizer | None = None
        self._generator = torch.Generator().manual_seed(seeds[0])
        geometry = self._geometry(x, affinity)
        fits = [self._fit_once(x, geometry, device, seed) for seed in seeds]
        self.start_objectives_ = np.array([-result.value for _, result in fits])
        if not np.isfinite(self.start_objectives_).any():
            raise ValueError(f"no start reached a finite {self.objective}; rescale X, or lower learning_rate")
        self.model_, result = fits[int(np.nanargmax(self.start_objectives_))]
        self.objective_, self.n_iter_ = -result.value, result.n_iterations
        self._settle(x, result)
        return self

    def partial_fit(self, X: ArrayLike, y: Any = None) -> GeminiClustering:
        """One pass of Adam over ``X``, in batches of ``batch_size`` (all of it when None); goes on where it was.

        The first call makes the model, scaled to this first ``X``; after `fit` it goes on with that model. ``n_init``,
        ``max_iter`` and ``tol`` play no part. Not for precomputed affinities nor for free logits. ``labels_`` are those
        of this ``X``.

        Raises
        ------
        ValueError
            As `fit`.
        """
        self._check_parameters()
        if self.model == "categorical" or "precomputed" in (self.kernel, self.metric):
            raise ValueError("free logits and precomputed affinities know one set of samples; use fit")
        first = not hasattr(self, "model_")
        data = validate_data(self, X, dtype=[np.float64, np.float32], reset=first)
        check_enough_samples(len(data), self.n_clusters)
        x, device = shared_tensor(data), resolve_device(self.device)
        if first:
            seed = int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))
            self._generator = torch.Generator().manual_seed(seed)
            self._kernel = self._kernel_for(x, seed)
            self.model_ = self._new_model(x, device, seed)
            self._optimizer, self.n_iter_ = None, 0
        if self._optimizer is None:
            self._optimizer = torch.optim.Adam(self.model_.parameters(), lr=self.learning_rate)
        x = x.to(next(self.model_.parameters()).dtype)
        objective = self._objective(self.model_, x, self._geometry(x), self._generator)
        result = minimize_mini_batch(
            self.model_,
            objective,
            x,
            batch_size=self.batch_size or len(x),
            max_iter=1,
            schedule="constant",
            optimizer=self._optimizer,
            generator=self._generator,
        )
        self.objective_, self.n_iter_ = -result.value, self.n_iter_ + 1
        self.start_objectives_ = np.array([self.objective_])
        self._settle(x, None)
        return self

    def predict(self, X: ArrayLike) -> NDArray[np.int32]:
        """Most probable cluster of each row of ``X``, shape ``(n_samples,)``."""
        return self.predict_proba(X).argmax(1).astype(np.int32)

    def predict_proba(self, X: ArrayLike) -> NDArray[np.floating[Any]]:
        """Probability of each cluster for each row of ``X``, shape ``(n_samples, n_clusters)``.

        Raises
        ------
        ValueError
            With free logits, which know the training samples alone.
        """
        check_is_fitted(self)
        if self.model == "categorical":
            raise ValueError("free logits predict no other samples; read labels_, or choose another model")
        data = validate_data(self, X, dtype=[np.float64, np.float32], reset=False)
        return probabilities(self.model_, shared_tensor(data))

    def score(self, X: ArrayLike, y: Any = None) -> float:
        """The objective on ``X``; higher is better. ``y`` is ignored.

        A cluster's distribution is that within ``X``, so score on enough samples to hold every cluster.

        Raises
        ------
        ValueError
            With a precomputed affinity.
        """
        probs = torch.from_numpy(self.predict_proba(X))
        if self._affinity_name() == "precomputed":
            raise ValueError("there is no affinity between these samples; use paperlib.losses.gemini with one")
        x = shared_tensor(validate_data(self, X, dtype=[np.float64, np.float32], reset=False))
        return -float(Gemini(self.objective, entropic=self.entropic, **self._geometry(x))(probs.log()))

    def _affinity_name(self) -> Any:
        """The kernel or the metric, whichever the objective looks at; None where it looks at neither."""
        distance = self.objective.split("_")[0]
        return None if distance in DIVERGENCES else self.kernel if distance == "mmd" else self.metric

    def _kernel_for(self, x: Tensor, seed: int) -> Kernel | FeatureMap | None:
        """The kernel of the MMD, fitted to the samples once; None where there is nothing to fit."""
        if not self.objective.startswith("mmd") or self.kernel in ("linear", "precomputed"):
            return None
        if isinstance(self.kernel, RandomFourierFeatures | Nystrom):
            return self.kernel.fit(x, generator=torch.Generator().manual_seed(seed))
        return (self.kernel if isinstance(self.kernel, Kernel) else Kernel(self.kernel)).scaled_to(x)  # type: ignore[arg-type]

    def _geometry(self, x: Tensor, affinity: ArrayLike | None = None) -> dict[str, Any]:
        """What `Gemini` has to know of where the samples lie."""
        chosen = self._affinity_name()
        if (chosen == "precomputed") != (affinity is not None):
            missing = "give fit(X, affinity=...)" if affinity is None else "choose kernel or metric 'precomputed'"
            raise ValueError(f"a precomputed affinity goes with kernel or metric 'precomputed'; {missing}")
        if chosen is None:
            return {}
        if affinity is not None:
            matrix = torch.from_numpy(np.array(affinity)).to(x)
            if matrix.shape != (len(x), len(x)) or not bool(matrix.isfinite().all()):
                raise ValueError(f"affinity must hold finite numbers [{len(x)}, {len(x)}], got {list(matrix.shape)}")
            return {"affinity": matrix}
        if self.objective.startswith("wasserstein"):
            return {"features": x, "distance": partial(distances, metric=chosen)}
        if self._kernel is None:
            return {"features": x}
        if isinstance(self._kernel, FeatureMap):
            return {"features": torch.cat([self._kernel(chunk) for chunk in x.split(65536)])}
        return {"affinity": GramOperator(x, self._kernel)}

    def _objective(
        self, model: nn.Module, x: Tensor, geometry: dict[str, Any], generator: torch.Generator | None
    ) -> Objective:
        objective: Objective = Gemini(self.objective, entropic=self.entropic, **geometry)
        if not self.adversarial_weight:
            return objective
        radius = 0.1 * total_variance(x) ** 0.5
        return VirtualAdversarial(objective, model, x, self.adversarial_weight, radius, generator)

    def _new_model(self, x: Tensor, device: torch.device, seed: int) -> nn.Module:
        return new_model(self.model, self.kernel, x, self.n_clusters, seed).to(device)

    def _fit_once(
        self, x: Tensor, geometry: dict[str, Any], device: torch.device, seed: int
    ) -> tuple[nn.Module, TrainingResult]:
        generator = torch.Generator().manual_seed(seed)
        model = self._new_model(x, device, seed)
        inputs = torch.arange(len(x), device=x.device) if self.model == "categorical" else x
        objective = self._objective(model, inputs, geometry, generator)
        if self.batch_size is None:
            return model, minimize_full_batch(model, objective, inputs, max_iter=self.max_iter, tol=self.tol)
        result = minimize_mini_batch(
            model,
            objective,
            inputs,
            batch_size=self.batch_size,
            max_iter=self.max_iter,
            learning_rate=self.learning_rate,
            schedule="constant",
            tol=self.tol,
            generator=generator,
        )
        features = geometry.get("features")
        if geometry and (features is None or "distance" in geometry):
            return model, result
        with torch.no_grad():
            logits = torch.cat([model(chunk.to(device)) for chunk in inputs.split(65536)])
            return model, result._replace(value=float(Gemini(self.objective, **geometry)(logits)))

    def _settle(self, x: Tensor, result: TrainingResult | None) -> None:
        """Set what the training samples get, and warn where they do not get what was asked for."""
        if self.model == "linear":
            self.coef_ = self.model_.coef.detach().cpu().numpy()  # type: ignore[operator]
            self.intercept_ = self.model_.intercept.detach().cpu().numpy()  # type: ignore[operator]
        inputs = torch.arange(len(x)) if self.model == "categorical" else x
        probs = probabilities(self.model_, inputs)
        self.labels_ = probs.argmax(1).astype(np.int32)
        self.marginal_ = probs.mean(0)
        for complaint in self._complaints(result):
            warnings.warn(complaint, ConvergenceWarning, stacklevel=3)

    def _complaints(self, result: TrainingResult | None) -> Iterator[str]:
        if len(np.unique(self.labels_)) == 1 and self.n_clusters > 1:
            yield (
                f"every sample is in one cluster ({self.objective} is {self.objective_:.2g}); raise n_init or max_iter,"
                " lower learning_rate, or standardise X"
            )
        if result is not None and not result.converged:
            yield (
                f"the search stopped before {self.objective} settled, after {result.n_iterations} iterations; raise "
                f"max_iter (now {self.max_iter}) or tol (now {self.tol:g})"
            )

    def _check_parameters(self) -> None:
        for name in ("n_clusters", "n_init", "max_iter"):
            check_whole(getattr(self, name), name)
        if self.batch_size is not None:
            check_whole(self.batch_size, "batch_size", 2)
        if self.entropic is not None:
            check_positive(self.entropic, "entropic")
        check_positive(self.learning_rate, "learning_rate")
        check_weight(self.tol, "tol")
        if check_weight(self.adversarial_weight, "adversarial_weight"):
            if self.batch_size is None:
                raise ValueError("adversarial training draws at random, which L-BFGS cannot follow; give a batch_size")
            if self.model == "categorical":
                raise ValueError("free logits have no input to perturb; set adversarial_weight=0")
        for name, allowed, other in (
            ("objective", OBJECTIVES, ()),
            ("model", MODELS, nn.Module),
            ("kernel", KERNELS, (Kernel, RandomFourierFeatures, Nystrom)),
            ("metric", DISTANCES, ()),
        ):
            given = getattr(self, name)
            if not isinstance(given, other) and given not in allowed:
                choices = ", ".join(map(repr, allowed))
                raise ValueError(f"{name} must be one of {choices}{' or an object' if other else ''}, got {given!r}")
