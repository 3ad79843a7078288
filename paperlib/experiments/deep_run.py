"""Measure deep self-labelling: `python -m paperlib.experiments.deep_run --out FILE`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from paperlib.experiments.cells import run_cells
from paperlib.experiments.deep_self_labeling import load_splits
from paperlib.experiments.deep_tables import PARTS, SIZES, cells

TABLES = {name.lower().replace(" ", "_"): name for name in PARTS}


def main(argv: Sequence[str] | None = None) -> None:
    """Run what the file of rows does not have yet; stop it and start it again as you like."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", required=True, metavar="FILE", help="rows, as CSV; what is there is not run again")
    parser.add_argument("--size", choices=SIZES, default="laptop", help="paper: hours on a GPU; default: %(default)s")
    parser.add_argument("--parts", nargs="+", choices=TABLES, default=list(TABLES), help="default: all")
    parser.add_argument("--datasets", nargs="+", default=["mnist", "fashion_mnist"], metavar="NAME", help="of paperlib")
    parser.add_argument("--n-samples", type=int, metavar="N", help="images to train on; smoke: 2048")
    parser.add_argument("--n-seeds", type=int, metavar="N", help="default: that of the size")
    parser.add_argument("--checkpoints", type=Path, metavar="DIR", help="go on within a run, too, and share starts")
    parser.add_argument("--device", help="torch device; default: CUDA where there is one")
    parser.add_argument("--root", metavar="DIR", help="data root (default: $PAPERLIB_DATA, else ~/.cache/paperlib)")
    arguments = parser.parse_args(argv)
    n_samples = arguments.n_samples or (2048 if arguments.size == "smoke" else None)
    tasks = [load_splits(name, n_samples=n_samples, root=arguments.root) for name in arguments.datasets]
    options = {"n_seeds": arguments.n_seeds, "device": arguments.device, "checkpoints": arguments.checkpoints}
    todo = [
        cell
        for task in tasks
        for part in arguments.parts
        for cell in cells(TABLES[part], task, arguments.size, **options)
    ]
    run_cells(todo, arguments.out, progress=sys.stderr.isatty())


if __name__ == "__main__":
    main()
