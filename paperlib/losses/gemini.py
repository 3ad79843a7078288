"""Generalised mutual information (GEMINI): twelve objectives behind one function."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from paperlib._checks import check_positive, check_whole
from paperlib.losses import f_divergences
from paperlib.losses.mmd import SymmetricOperator, mmd_from_features, mmd_from_gram
from paperlib.losses.wasserstein import wasserstein

DIVERGENCES = ("kl", "tv", "hellinger", "chi2")
METRICS = ("mmd", "wasserstein")
OBJECTIVES = tuple(f"{distance}_{kind}" for distance in (*DIVERGENCES, *METRICS) for kind in ("ova", "ovo"))


def gemini(
    logits: Tensor,
    objective: str = "mmd_ova",
    *,
    features: Tensor | None = None,
    affinity: Tensor | SymmetricOperator | None = None,
    entropic: float | None = None,
    n_pairs: int | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    r"""Generalised mutual information between input and predicted cluster; to *maximise*, at least zero.

    .. math::
        \text{ova: } \sum_c \pi_c\, D(p(x|c) \,\|\, p(x)), \qquad
        \text{ovo: } \sum_{ab} \pi_a \pi_b\, D(p(x|a) \,\|\, p(x|b)).

    Source: Ohl et al., arXiv 2210.06300. ``"kl_ova"`` is mutual information. The divergences see predictions alone;
    ``mmd`` and ``wasserstein`` see where the samples lie. All are zero where the prediction does not depend on the
    input. A cluster without samples changes neither value nor gradient. The formula, range and cost of each is in
    `paperlib.losses.f_divergences`, `paperlib.losses.mmd` and `paperlib.losses.wasserstein`.

    Args:
        logits: unnormalised log-probabilities, shape ``[..., n, k]``; leading axes are problems of their own, such as
            seeds that train as one batch.
        objective: ``"kl"``, ``"tv"``, ``"hellinger"`` (squared), ``"chi2"``, ``"mmd"`` or ``"wasserstein"``, and
            ``"_ova"`` (a cluster against all data) or ``"_ovo"`` (against another cluster).
        features: shape ``[..., n, d]``. ``mmd``: the explicit features of a kernel (the samples themselves are those of
            the linear one), with which no ``n x n`` matrix is made. ``wasserstein``: points, Euclidean distances apart.
        affinity: instead of ``features``, ``[..., n, n]``. ``mmd``: Gram matrix of a kernel, or an operator that
            multiplies by it, such as `paperlib.kernels.GramOperator`. ``wasserstein``: distances.
        entropic: ``wasserstein`` by Sinkhorn divergences with this weight of the entropy, in the unit of the distances,
            on the device of the logits; None for exact distances, which need the extra ``transport`` and visit the CPU.
        n_pairs: ``wasserstein_ovo`` estimated, without bias, from so many random pairs of clusters; None for all.
        generator: draws the pairs.

    Returns:
        Shape ``[...]``. Nats for ``kl``; the unit of features or distances for ``mmd`` and ``wasserstein``.

    Raises:
        TypeError: if ``logits`` or what goes with it is no floating-point tensor.
        ValueError: if there is no such objective, a shape does not fit, or an option is of no use to the objective.
    """
    _check_logits(logits)
    if objective not in OBJECTIVES:
        raise ValueError(f"objective must be one of {', '.join(OBJECTIVES)}, got {objective!r}")
    distance, kind = objective.split("_")
    n = logits.shape[-2]
    if distance in DIVERGENCES:
        for name, value in (("features", features), ("affinity", affinity)):
            if value is not None:
                raise ValueError(f"{objective} does not see where samples lie; leave {name} out, or use mmd_{kind}")
    elif (features is None) == (affinity is None):
        given = "neither" if features is None else "both"
        raise ValueError(f"{objective} needs either features or affinity, got {given}")
    if features is not None:
        _check_beside(features, "features", logits)
    if isinstance(affinity, Tensor):
        _check_beside(affinity, "affinity", logits)
    if affinity is not None and tuple(affinity.shape[-2:]) != (n, n):
        raise ValueError(f"affinity must have shape [{n}, {n}] for {n} samples, got {list(affinity.shape)}")
    _check_options(objective, entropic, n_pairs)

    if distance == "mmd":
        if features is not None:
            return mmd_from_features(logits, features, ovo=kind == "ovo")
        return mmd_from_gram(logits.softmax(-1), affinity, ovo=kind == "ovo")  # type: ignore[arg-type]
    # A softmax over few neighbouring numbers is slow: clusters first.
    log_probs = _without_dead_columns(logits.mT.log_softmax(-2).mT)
    if distance != "wasserstein":
        return getattr(f_divergences, objective)(log_probs)
    if features is not None:
        affinity = torch.cdist(features, features, compute_mode="donot_use_mm_for_euclid_dist")  # zeros on the diagonal
    if not isinstance(affinity, Tensor):
        raise TypeError(f"{objective} needs distances as a tensor, got {type(affinity).__name__}")
    return wasserstein(log_probs, affinity, ovo=kind == "ovo", entropic=entropic, n_pairs=n_pairs, generator=generator)


def _without_dead_columns(log_probs: Tensor) -> Tensor:
    """Put a finite logarithm, of a probability that is zero all the same, where a column is minus infinity throughout.

    Else the marginal of such a cluster had a gradient that is no number.
    """
    dead = (log_probs == -math.inf).all(-2, keepdim=True)
    return log_probs.masked_fill(dead, -1e4)


def _check_logits(logits: Tensor) -> None:
    if not isinstance(logits, Tensor) or not logits.is_floating_point():
        kind = logits.dtype if isinstance(logits, Tensor) else type(logits).__name__
        raise TypeError(f"logits must be a floating-point tensor, got {kind}; use torch.as_tensor(..).float()")
    if logits.ndim < 2 or 0 in logits.shape:
        raise ValueError(f"logits must have shape [..., n >= 1, k >= 1], got {list(logits.shape)}")


def _check_beside(value: Tensor, name: str, logits: Tensor) -> None:
    if not isinstance(value, Tensor) or value.dtype != logits.dtype:
        kind = value.dtype if isinstance(value, Tensor) else type(value).__name__
        raise TypeError(f"{name} must be a tensor of the logits' {logits.dtype}, got {kind}; use {name}.to(logits)")
    if value.ndim < 2 or value.shape[-2] != logits.shape[-2]:
        raise ValueError(
            f"{name} must have shape [..., {logits.shape[-2]}, ...], a row for each sample, got {list(value.shape)}"
        )


def _check_options(objective: str, entropic: float | None, n_pairs: int | None) -> None:
    if entropic is not None:
        check_positive(entropic, "entropic")
        if not objective.startswith("wasserstein"):
            raise ValueError(f"entropic is for wasserstein objectives, not for {objective}; leave it out")
    if n_pairs is not None:
        check_whole(n_pairs, "n_pairs")
        if objective != "wasserstein_ovo":
            raise ValueError(f"n_pairs is for wasserstein_ovo, not for {objective}; leave it out")
