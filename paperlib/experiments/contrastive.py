"""Contrastive clustering from pixels: a trunk with cluster heads and an embedding, trained in one stage.

Source: Do, Tran and Venkatesh 2021 (CRLC, arXiv 2107.11635) and the authors' code. Unlike there, the cluster head is
chosen by its loss and the last weights are judged: no label has a part in either.
"""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from sklearn.cluster import KMeans
from torch import Tensor, nn

from paperlib import metrics
from paperlib._checks import check_whole
from paperlib.data import Dataset
from paperlib.estimators import NeighborClustering
from paperlib.experiments.cells import Measurement, checkpoints_of
from paperlib.experiments.contrastive_config import ContrastiveConfig, published
from paperlib.experiments.deep_network import augmentation, conv_net
from paperlib.experiments.fits import circumstances, judge, labels_of
from paperlib.experiments.image_sets import IMAGE_SETS, synthetic_images
from paperlib.experiments.image_splits import ImageSplits
from paperlib.experiments.pretrained_network import Normalized
from paperlib.information import entropy
from paperlib.models import ContrastiveNetwork, resnet34
from paperlib.runtime import resolve_device
from paperlib.training import TrainedRun, Views, best_head, head_losses, predict, train

__all__ = [
    "ContrastiveConfig",
    "ContrastiveFit",
    "features_of",
    "first_steps",
    "fit",
    "measure",
    "measure_second_stage",
    "measure_two_stages",
    "network",
    "published",
    "views",
]


def network(config: ContrastiveConfig, data: Dataset, generator: torch.Generator) -> ContrastiveNetwork:
    """The network before its first step, on the configuration's device."""
    trunk: nn.Module
    if config.network == "resnet34":
        given = IMAGE_SETS["cifar10"]
        resnet = resnet34(config.n_clusters, generator=generator)
        trunk, n_features = nn.Sequential(Normalized(given.mean, given.std), resnet.features), resnet.n_features
    else:
        conv = conv_net(config.n_clusters, data, generator)
        trunk, n_features = conv.features, conv.n_features
    model = ContrastiveNetwork(
        trunk, n_features, config.n_clusters, n_heads=config.n_heads, n_hidden=config.n_hidden, generator=generator
    )
    return model.to(resolve_device(config.device))


def views(data: Dataset) -> Views:
    """Every image in two views, changed in the same way."""
    change = augmentation(data, "conv_net")
    return Views(data.x, [change, change])


class ContrastiveFit(NamedTuple):
    """A trained network in evaluation mode, its run, and the loss of each head; the lowest is the chosen one."""

    model: ContrastiveNetwork
    run: TrainedRun
    losses: Tensor

    @property
    def head(self) -> int:
        """The place of the chosen head."""
        return best_head(self.losses)


def fit(
    config: ContrastiveConfig,
    task: ImageSplits,
    seed: int,
    *,
    folder: str | Path | None = None,
    progress: bool = False,
) -> ContrastiveFit:
    """Train on the images of ``task.train``; its labels are not looked at.

    Args:
        config: what is run.
        task: the images.
        seed: of first weights, order and views.
        folder: of the checkpoints, see `train`.
        progress: whether to draw a progress bar.
    """
    model = network(config, task.train, torch.Generator().manual_seed(seed))
    goal, seen = config.objective(), views(task.train)
    place = checkpoints_of(folder, f"{config.name}-{task.name}-{seed}")
    run = train(model, goal, seen, config.training(seed), folder=place, progress=progress)
    losses = head_losses(
        model,
        goal,
        seen,
        batch_size=config.batch_size,
        seed=seed,
        precision=config.precision,
        channels_last=True,
    )
    return ContrastiveFit(model.eval(), run, losses)


def measure(
    config: ContrastiveConfig, task: ImageSplits, seed: int, *, folder: str | Path | None = None
) -> Measurement:
    """Train, and judge the chosen head by the labels of the test images.

    Beside it stand the best head by these very labels and the mean over heads, which a paper may report, and K-means
    with ten starts on the trunk's features and on the embeddings, of length one, of the same test images.
    ``loss`` is the chosen head's, of the images that were trained on; ``entropy_of_shares`` that of its clusters' sizes
    among the test images, both in nats. The seconds are those of the steps.
    """
    model, run, losses = found = fit(config, task, seed, folder=folder)
    truth = labels_of(task.test)
    labels = predict(model, task.test.x, precision=config.precision, channels_last=True).argmax(-1).cpu()
    features, embeddings = features_of(config, model, task.test)
    chosen = labels[:, found.head]
    heads = [metrics.clustering_accuracy(truth, one) for one in labels.unbind(1)]
    measured = judge(truth, chosen) | {
        "clusters_used": metrics.clusters_used(chosen),
        "entropy_of_shares": float(entropy(chosen.bincount() / len(chosen))),
        "loss": float(losses.min()),
        "accuracy, best head by labels": max(heads),
        "accuracy, mean of heads": sum(heads) / len(heads),
    }
    for name, x in (("features", features), ("embeddings", embeddings)):
        kmeans = KMeans(config.n_clusters, n_init=10, random_state=seed).fit_predict(x.numpy())
        measured[f"accuracy, k-means of {name}"] = metrics.clustering_accuracy(truth, kmeans)
    made = circumstances(time.perf_counter(), config.device) | {"seconds": run.seconds}
    return measured, made


