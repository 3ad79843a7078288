"""A small training run that the tests share; also a script, so that a test can kill it."""

import argparse
import time

import torch

from paperlib.data import gaussian_blobs
from paperlib.data.augmentations import Compose, RandomAffine
from paperlib.models import MLP, ConvNet
from paperlib.pseudo_labels import ExpectationMaximization
from paperlib.training import MutualInformation, SelfLabeling, TrainingConfig, Views, WarmStart, WholeSetLabels, train


def blobs(n=240, dtype=torch.float64):
    return torch.as_tensor(gaussian_blobs(n, 3, spread=0.4, seed=0).x).to(dtype)


def mlp(seed=0, dtype=torch.float64, **settings):
    return MLP(2, 3, hidden=(16,), generator=torch.Generator().manual_seed(seed), **settings).to(dtype)


def pictures(n=96):
    """Bytes with bright bars that lie or stand, ``[n, 16, 16]``."""
    generator = torch.Generator().manual_seed(1)
    x = torch.randint(0, 60, (n, 16, 16), generator=generator, dtype=torch.uint8)
    x[: n // 2, 6:10] = 250
    x[n // 2 :, :, 6:10] = 250
    return x


def conv_net():
    return ConvNet(4, image_size=16, widths=(4, 8), generator=torch.Generator().manual_seed(0))


def views():
    shift = RandomAffine(degrees=10, translate=0.1)
    return Views(pictures(), [shift, Compose(shift)])


def labels_of_the_whole_set():
    solver = ExpectationMaximization(fairness_weight=3.0)
    return WarmStart(MutualInformation(), WholeSetLabels(solver, refresh_every=5), share=0.3)


OBJECTIVES = {
    "batch": lambda: SelfLabeling(ExpectationMaximization(fairness_weight=3.0)),
    "whole set": labels_of_the_whole_set,
}


def run(folder, kind="whole set", pause=0.0, **settings):
    """Train on the pictures; ``pause`` seconds a step leave time to be killed in."""
    model, objective = conv_net(), OBJECTIVES[kind]()
    config = TrainingConfig(**{"epochs": 4, "batch_size": 8, "learning_rate": 3e-3, **settings})
    if pause:
        before = objective.at
        object.__setattr__(objective, "at", lambda progress: time.sleep(pause) or before(progress))
    history = train(model, objective, views(), config, folder=folder, checkpoint_every=3, log_every=4)
    return model, history


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("--pause", type=float, default=0.0)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    run(arguments.folder, pause=arguments.pause)
