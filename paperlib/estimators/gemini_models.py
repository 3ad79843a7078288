"""The models that `GeminiClustering` knows by name, at their first values."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from paperlib.estimators.inputs import total_variance
from paperlib.kernels import Kernel, Nystrom, RandomFourierFeatures
from paperlib.models import MLP, LinearSoftmax
from paperlib.models.features import FreeLogits, Standardize

MODELS = ("linear", "mlp", "kernel", "categorical")
_CHUNK = 65536


def new_model(model: str | nn.Module, kernel: Any, x: Tensor, n_clusters: int, seed: int) -> nn.Module:
    """A model for samples like ``x`` ``[n, d]``, of the dtype of ``x``, on its device.

    Args:
        model: one of `MODELS`, or a module, of which a copy is made and drawn anew.
        kernel: of the kernel model; see `paperlib.estimators.GeminiClustering`.
        x: samples.
        n_clusters: :math:`k`.
        seed: of the first values.
    """
    generator = torch.Generator().manual_seed(seed)
    if isinstance(model, nn.Module):
        fresh = copy.deepcopy(model)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            fresh.apply(_draw_anew)
        return fresh.to(x)
    if model == "categorical":
        return FreeLogits(len(x), n_clusters, generator=generator).to(x)
    if model == "mlp":
        standardize = Standardize(x.mean(0), (total_variance(x) / x.shape[1]) ** 0.5 or 1.0)
        return nn.Sequential(standardize, MLP(x.shape[1], n_clusters, generator=generator)).to(x)
    if model == "linear":
        return linear_model(x, n_clusters, generator)
    if not isinstance(kernel, RandomFourierFeatures | Nystrom):
        if isinstance(kernel, str):
            kernel = Kernel("rbf" if kernel in ("linear", "precomputed") else kernel)  # type: ignore[arg-type]
        kernel = Nystrom(kernel=kernel)
    feature_map = kernel.fit(x, generator=generator)
    features = feature_map(x[torch.randperm(len(x), generator=generator)[:_CHUNK].to(x.device)])
    return nn.Sequential(feature_map, linear_model(features, n_clusters, generator))


def linear_model(x: Tensor, n_clusters: int, generator: torch.Generator) -> LinearSoftmax:
    """A linear softmax whose logits have unit variance over ``x`` ``[n, d]``, in random directions through its mean."""
    scale = total_variance(x) ** 0.5 or 1.0
    weight = torch.randn(n_clusters, x.shape[1], generator=generator, dtype=torch.float64).to(x) / scale
    mean = x.mean(0)
    return LinearSoftmax(weight, -weight @ mean, mean=mean, scale=scale)


@torch.no_grad()
def probabilities(model: nn.Module, inputs: Tensor) -> NDArray[np.floating[Any]]:
    """Predictions ``[n, k]`` on the CPU, in evaluation mode; ``inputs`` visit the model's device in parts."""
    like = next(model.parameters())
    was_training = model.training
    model.eval()
    parts = [
        model(part.to(like if part.is_floating_point() else like.device)).softmax(1).cpu()
        for part in inputs.split(_CHUNK)
    ]
    model.train(was_training)
    return torch.cat(parts).numpy()


def _draw_anew(part: nn.Module) -> None:
    reset = getattr(part, "reset_parameters", None)
    if callable(reset):
        reset()
