"""What `paperlib.training.train` costs beyond a bare torch loop.

Run: ``.venv/bin/python benchmarks/training_overhead.py [--out results/performance.csv]``. The same network takes the
same number of steps on as many images. The bare loop minimises cross-entropy with given labels on images that lie
ready. `train` first does just that, from bytes in random order; then it draws two augmented views of each sample and
solves for pseudo-labels. That the first two end at the same weights is checked, on one batch, whose order is no matter.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable, Sequence
from functools import partial

import torch
from timing import arguments, keep, one_thread, race
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from paperlib.data.augmentations import Augmentation, RandomAffine
from paperlib.models import VGG4, ConvNet
from paperlib.pseudo_labels import ExpectationMaximization
from paperlib.training import MutualInformation, SelfLabeling, TrainingConfig, Views, train

TABLE = "performance: training"
STEPS = 8


def parser() -> argparse.ArgumentParser:
    parsed = arguments(__doc__)
    parsed.add_argument("--network", choices=["conv_net", "vgg4"], default="conv_net")
    parsed.add_argument("--batch", type=int, nargs="+", default=[8, 32, 128], help="samples, in two views each")
    parsed.add_argument("--precision", choices=["float32", "bfloat16"], default="float32")
    return parsed


def plain(model: nn.Module, x: Tensor, y: Tensor, precision: str, steps: int = STEPS) -> None:
    """The bare loop, on one batch again and again."""
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    model.train()
    for _ in range(steps):
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
            logits = model(x)
        loss = cross_entropy(logits.to(x.dtype), y)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()


def by_train(
    model: nn.Module,
    objective: Callable[..., Tensor],
    x: Tensor,
    augmentations: Sequence[Augmentation | None],
    batch: int,
    precision: str,
    epochs: int = 1,
) -> None:
    """Ours, once through the data by default."""
    settings = {"batch_size": batch, "precision": precision, "epochs": epochs, "schedule": "constant"}
    train(model, objective, Views(x, augmentations), TrainingConfig(channels_last=True, **settings))


def check_same(network: type[nn.Module], x: Tensor, y: Tensor) -> None:
    """Refuse to time two loops that do not end at the same weights."""
    models = []
    for _ in range(2):
        torch.manual_seed(0)
        models.append(network(10, image_size=x.shape[-1]).double())
    x = ready(x).double()
    plain(models[0], x, y, "float32", steps=3)
    by_train(models[1], lambda logits, index: cross_entropy(logits, y[index]), x, (None,), len(x), "float32", epochs=3)
    for one, other in zip(*(model.parameters() for model in models), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-6)


def ready(x: Tensor) -> Tensor:
    """Bytes as a network takes them."""
    return (x.float() / 255).unsqueeze(1).contiguous(memory_format=torch.channels_last)


def main() -> None:
    options = parser().parse_args()
    one_thread()
    warnings.filterwarnings("ignore", message=".*clusters have hardly a sample left", category=UserWarning)
    network, side = (ConvNet, 28) if options.network == "conv_net" else (VGG4, 24)
    change = RandomAffine(degrees=15, translate=0.1, scale=(0.85, 1.15), shear=11, isotropic=False)
    solvers = {
        "self-labelling, weight 1": ExpectationMaximization(1.0, tolerance=1e-2, max_iterations=50),
        "self-labelling, weight 100": ExpectationMaximization(100.0, tolerance=1e-2, max_iterations=50),
        "collision, weight 1": ExpectationMaximization(
            1.0, divergence="collision_cross_entropy", tolerance=1e-2, max_iterations=50
        ),
    }
    objectives = {"mutual information": MutualInformation()} | {
        name: SelfLabeling(solver) for name, solver in solvers.items()
    }
    rows, generator = [], torch.Generator().manual_seed(0)
    for batch in options.batch:
        n = 2 * batch  # images a step
        x = torch.randint(0, 256, (STEPS * n, side, side), dtype=torch.uint8, generator=generator)
        y = torch.randint(0, 10, (len(x),), generator=generator)
        check_same(network, x[:n], y[:n])
        bare, trained = (network(10, image_size=side).to(memory_format=torch.channels_last) for _ in range(2))

        def given(logits: Tensor, index: Tensor, y: Tensor = y) -> Tensor:
            return cross_entropy(logits, y[index])

        calls = {
            "bare loop": partial(plain, bare, ready(x[:n]), y[:n], options.precision),
            "train, the same": partial(by_train, trained, given, x, (None,), n, options.precision),
        }
        half = x[: len(x) // 2]  # in two views
        for name, objective in objectives.items():
            calls[name] = partial(by_train, trained, objective, half, (change, change), batch, options.precision)
        dataset = f"{options.network}, {STEPS} steps, n={n}, {options.precision}, 1 thread"
        rows += race(TABLE, dataset, calls, options.rounds)
    keep(options.out, rows)


if __name__ == "__main__":
    main()
