"""Train with each objective, alone or as one of several ranks, and write all final weights; for `test_distributed`."""

import sys

import torch
from training_runs import blobs, mlp, pictures

from paperlib.data.augmentations import RandomAffine
from paperlib.models import ContrastiveNetwork, LeNet5
from paperlib.pseudo_labels import ExpectationMaximization
from paperlib.training import (
    Crlc,
    Gemini,
    MutualInformation,
    SelfLabeling,
    TrainingConfig,
    Views,
    VirtualAdversarial,
    WholeSetLabels,
    steps,
    torchrun,
    train,
)
from paperlib.training.distributed import world

CONFIG = TrainingConfig(epochs=5, batch_size=60, learning_rate=0.02)


def weights(model):
    return torch.cat([value.flatten() for value in model.state_dict().values()]).double()


def trained(objective, **settings):
    model = mlp()
    train(model, objective, blobs(243), TrainingConfig(**{**vars(CONFIG), **settings}), folder=None)
    return weights(model)


def on_pictures():
    model = LeNet5(4, generator=torch.Generator().manual_seed(0)).double()
    x = torch.nn.functional.interpolate(pictures().double().unsqueeze(1) / 255, size=(32, 32))
    shift = RandomAffine(degrees=20, translate=0.2)
    solver = ExpectationMaximization(fairness_weight=2.0, tolerance=1e-12)
    config = TrainingConfig(epochs=2, batch_size=32, learning_rate=1e-3)
    train(model, SelfLabeling(solver), Views(x, [shift, shift]), config)
    return weights(model)


def perturbed():
    """Virtual adversarial training draws its directions rank by rank, so they are switched off."""
    model = mlp()
    objective = VirtualAdversarial(MutualInformation(), model, blobs(), radius=0.0)
    train(model, objective, blobs(), CONFIG)
    return weights(model)


def contrasted(feature_weight=10.0):
    generator = torch.Generator().manual_seed(0)
    trunk = torch.nn.Sequential(torch.nn.Linear(2, 8), torch.nn.Tanh())
    torch.nn.init.normal_(trunk[0].weight, generator=generator)
    torch.nn.init.zeros_(trunk[0].bias)
    model = ContrastiveNetwork(trunk, 8, 3, n_heads=2, n_embedding=4, generator=generator).double()
    x = blobs(243)
    neighbors = torch.cdist(x, x).topk(5, largest=False).indices
    train(model, Crlc("log_dot_prior", feature_weight=feature_weight), Views(x, (None, None), neighbors), CONFIG)
    return weights(model)


def main():
    with torchrun("cpu"):
        x = blobs(243)
        solver = ExpectationMaximization(fairness_weight=2.0, tolerance=1e-12)
        found = {
            "mutual information": trained(MutualInformation()),
            "self-labelling": trained(SelfLabeling(solver)),
            "labels of the whole set": trained(WholeSetLabels(solver, refresh_every=3)),
            "gemini": trained(Gemini("mmd_ovo", features=x)),
            "in parts": trained(MutualInformation(), micro_batch=11),
            "augmented": on_pictures(),
            "virtual adversarial": perturbed(),
            "contrast": contrasted(),
            "contrast of clusters": contrasted(feature_weight=0.0),
        }
        steps.gather_rows = lambda rows, dim=0: rows
        found["per rank: mutual information"] = trained(MutualInformation())
        if world()[0] == 0:
            torch.save(found, sys.argv[1])


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
