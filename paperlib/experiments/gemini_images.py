"""GEMINI on images: one network, one objective, and where the objective takes its geometry from.

Source: Ohl et al., arXiv 2210.06300, and the authors' code, whose settings these are.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from sklearn.cluster import KMeans
from torch import Tensor, nn
from torch.nn.functional import interpolate

from paperlib import metrics
from paperlib._checks import check_choice, check_positive, check_weight, check_whole
from paperlib.experiments.cells import Measurement
from paperlib.experiments.fits import circumstances, judge
from paperlib.experiments.gemini_images_data import Images, ImageTask
from paperlib.experiments.gemini_toy import LOG_FLOOR
from paperlib.kernels import squared_distances
from paperlib.losses.gemini import METRICS, OBJECTIVES
from paperlib.models import MLP, LeNet5
from paperlib.runtime import resolve_device
from paperlib.training import Gemini, Objective, TrainingResult, VirtualAdversarial, minimize_mini_batch

ModelName = Literal["mlp", "lenet5"]
Geometry = Literal["pixels", "features"]
MODELS: tuple[ModelName, ...] = get_args(ModelName)
GEOMETRIES: tuple[Geometry, ...] = get_args(Geometry)
GEOMETRIC = tuple(name for name in OBJECTIVES if name.startswith(METRICS))
STEPS = (0, 1, 2, 3, 5, 10, 20)


@dataclass(frozen=True)
class GeminiImagesConfig:
    """One run. The defaults are the authors' for MNIST, but for the number of epochs.

    Attributes:
        model: ``"mlp"``, with 1,200 hidden ReLUs, or ``"lenet5"``, whose last hidden layer has 84 features for grey
            images and 250 for others.
        objective: one of `paperlib.losses.gemini`, maximised.
        n_clusters: k.
        vat_weight: of virtual adversarial training; 0 for none.
        radius: of its perturbation, in the unit of what the network sees.
        geometry: what ``mmd`` (with the linear kernel) and ``wasserstein`` compare.
        squared: squared Euclidean distances (the authors' choice for MNIST) instead of Euclidean ones (for CIFAR10).
        epochs: passes over the images; the last one is judged.
        batch_size: images a step.
        learning_rate: Adam's, constant.
        device: by default CUDA where there is one.
        size: the name of this size in the rows.

    Raises:
        ValueError: if a name is none of those, or a number is out of its range.
    """

    model: ModelName = "mlp"
    objective: str = "mmd_ova"
    n_clusters: int = 10
    vat_weight: float = 0.0
    radius: float = 1.0
    geometry: Geometry = "pixels"
    squared: bool = True
    epochs: int = 1
    batch_size: int = 250
    learning_rate: float = 1e-3
    device: str | None = None
    size: str = "smoke"

    def __post_init__(self) -> None:
        for name, allowed in (("model", MODELS), ("objective", OBJECTIVES), ("geometry", GEOMETRIES)):
            check_choice(getattr(self, name), name, allowed)
        for name in ("n_clusters", "epochs", "batch_size"):
            check_whole(getattr(self, name), name)
        check_weight(self.vat_weight, "vat_weight")
        check_weight(self.radius, "radius")
        check_positive(self.learning_rate, "learning_rate")

    @property
    def method(self) -> str:
        """What the rows call it."""
        words = [self.objective, self.model, f"K={self.n_clusters}", f"VAT {self.vat_weight:g}"]
        words += [self.geometry] if self.objective in GEOMETRIC else []
        return ", ".join([*words, f"{self.epochs} epochs"])


def train(
    config: GeminiImagesConfig, task: ImageTask, seed: int, network: nn.Module | None = None
) -> tuple[nn.Module, TrainingResult]:
    """Train on the images of ``task.train``; its labels are not looked at.

    Args:
        config: what is run.
        task: the images.
        seed: of the first weights, of the order of the images, and of the first directions of VAT.
        network: instead of that of the configuration, to train in place; maps images to logits ``[b, n_clusters]``.

    Returns:
        The network, and its training; the value is minus the objective plus the weighted VAT.

    Raises:
        ValueError: if the geometry is that of features, and the task has none.
    """
    model, x, objective, generator = _prepare(config, task, seed, network)
    found = minimize_mini_batch(
        model,
        objective,
        x,
        batch_size=config.batch_size,
        max_iter=config.epochs,
        learning_rate=config.learning_rate,
        schedule="constant",
        generator=generator,
    )
    return model, found


@torch.no_grad()
def predict(config: GeminiImagesConfig, model: nn.Module, images: Images) -> Tensor:
    """Logits of all images, shape ``[n, k]``, on the CPU."""
    device = next(model.parameters()).device
    model.eval()
    return torch.cat([model(part.to(device)).cpu() for part in _inputs(config, images.x).split(1000)])


def measure(config: GeminiImagesConfig, task: ImageTask, seed: int, network: nn.Module | None = None) -> Measurement:
    """Train, and judge the last epoch by the labels: scores of the test images, and as ``train_...`` of the others.

    ``loss`` is the mean over the batches of the last epoch, in the objective's own unit.
    """
    began = time.perf_counter()
    model, found = train(config, task, seed, network)
    made = circumstances(began, config.device)
    test, seen = (predict(config, model, part).argmax(1) for part in (task.test, task.train))
    return {"loss": found.value, **_scores(task, test, seen)}, made


def first_steps(config: GeminiImagesConfig, task: ImageTask, seed: int) -> Measurement:
    """What `train` passes through at the first `STEPS`, each before its step and on its batch.

    ``objective``; ``penalty``, the weighted VAT; ``largest_share``, the mean prediction of the likeliest cluster.
    """
    began = time.perf_counter()
    model, x, objective, generator = _prepare(config, task, seed)
    alone, measured = _objective(config, task, x), {}
    optimizer = torch.optim.Adam(model.parameters(), lr=config.learning_rate)
    device = next(model.parameters()).device
    for step, batch in enumerate(torch.randperm(len(x), generator=generator).split(config.batch_size)[: STEPS[-1] + 1]):
        logits = model(x[batch].to(device))
        total = objective(logits, batch)
        if step in STEPS:
            value = float(alone(logits.detach(), batch))
            measured[f"objective, step {step}"] = -value
            measured[f"penalty, step {step}"] = float(total.detach()) - value
            measured[f"largest_share, step {step}"] = float(logits.detach().softmax(1).mean(0).max())
        optimizer.zero_grad(set_to_none=True)
        total.backward()
        optimizer.step()
    return measured, circumstances(began, config.device)


def kmeans(task: ImageTask, geometry: Geometry, seed: int, n_clusters: int = 10) -> Measurement:
    """K-means on pixels or features, the best of three starts; test images go to the nearest centre."""
    began = time.perf_counter()
    train, test = (_points(part, geometry).numpy() for part in (task.train, task.test))
    model = KMeans(n_clusters, n_init=3, random_state=seed).fit(train)
    made = circumstances(began)
    measured = {"loss": model.inertia_ / len(train)}
    return measured | _scores(task, torch.from_numpy(model.predict(test)), torch.from_numpy(model.labels_)), made


def _scores(task: ImageTask, test: Tensor, seen: Tensor) -> dict[str, float]:
    scores = judge(task.test.y, test) | {"clusters_used": metrics.clusters_used(test)}
    return scores | {f"train_{name}": value for name, value in judge(task.train.y, seen).items()}


@dataclass(frozen=True)
class _Floored:
    """An objective of probabilities that are at least 1e-12, as in the authors' code; else ``kl_ovo`` had no bound."""

    objective: Objective

    def __call__(self, logits: Tensor, index: Tensor | None = None) -> Tensor:
        return self.objective(logits.log_softmax(-1).clamp_min(LOG_FLOOR), index)


def _prepare(
    config: GeminiImagesConfig, task: ImageTask, seed: int, network: nn.Module | None = None
) -> tuple[nn.Module, Tensor, Objective, torch.Generator]:
    """The network on its device, what it sees, what it minimises, and the generator of the order of the images."""
    device, generator = resolve_device(config.device), torch.Generator().manual_seed(seed)
    x = _inputs(config, task.train.x)
    model = (_network(config, x, generator) if network is None else network).to(device)
    objective = _objective(config, task, x)
    if config.vat_weight:
        directions = torch.Generator(device).manual_seed(seed)
        objective = VirtualAdversarial(objective, model, x, config.vat_weight, config.radius, directions)
    return model, x, objective, generator


def _objective(config: GeminiImagesConfig, task: ImageTask, x: Tensor) -> Objective:
    if config.objective not in GEOMETRIC:
        return _Floored(Gemini(config.objective))
    points = x.flatten(1) if config.geometry == "pixels" else _points(task.train, config.geometry)
    if config.objective.startswith("mmd"):
        return _Floored(Gemini(config.objective, points))
    return _Floored(Gemini(config.objective, points, distance=_squared if config.squared else _euclidean))


def _squared(x: Tensor) -> Tensor:
    return squared_distances(x, x).fill_diagonal_(0)


def _euclidean(x: Tensor) -> Tensor:
    return _squared(x).sqrt()


def _points(images: Images, geometry: Geometry) -> Tensor:
    if geometry == "pixels":
        return images.x.flatten(1)
    if images.features is None:
        raise ValueError("geometry='features' needs images with features, and these have none; use 'pixels'")
    return images.features


def _network(config: GeminiImagesConfig, x: Tensor, generator: torch.Generator) -> nn.Module:
    if config.model == "mlp":
        return MLP(x[0].numel(), config.n_clusters, hidden=(1200,), generator=generator)
    width = 84 if x.shape[1] == 1 else 250
    return LeNet5(config.n_clusters, in_channels=x.shape[1], n_features=width, generator=generator)


def _inputs(config: GeminiImagesConfig, x: Tensor) -> Tensor:
    """Images as the network sees them: LeNet-5 has grey ones as one channel, enlarged to 32 x 32."""
    if config.model == "mlp" or x.ndim == 4:
        return x
    x = x.unsqueeze(1)
    return x if x.shape[-1] == 32 else interpolate(x, size=(32, 32), mode="bilinear", align_corners=False)
