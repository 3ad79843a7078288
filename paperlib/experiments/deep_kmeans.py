"""Soft regularised K-means with a convolutional autoencoder, and K-means on pixels and on codes.

Source: Jabi, Pedersoli, Mitiche and Ben Ayed, arXiv 1810.04246, and the authors' published code.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import torch
from sklearn.cluster import KMeans

from paperlib import metrics
from paperlib._checks import check_positive
from paperlib.experiments.cells import Measurement, checkpoints_of
from paperlib.experiments.fits import circumstances, judge, labels_of
from paperlib.experiments.image_splits import ImageSplits
from paperlib.models import ConvAutoencoder
from paperlib.runtime import resolve_device
from paperlib.training import CodeAndError, DeepSoftKMeans, Reconstruction, TrainingConfig, Views, predict, train


@dataclass(frozen=True)
class DeepKMeansConfig:
    """One run.

    Attributes:
        n_clusters: k, and the number of entries of a code.
        pretraining: passes with the reconstruction alone (the authors': up to 4,000, with early stopping).
        epochs: passes with both terms; centres and assignments are renewed at each (the authors': up to 500).
        penalty: of the method.
        batch_size: images a step.
        learning_rate: Adam's, constant, in both parts (the authors': 1e-4, then 1e-3).
        device: by default CUDA where there is one.
        size: the name of this size in the rows.

    Raises:
        ValueError: if a number is out of its range.
    """

    n_clusters: int = 10
    pretraining: float = 10.0
    epochs: float = 10.0
    penalty: float = 1e-4
    batch_size: int = 100
    learning_rate: float = 1e-3
    device: str | None = None
    size: str = "laptop"

    def __post_init__(self) -> None:
        check_positive(self.penalty, "penalty")
        self.training(0, self.pretraining), self.training(0, self.epochs)

    @property
    def name(self) -> str:
        """What the rows call it."""
        passes = f"{self.pretraining:g} + {self.epochs:g} epochs"
        return f"soft_regularized_kmeans, autoencoder, penalty {self.penalty:g}, {passes}"

    def training(self, seed: int, epochs: float) -> TrainingConfig:
        """The settings of the loop for one of the two parts."""
        return TrainingConfig(
            epochs=epochs,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            schedule="constant",
            channels_last=True,
            seed=seed,
        )


def measure(config: DeepKMeansConfig, task: ImageSplits, seed: int, *, folder: str | Path | None = None) -> Measurement:
    """Pretrain, cluster, and judge the last model by the labels of the test images.

    ``accuracy, pixels`` and ``accuracy, codes`` are of K-means on the training images' pixels and on the pretrained
    codes, which the method starts from, with the nearest centre for each test image.
    """
    began = time.perf_counter()
    data, generator = task.train, torch.Generator().manual_seed(seed)
    channels, side = (1 if data.x.ndim == 3 else 3), data.x.shape[-1]
    autoencoder = ConvAutoencoder(config.n_clusters, in_channels=channels, image_size=side, generator=generator)
    model = CodeAndError(autoencoder).to(resolve_device(config.device))
    own = [checkpoints_of(folder, f"{config.name}-{task.name}-{seed}-{part}") for part in "ab"]
    train(model, Reconstruction(), Views(data.x), config.training(seed, config.pretraining), folder=own[0])
    found = {}
    pixels = [Views(part.x).samples(slice(None)).flatten(1) for part in (data, task.test)]
    codes = [predict(model, part.x).cpu() for part in (data, task.test)]
    for name, (seen, judged) in {"pixels": pixels, "codes": codes}.items():
        kmeans = KMeans(config.n_clusters, n_init=3, random_state=seed).fit(seen.numpy())
        nearest = kmeans.predict(judged.numpy())
        found[f"accuracy, {name}"] = metrics.clustering_accuracy(labels_of(task.test), nearest)
    per_epoch = len(data) // config.batch_size
    objective = DeepSoftKMeans(config.n_clusters, refresh_every=per_epoch, penalty=config.penalty, seed=seed)
    run = train(model, objective, Views(data.x), config.training(seed, config.epochs), folder=own[1])
    labels = objective.posterior_logits(predict(model, task.test.x)).argmax(1).cpu()
    found |= judge(labels_of(task.test), labels)
    found |= {"clusters_used": metrics.clusters_used(labels), "loss": run.history[-1]["loss"]}
    return found, circumstances(began, config.device)


def measure_pixels(task: ImageSplits, seed: int) -> Measurement:
    """K-means on the pixels of the training images, the best of three starts; test images go to the nearest centre."""
    began = time.perf_counter()
    seen, judged = (Views(part.x).samples(slice(None)).flatten(1).numpy() for part in (task.train, task.test))
    kmeans = KMeans(task.n_classes, n_init=3, random_state=seed).fit(seen)
    made = circumstances(began, "cpu")
    return judge(labels_of(task.test), kmeans.predict(judged)) | {"loss": kmeans.inertia_ / len(seen)}, made
