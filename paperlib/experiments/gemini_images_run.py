"""Measure GEMINI on images: `python -m paperlib.experiments.gemini_images_run --out FILE`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from paperlib.experiments.cells import run_cells
from paperlib.experiments.gemini_images_data import load_images, read_images
from paperlib.experiments.gemini_images_tables import CIFAR10, EPOCHS, GEOMETRY, MNIST, cells

PARTS = {"mnist": (MNIST, "mnist"), "geometry": (GEOMETRY, "fashion_mnist")}


def main(argv: Sequence[str] | None = None) -> None:
    """Run what the file of rows does not have yet; stop it and start it again as you like."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", required=True, metavar="FILE", help="rows, as CSV; what is there is not run again")
    parser.add_argument("--size", choices=EPOCHS, default="laptop", help="paper: hours on a GPU; default: %(default)s")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), help="default: both")
    parser.add_argument("--images", metavar="FILE", help="instead, run the table of CIFAR10 on the arrays of this .npz")
    parser.add_argument(
        "--n-samples", type=int, metavar="N", help="images to train on (default: 500 in smoke, else all)"
    )
    parser.add_argument("--n-seeds", type=int, metavar="N", help="default: that of the size")
    parser.add_argument("--device", help="torch device; default: CUDA where there is one")
    parser.add_argument("--root", metavar="DIR", help="data root (default: $PAPERLIB_DATA, else ~/.cache/paperlib)")
    arguments = parser.parse_args(argv)
    n_samples = arguments.n_samples or (500 if arguments.size == "smoke" else None)
    if arguments.images:
        tasks = [(CIFAR10, read_images(arguments.images, n_samples=n_samples))]
    else:
        chosen = [PARTS[part] for part in arguments.parts]
        tasks = [(table, load_images(name, n_samples=n_samples, root=arguments.root)) for table, name in chosen]
    todo = [
        cell
        for table, task in tasks
        for cell in cells(table, task, arguments.size, n_seeds=arguments.n_seeds, device=arguments.device)
    ]
    run_cells(todo, arguments.out, progress=sys.stderr.isatty())


if __name__ == "__main__":
    main()