def features_of(config: ContrastiveConfig, model: ContrastiveNetwork, data: Dataset) -> tuple[Tensor, Tensor]:
    """Features of the trunk ``[n, d]``, and embeddings of length one ``[n, e]``, of images as they are; on the CPU."""
    features = predict(model.trunk, data.x, precision=config.precision, channels_last=True)
    with torch.no_grad():
        embeddings = nn.functional.normalize(model.embedding(features), dim=1)
    return features.cpu(), embeddings.cpu()


def measure_two_stages(
    config: ContrastiveConfig, objective: str, task: ImageSplits, seed: int, *, folder: str | Path | None = None
) -> Measurement:
    """Features first, clusters afterwards: the embeddings are learnt alone, kept, and clustered with their neighbours.

    Args:
        config: of the first stage, whose cluster heads are not trained.
        objective: of `NeighborClustering`, whose other settings are its defaults; or ``"k-means"``, with ten starts.
        task: the images.
        seed: of both stages.
        folder: of the checkpoints, see `train`; the first stage is found there by every objective.

    Returns:
        The metrics of the test images; the seconds of both stages, also where the first was found.
    """
    first = replace(config, cluster_weight=0.0)
    model, run, _ = fit(first, task, seed, folder=folder)
    seen, judged = (replace(data, x=features_of(first, model, data)[1]) for data in (task.train, task.test))
    measured, made = measure_second_stage(
        objective, seen, judged, seed, n_clusters=config.n_clusters, device=config.device
    )
    made["seconds"] += run.seconds
    return measured, made


def measure_second_stage(
    objective: str, seen: Dataset, judged: Dataset, seed: int, *, n_clusters: int, device: str | None = None
) -> Measurement:
    """Cluster frozen features by their neighbours.

    Args:
        objective: of `NeighborClustering`, whose other settings are its defaults; or ``"k-means"``, with ten starts.
        seen: features ``[n, d]`` to fit.
        judged: features to judge by.
        seed: of the fit.
        n_clusters: k.
        device: torch device.
    """
    began = time.perf_counter()
    if objective == "k-means":
        model: Any = KMeans(n_clusters, n_init=10, random_state=seed)
    else:
        model = NeighborClustering(n_clusters, objective=objective, device=device, random_state=seed)
    labels = model.fit(seen.x.numpy()).predict(judged.x.numpy())
    made = circumstances(began, device)
    return judge(labels_of(judged), labels) | {"clusters_used": metrics.clusters_used(labels)}, made


def first_steps(config: ContrastiveConfig, folder: str | Path, n_steps: int = 2) -> Measurement:
    """Real optimiser steps of a configuration on synthetic images of CIFAR-10's shape, stopped and resumed.

    Nothing is made smaller but the number of images: the network, the batch, the views and the optimiser are those of
    the run. After the last step its checkpoint is deleted, and a new network goes on from the one before.

    Args:
        config: of the run.
        folder: for the checkpoints, empty.
        n_steps: at least 2.

    Returns:
        ``loss``, of the last step; ``seconds_per_step``; ``difference after resuming``, the largest of any weight.
    """
    check_whole(n_steps, "n_steps", 2)
    data = synthetic_images("cifar10", config.batch_size).train
    settings = replace(config.training(0), epochs=n_steps)  # one step an epoch

    def run() -> tuple[nn.Module, TrainedRun]:
        model = network(config, data, torch.Generator().manual_seed(0))
        return model, train(model, config.objective(), views(data), settings, folder=folder, checkpoint_every=1)

    began = time.perf_counter()
    whole, done = run()
    made = circumstances(began, config.device)
    for kind in ("json", "safetensors"):
        max(Path(folder).glob(f"*.{kind}")).unlink()
    resumed, _ = run()
    pairs = zip(whole.state_dict().values(), resumed.state_dict().values(), strict=True)
    difference = max(float((a.double() - b.double()).abs().max()) for a, b in pairs)
    found = {"loss": done.history[-1]["loss"], "seconds_per_step": done.seconds / n_steps}
    return found | {"difference after resuming": difference}, made
