"""Supervised learning from wrong labels: a linear softmax under each coupling, as ever more labels are replaced."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import get_args

import torch
from torch import Tensor

from paperlib.data import load
from paperlib.experiments.fits import circumstances, fit_to_labels
from paperlib.experiments.results import Row
from paperlib.losses.self_labeling import Divergence

TOLD = ("level", "each", "nothing")
SMOOTHING = 0.05  # least confusion in the labels of the reverse cross-entropy, which is infinite for zeros


@dataclass(frozen=True)
class LabelNoiseConfig:
    """What is run; true labels are used on the test samples alone.

    Attributes:
        n_seeds: seeds 0, 1, ... of the samples drawn and of the noise.
        dataset: a labelled data set; one without a test split is split.
        levels: probabilities with which a label is replaced by a class drawn at random.
        told: what the soft labels know: ``"level"``, the probability, one for all; ``"each"``, the probability, one for
            each label, with the level as mean; ``"nothing"``, labels are one-hot.
        couplings: values of ``divergence`` in :func:`paperlib.losses.self_labeling_loss`.
        prices: penalties tried, as shares of the critical gamma. Reported are the one whose model predicts most of the
            noisy labels that were held out, and the least.
        n_train: samples with labels; a fifth of them is held out to choose the price.
        size: the name of this size in the rows.
    """

    n_seeds: int = 2
    dataset: str = "digits"
    levels: tuple[float, ...] = (0.0, 0.4, 0.8)
    told: tuple[str, ...] = ("level",)
    couplings: tuple[Divergence, ...] = get_args(Divergence)
    prices: tuple[float, ...] = (0.3, 0.1, 0.03, 0.01, 0.001)
    n_train: int = 500
    size: str = "smoke"


# What results/label_noise.csv holds: `write_rows("results/label_noise.csv", run(LAPTOP))`.
LAPTOP = LabelNoiseConfig(
    n_seeds=6,
    dataset="fashion_mnist_mobilenet_v2",
    levels=(0.0, 0.2, 0.4, 0.6, 0.8, 0.9),
    told=TOLD,
    prices=(1.0, 0.3, 0.1, 0.03, 0.01, 0.001),
    n_train=1250,
    size="laptop",
)


def run(config: LabelNoiseConfig) -> Iterator[Row]:
    """Train under each coupling for each seed and level; yield accuracies on the test samples, by true labels.

    With ``told="nothing"`` the collision cross-entropy is the usual one, and is left out.
    """
    for seed in range(config.n_seeds):
        x, y, x_test, y_test = _split(config, seed)
        n_classes, n_fit = int(y.max()) + 1, config.n_train - config.n_train // 5
        for told in config.told:
            for level in config.levels:
                generator = torch.Generator().manual_seed(seed)
                labels, confusion = replace_labels(y, level, n_classes, each=told == "each", generator=generator)
                for coupling in config.couplings:
                    if told == "nothing" and coupling == "collision_cross_entropy":
                        continue
                    known = confusion * (told != "nothing")
                    targets = soft_labels(labels, known, n_classes, coupling=coupling)
                    began, found = time.perf_counter(), []
                    for price in config.prices:
                        model = fit_to_labels(x[:n_fit], targets[:n_fit], coupling, price)
                        held_out = float((model(x[n_fit:]).argmax(1) == labels[n_fit:]).double().mean())
                        correct = float((model(x_test).argmax(1) == y_test).double().mean())
                        found.append((held_out, price, correct))
                    made = circumstances(began)
                    for name, (_, _, accuracy) in (
                        ("price chosen", max(found)),
                        ("least price", min(found, key=lambda one: one[1])),
                    ):
                        yield Row(
                            paper="zhang2023collision",
                            table="label noise",
                            dataset=f"{config.dataset}/{'all' if config.dataset == 'digits' else 'test'}",
                            method=f"{coupling}, told {told}, noise {level:g}, {name}",
                            size=config.size,
                            seed=seed,
                            metric="accuracy",
                            value=accuracy,
                            **made,
                        )


def replace_labels(
    y: Tensor, level: float, n_classes: int, *, each: bool, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Labels of which some were replaced by a class drawn at random, and the probability of that for each.

    Args:
        y: true labels, shape ``[n]``.
        level: mean probability of being replaced, from 0 to 1.
        n_classes: k.
        each: whether every label has a probability of its own, drawn from the widest interval around the level.
        generator: draws all.

    Returns:
        Labels and probabilities, shape ``[n]`` both.
    """
    spread = min(level, 1 - level) if each else 0.0
    confusion = level + spread * (2 * torch.rand(len(y), generator=generator, dtype=torch.float64) - 1)
    replaced = torch.rand(len(y), generator=generator, dtype=torch.float64) < confusion
    return torch.where(replaced, torch.randint(n_classes, (len(y),), generator=generator), y), confusion


def soft_labels(labels: Tensor, confusion: Tensor, n_classes: int, *, coupling: str) -> Tensor:
    """Mixtures of one-hot and uniform with the given share of the latter, shape ``[n, k]``: beliefs in each class.

    For the reverse cross-entropy the share is at least ``SMOOTHING``.
    """
    share = confusion.clamp_min(SMOOTHING if coupling == "reverse_cross_entropy" else 0.0)[:, None]
    return (1 - share) * torch.nn.functional.one_hot(labels, n_classes) + share / n_classes


def _split(config: LabelNoiseConfig, seed: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Samples to train on, drawn by the seed, and samples to test on, each with its labels."""
    train = load(config.dataset)
    test = None if config.dataset == "digits" else load(config.dataset, split="test")
    truth = train.y if test is None else test.y
    if train.y is None or truth is None:
        raise ValueError(f"{config.dataset} has no labels to replace; choose a labelled data set")
    if not 5 <= config.n_train < len(train.x):
        raise ValueError(f"n_train={config.n_train} must be from 5 to {len(train.x) - 1} for {config.dataset}")
    order = torch.randperm(len(train.x), generator=torch.Generator().manual_seed(seed))
    chosen, rest = order[: config.n_train], order[config.n_train :]
    x_test, y_test = (train.x[rest], truth[rest]) if test is None else (test.x, truth)
    return train.x[chosen].double(), train.y[chosen], x_test.double(), y_test
