"""Measure joint training from pretrained features: `python -m paperlib.experiments.from_pretraining_run --out FILE`.

On eight GPUs: `torchrun --nproc-per-node 8 -m paperlib.experiments.from_pretraining_run --size paper ...`. The batch is
that of the whole run, and so is the loss.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import get_args

from paperlib.experiments.cells import Cell, run_cells
from paperlib.experiments.deep_self_labeling import ImageSplits, load_splits
from paperlib.experiments.from_pretraining import first_steps, measure
from paperlib.experiments.from_pretraining_config import METHODS, PretrainedConfig, config_for
from paperlib.experiments.image_sets import IMAGE_SETS, SetName, synthetic_images
from paperlib.experiments.pretrained_network import Trunk, read_trunk
from paperlib.training import torchrun
from paperlib.training.config import Precision
from paperlib.training.distributed import world

TABLE, STEPS = "from pretraining", "first steps"
SIZES = {"smoke": 64, "laptop": 2000, "paper": None}  # images to train on; None for all
PAPERS = {"reverse_cross_entropy": "zhang2023entropy", "collision_cross_entropy": "zhang2023collision"}
PAPERS |= {"imsat": "hu2017", "mutual_information": "krause2010", "temi": "adaloglou2023", "crlc": "do2021"}


def cells(
    arguments: argparse.Namespace, task: ImageSplits, dataset: SetName, trunk: Trunk | None, device: str
) -> Iterator[Cell]:
    """The runs that the command line asks for on one set, seed by seed."""
    for seed, config in product(range(arguments.n_seeds), configs(arguments, dataset, device)):
        run = partial(measure, config, task, seed, trunk=trunk, checkpoints=arguments.checkpoints)
        paper = PAPERS.get(config.method, "vangansbeke2020")
        yield Cell(TABLE, task.name, config.name(trunk), arguments.size, seed, run, paper)


def step_cells(arguments: argparse.Namespace, dataset: SetName, device: str) -> Iterator[Cell]:
    """What a step of each method costs."""
    for config in configs(arguments, dataset, device):
        words = [config.method, f"batch {config.training(config.steps[-1], 0).batch_size}", arguments.precision]
        words += [f"{arguments.micro_batch} at once"] if arguments.micro_batch else []
        words += [f"{world()[1]} processes"] if world()[1] > 1 else []
        run = partial(first_steps, config, arguments.first_steps)
        yield Cell(STEPS, f"synthetic {dataset}", ", ".join(words), arguments.size, 0, run)


def configs(arguments: argparse.Namespace, dataset: SetName, device: str) -> Iterator[PretrainedConfig]:
    """One configuration a method."""
    options = {"precision": arguments.precision, "micro_batch": arguments.micro_batch, "device": device}
    for method in arguments.methods:
        yield config_for(method, dataset, arguments.size, **options)


def main(argv: Sequence[str] | None = None) -> None:
    """Run what the file of rows does not have yet; stop it and start it again as you like."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", required=True, metavar="FILE", help="rows, as CSV; what is there is not run again")
    parser.add_argument("--trunk", metavar="FILE", help="pretrained weights, safetensors or torch's; none: random ones")
    parser.add_argument("--size", choices=SIZES, default="laptop", help="paper: hours on a GPU; default: %(default)s")
    parser.add_argument("--datasets", nargs="+", choices=IMAGE_SETS, default=["cifar10"], help="default: cifar10")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS), help="default: all")
    parser.add_argument("--synthetic", action="store_true", help="random bytes instead of the set, to try the run")
    parser.add_argument("--first-steps", type=int, metavar="N", help="instead: time N steps on random bytes, and stop")
    parser.add_argument("--n-samples", type=int, metavar="N", help="images to train on; smoke: 64, laptop: 2000")
    parser.add_argument("--n-seeds", type=int, default=1, metavar="N", help="default: %(default)s")
    parser.add_argument("--precision", choices=get_args(Precision), default="float32", help="default: %(default)s")
    parser.add_argument("--micro-batch", type=int, metavar="N", help="images at once, where memory is short")
    parser.add_argument("--checkpoints", type=Path, metavar="DIR", help="go on within a run, too; step 2 is shared")
    parser.add_argument("--device", help="torch device; default: CUDA where there is one")
    parser.add_argument("--root", metavar="DIR", help="data root (default: $PAPERLIB_DATA, else ~/.cache/paperlib)")
    arguments = parser.parse_args(argv)
    if arguments.trunk and len(arguments.datasets) > 1:
        parser.error("--trunk was pretrained on one set: give one of --datasets")
    trunk = read_trunk(arguments.trunk) if arguments.trunk else None
    with torchrun(arguments.device) as device, TemporaryDirectory() as elsewhere:
        out = Path(arguments.out)
        if world()[0] > 0:  # every rank runs the same cells; the first one writes
            out = Path(elsewhere) / "rows.csv"
            if Path(arguments.out).exists():
                shutil.copy(arguments.out, out)
        n_samples = arguments.n_samples or SIZES[arguments.size]
        todo: list[Cell] = []
        for dataset in arguments.datasets:
            if arguments.first_steps:
                todo += step_cells(arguments, dataset, str(device))
                continue
            if arguments.synthetic:
                task = synthetic_images(dataset, n_samples or IMAGE_SETS[dataset].n_train)
            else:
                task = load_splits(dataset, n_samples=n_samples, root=arguments.root)
            todo += cells(arguments, task, dataset, trunk, str(device))
        run_cells(todo, out, progress=sys.stderr.isatty() and world()[0] == 0)


if __name__ == "__main__":
    main()
