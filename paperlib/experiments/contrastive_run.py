"""Measure contrastive clustering: `python -m paperlib.experiments.contrastive_run --out FILE`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from paperlib.data import read_features
from paperlib.experiments.cells import run_cells
from paperlib.experiments.contrastive_tables import PARTS, SEEDS, cells, first_steps_cell, second_stage_cells
from paperlib.experiments.image_splits import load_splits


def main(argv: Sequence[str] | None = None) -> None:
    """Run what the file of rows does not have yet; stop it and start it again as you like."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", required=True, metavar="FILE", help="rows, as CSV; what is there is not run again")
    parser.add_argument("--size", choices=SEEDS, default="laptop", help="paper: days on a GPU; default: %(default)s")
    parser.add_argument("--tables", nargs="+", choices=PARTS, default=list(PARTS), help="default: all")
    parser.add_argument("--first-steps", action="store_true", help="two steps of the paper's size on random bytes")
    parser.add_argument("--features", metavar="FILE", help="only the second stage, on features of `paperlib features`")
    parser.add_argument("--datasets", nargs="+", default=["mnist"], metavar="NAME", help="of paperlib; default: mnist")
    parser.add_argument("--n-samples", type=int, metavar="N", help="images to train on; default: all")
    parser.add_argument("--seeds", nargs=2, type=int, metavar=("FROM", "TO"), help="the last not included")
    parser.add_argument("--checkpoints", type=Path, metavar="DIR", help="go on within a run, too")
    parser.add_argument("--device", help="torch device; default: CUDA where there is one")
    parser.add_argument("--root", metavar="DIR", help="data root (default: $PAPERLIB_DATA, else ~/.cache/paperlib)")
    arguments = parser.parse_args(argv)
    if arguments.first_steps:
        with TemporaryDirectory() as folder:
            cell = first_steps_cell(Path(folder), device=arguments.device)
            run_cells([cell], arguments.out, progress=sys.stderr.isatty())
        return
    seeds = range(*arguments.seeds) if arguments.seeds else range(SEEDS[arguments.size])
    if arguments.features:
        second = second_stage_cells(read_features(arguments.features), seeds, device=arguments.device)
        run_cells(list(second), arguments.out, progress=sys.stderr.isatty())
        return
    tasks = [load_splits(name, n_samples=arguments.n_samples, root=arguments.root) for name in arguments.datasets]
    options = {"device": arguments.device, "checkpoints": arguments.checkpoints}
    todo = [
        cell
        for task in tasks
        for seed in seeds
        for table in arguments.tables
        for cell in cells(PARTS[table], task, arguments.size, seeds=range(seed, seed + 1), **options)
    ]
    run_cells(todo, arguments.out, progress=sys.stderr.isatty())


if __name__ == "__main__":
    main()
