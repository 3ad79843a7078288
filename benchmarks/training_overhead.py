"""What `paperlib.training.train` costs beyond plain supervised training: `python benchmarks/training_overhead.py`.

The same network takes the same number of steps on batches of the same size, in turns, in one process: once in a bare
loop of cross-entropy with given labels on images that lie ready, and once through `train`, which draws two augmented
views of each sample, solves for pseudo-labels and keeps the history. The first printed ratio is of the whole steps; the
others replace one part at a time.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from paperlib.data.augmentations import RandomAffine
from paperlib.models import VGG4, ConvNet
from paperlib.pseudo_labels import ExpectationMaximization
from paperlib.training import MutualInformation, Objective, SelfLabeling, TrainingConfig, Views, train

STEPS = 8


def plain(model: nn.Module, x: torch.Tensor, y: torch.Tensor, precision: str) -> None:
    optimizer = torch.optim.Adam(model.parameters())
    model.train()
    for _ in range(STEPS):
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
            logits = model(x)
        loss = cross_entropy(logits.float(), y)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()


def seconds(run: Callable[[], None]) -> float:
    began = time.perf_counter()
    run()
    return (time.perf_counter() - began) / STEPS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--network", choices=["conv_net", "vgg4"], default="conv_net")
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--precision", choices=["float32", "bfloat16"], default="bfloat16")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    side = 28 if arguments.network == "conv_net" else 24
    network = ConvNet if arguments.network == "conv_net" else VGG4
    generator = torch.Generator().manual_seed(0)
    data = torch.randint(0, 256, (STEPS * arguments.batch, side, side), dtype=torch.uint8, generator=generator)
    ready = (data[: 2 * arguments.batch].float() / 255).unsqueeze(1).contiguous(memory_format=torch.channels_last)
    labels = torch.randint(0, 10, (len(ready),), generator=generator)
    models = [network(10, image_size=side).to(memory_format=torch.channels_last) for _ in range(2)]
    change = RandomAffine(degrees=15, translate=0.1, scale=(0.85, 1.15), shear=11, isotropic=False)
    config = TrainingConfig(batch_size=arguments.batch, precision=arguments.precision, channels_last=True)
    objectives: dict[str, Objective] = {
        "mutual information": MutualInformation(),
        "self-labelling, weight 1": SelfLabeling(ExpectationMaximization(1.0, tolerance=1e-2, max_iterations=50)),
        "self-labelling, weight 100": SelfLabeling(ExpectationMaximization(100.0, tolerance=1e-2, max_iterations=50)),
        "collision, weight 1": SelfLabeling(
            ExpectationMaximization(1.0, divergence="collision_cross_entropy", tolerance=1e-2, max_iterations=50)
        ),
    }
    times: dict[str, list[float]] = {name: [] for name in ("plain", *objectives)}
    for _ in range(arguments.rounds):
        times["plain"].append(seconds(lambda: plain(models[0], ready, labels, arguments.precision)))
        for name, objective in objectives.items():
            views = Views(data, [change, change])
            times[name].append(seconds(lambda o=objective, v=views: train(models[1], o, v, config)))  # type: ignore[misc]
    base = statistics.median(times["plain"])
    print(f"plain cross-entropy, {arguments.network}, two views of {arguments.batch}: {1e3 * base:.1f} ms a step")
    for name in objectives:
        ratios = [ours / theirs for ours, theirs in zip(times[name], times["plain"], strict=True)]
        print(f"{name}: {statistics.median(ratios):.3f} times (rounds {min(ratios):.3f} to {max(ratios):.3f})")


if __name__ == "__main__":
    main()
