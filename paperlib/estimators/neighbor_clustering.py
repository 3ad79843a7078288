"""Clusters that nearest neighbours share: linear heads on frozen features."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import normalize
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import Tensor, nn

from paperlib._checks import check_choice, check_enough_samples, check_weight, check_whole
from paperlib.estimators.inputs import shared_tensor, total_variance
from paperlib.models import MultiHead
from paperlib.models.features import Standardize
from paperlib.neighbors import nearest_neighbors
from paperlib.runtime import resolve_device
from paperlib.training import (
    ClusterContrast,
    Crlc,
    EachHead,
    InvariantInformation,
    Scan,
    Temi,
    TrainingConfig,
    Views,
    best_head,
    predict,
    train,
)

ENTROPY_WEIGHTS = {"scan": 5.0, "temi": None, "crlc": 1.0, "crlc_prior": 1.0, "iic": 1.0, "cluster_contrast": None}
METRICS = ("cosine", "euclidean")
_LEARNING_RATE = 3e-2  # Adam's highest, on features of unit mean variance


class NeighborClustering(ClusterMixin, BaseEstimator):
    r"""Cluster so that a sample and its nearest neighbours agree, trained without labels.

    The second stage of SCAN (Van Gansbeke et al. 2020, arXiv 2005.12320) and TEMI (Adaloglou et al. 2023, arXiv
    2303.17896), and the two-stage variant of CRLC (Do, Tran and Venkatesh 2021, arXiv 2107.11635), on features that a
    pretrained network has given and that stay as they are. The neighbours are found once. Then several linear heads
    are trained on pairs, a sample and one of its neighbours drawn anew each time, and the head of lowest loss over all
    samples and all their neighbours is kept; labels are never used.

    Losses of different objectives are not comparable. The neighbours are all that the method knows beyond a linear
    softmax: where they mislead, so does it.

    Cost: O(n^2 d) time for the neighbours, without an ``n x n`` matrix; then O(n d k h) a pass over the data for h
    heads, and memory for ``X``, the neighbours, and logits ``[n, h, k]`` of all samples.

    Parameters
    ----------
    n_clusters : int, default=8
        Number of clusters k. Some may end up empty, which is warned of.
    objective : str, default="scan"
        What is minimised on pairs:

        - ``"scan"``: :func:`paperlib.losses.scan_loss`;
        - ``"temi"``: :func:`paperlib.losses.temi_loss` with a running prior and the power 0.6, without a teacher;
        - ``"crlc"``, ``"crlc_prior"``: :func:`paperlib.losses.probability_contrastive_loss` with the published critic
          ``"log_dot"`` and with ``"log_dot_prior"``, less the entropy of the mean prediction
          (:class:`paperlib.training.Crlc` without embeddings);
        - ``"iic"``: :func:`paperlib.losses.invariant_information_loss`;
        - ``"cluster_contrast"``: :func:`paperlib.losses.cluster_contrastive_loss`.
    entropy_weight : float, default=None
        How much equal shares are asked for: the weight of the entropy of the mean prediction, or of the marginals in
        IIC. None is what was published: 5 for SCAN, 1 for the others. TEMI and the contrast of clusters have no such
        weight and do not use it.
    metric : {"cosine", "euclidean"}, default="cosine"
        Of the neighbours. With ``"cosine"`` samples are scaled to length one, also for the heads; a row of zeros stays
        one, equally far from all others.
    n_neighbors : int, default=20
        Neighbours of a sample; all others where there are fewer.
    n_heads : int, default=10
        Heads, each from its own random start; the lowest loss wins.
    epochs : int, default=50
        Passes over the data, at a learning rate that rises once and falls to zero.
    batch_size : int, default=256
        Samples in a batch, each with a neighbour; all where there are fewer. SCAN's predictions cannot become sure
        below ``entropy_weight * n_clusters / 2``.
    device : str or torch.device, default=None
        Where to compute; None takes a CUDA device if there is one.
    random_state : int, RandomState instance or None, default=None
        Seeds heads, batches and the draw of neighbours.

    Attributes
    ----------
    coef_ : ndarray of shape (n_clusters, n_features)
        The rows of the head that was kept, for samples of length one with ``metric="cosine"``.
    intercept_ : ndarray of shape (n_clusters,)
        Its biases.
    labels_ : ndarray of shape (n_samples,)
        Most probable cluster of each training sample.
    loss_ : float
        The objective reached, over all samples and all their neighbours, in nats.
    head_losses_ : ndarray of shape (n_heads,)
        The same for each head; a wide spread says that the landscape is rugged.
    marginal_ : ndarray of shape (n_clusters,)
        Mean prediction.
    n_features_in_ : int
        Number of features seen in ``fit``.

    Examples
    --------
    >>> from paperlib.data import gaussian_blobs
    >>> from paperlib.estimators import NeighborClustering
    >>> x = gaussian_blobs(300, 3, seed=0).x
    >>> NeighborClustering(3, metric="euclidean", epochs=10, random_state=0).fit(x).labels_.shape
    (300,)
    """

    def __init__(
        self,
        n_clusters: int = 8,
        *,
        objective: str = "scan",
        entropy_weight: float | None = None,
        metric: str = "cosine",
        n_neighbors: int = 20,
        n_heads: int = 10,
        epochs: int = 50,
        batch_size: int = 256,
        device: str | torch.device | None = None,
        random_state: Any = None,
    ) -> None:
        self.n_clusters = n_clusters
        self.objective = objective
        self.entropy_weight = entropy_weight
        self.metric = metric
        self.n_neighbors = n_neighbors
        self.n_heads = n_heads
        self.epochs = epochs
        self.batch_size = batch_size
        self.device = device
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: Any = None) -> NeighborClustering:
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
        x = shared_tensor(self._points(data)).to(resolve_device(self.device))
        neighbors = self._neighbors(x)
        seed = int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))
        standardize = Standardize(x.mean(0), (total_variance(x) / x.shape[1]) ** 0.5 or 1.0)
        inputs = standardize(x)
        generator = torch.Generator().manual_seed(seed)
        heads = MultiHead(nn.Identity(), x.shape[1], self.n_clusters, n_heads=self.n_heads, generator=generator).to(x)
        pairs = Views(inputs, (None, None), neighbors)
        config = TrainingConfig(self.epochs, min(self.batch_size, len(x)), _LEARNING_RATE, seed=seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of the first head, which need not be the one that is kept
            try:
                train(heads, self._objective(), pairs, config)
            except FloatingPointError as error:
                weight = f"entropy_weight={self.entropy_weight!r}"
                raise ValueError(f"the objective overflowed ({error}); lower {weight}, or rescale X") from error
        logits = predict(heads, inputs)
        losses = self._losses(logits, neighbors)
        best = best_head(losses)
        self.head_losses_, self.loss_ = losses.cpu().numpy(), float(losses[best])
        coef = heads.weight[best].detach() / standardize.scale
        self.coef_ = coef.cpu().numpy()
        self.intercept_ = (heads.bias[best].detach() - coef @ standardize.mean).cpu().numpy()
        probs = logits[:, best].softmax(1).cpu().numpy()
        self.labels_ = probs.argmax(1).astype(np.int32)
        self.marginal_ = probs.mean(0)
        used = len(np.unique(self.labels_))
        if used < self.n_clusters:
            warnings.warn(
                f"{used} of {self.n_clusters} clusters are used; raise epochs (now {self.epochs}) or n_heads, "
                "raise entropy_weight where the objective has one, or ask for fewer clusters",
                ConvergenceWarning,
                stacklevel=2,
            )
        return self

    def predict(self, X: ArrayLike) -> NDArray[np.int32]:
        """Most probable cluster of each row of ``X``, shape ``(n_samples,)``."""
        return self.predict_proba(X).argmax(1).astype(np.int32)

    def predict_proba(self, X: ArrayLike) -> NDArray[np.floating[Any]]:
        """Probability of each cluster for each row of ``X``, shape ``(n_samples, n_clusters)``."""
        check_is_fitted(self)
        data = validate_data(self, X, dtype=[np.float64, np.float32], reset=False)
        return softmax(self._logits(self._points(data)), axis=1)

    def score(self, X: ArrayLike, y: Any = None) -> float:
        """Minus the objective on ``X`` and the neighbours within it; higher is better. ``y`` is ignored.

        Score on enough samples to hold every cluster and near neighbours.
        """
        check_is_fitted(self)
        data = validate_data(self, X, dtype=[np.float64, np.float32], reset=False, ensure_min_samples=2)
        points = self._points(data)
        logits = torch.from_numpy(self._logits(points)).unsqueeze(1)
        return -float(self._losses(logits, self._neighbors(shared_tensor(points))))

    def _points(self, data: NDArray[Any]) -> NDArray[Any]:
        """The samples as neighbours are found and heads are trained."""
        return normalize(data) if self.metric == "cosine" else data

    def _neighbors(self, x: Tensor) -> Tensor:
        """The places ``[n, m]`` of the neighbours among the points; of points of length one, cosine orders them so."""
        return nearest_neighbors(x, min(self.n_neighbors, len(x) - 1), metric="euclidean")[1]

    def _logits(self, points: NDArray[Any]) -> NDArray[np.floating[Any]]:
        return points @ self.coef_.T + self.intercept_

    def _objective(self) -> EachHead | Temi | Crlc:
        """A new one, since some keep a running prior."""
        given = ENTROPY_WEIGHTS[self.objective] if self.entropy_weight is None else self.entropy_weight
        weight = 1.0 if given is None else given
        match self.objective:
            case "scan":
                return EachHead(Scan(weight))
            case "temi":
                return Temi()
            case "crlc":
                return Crlc("log_dot", weight, feature_weight=0.0)
            case "crlc_prior":
                return Crlc("log_dot_prior", weight, feature_weight=0.0)
            case "iic":
                return EachHead(InvariantInformation(weight))
            case _:
                return EachHead(ClusterContrast())

    @torch.no_grad()
    def _losses(self, logits: Tensor, neighbors: Tensor) -> Tensor:
        """The objective of each head, shape ``[h]``, for logits ``[n, h, k]``: a mean over each sample's neighbours."""
        objective = self._objective()
        pairs = (torch.stack((logits, logits[column])) for column in neighbors.unbind(1))
        return torch.stack([objective.per_head(pair) for pair in pairs]).mean(0)

    def _check_parameters(self) -> None:
        for name in ("n_clusters", "n_neighbors", "n_heads", "epochs"):
            check_whole(getattr(self, name), name)
        check_whole(self.batch_size, "batch_size", 2)
        if self.entropy_weight is not None:
            check_weight(self.entropy_weight, "entropy_weight")
        check_choice(self.objective, "objective", tuple(ENTROPY_WEIGHTS))
        if self.objective == "cluster_contrast":
            check_whole(self.n_clusters, "n_clusters, of a contrast of clusters,", 2)
        check_choice(self.metric, "metric", METRICS)
