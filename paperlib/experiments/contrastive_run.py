"""Measure contrastive clustering: `python -m paperlib.experiments.contrastive_run --out FILE`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from itertools import product
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
    seeds = range(*arguments.seeds) if arguments.seeds else range(SEEDS[arguments.size])
    with TemporaryDirectory() as folder:
        if arguments.first_steps:
            todo = [first_steps_cell(Path(folder), device=arguments.device)]
        elif arguments.features:
            data = read_features(arguments.features)
            todo = [cell for seed in seeds for cell in second_stage_cells(data, seed, device=arguments.device)]
        else:
            options = {"n_samples": arguments.n_samples, "root": arguments.root}
            tasks = [load_splits(name, **options) for name in arguments.datasets]
            where = {"device": arguments.device, "checkpoints": arguments.checkpoints}
            todo = [
                cell
                for task, seed, table in product(tasks, seeds, arguments.tables)
                for cell in cells(PARTS[table], task, arguments.size, seed, **where)
            ]
        run_cells(todo, arguments.out, progress=sys.stderr.isatty())


if __name__ == "__main__":
    main()
