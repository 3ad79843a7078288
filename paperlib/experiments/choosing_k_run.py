"""Measure how many clusters each rule sees: `python -m paperlib.experiments.choosing_k_run --out FILE`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch

from paperlib.experiments.cells import run_cells
from paperlib.experiments.choosing_k import LAPTOP, METHODS, PROBLEMS, ChoosingKConfig, cells


def main(argv: Sequence[str] | None = None) -> None:
    """Run what the file of rows does not have yet; stop it and start it again as you like."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", required=True, metavar="FILE", help="rows, as CSV; what is there is not run again")
    parser.add_argument("--size", choices=["smoke", "laptop"], default="laptop", help="default: %(default)s")
    parser.add_argument("--problems", nargs="+", choices=PROBLEMS, metavar="NAME", help="; ".join(PROBLEMS))
    parser.add_argument("--methods", nargs="+", choices=METHODS, metavar="NAME", help="; ".join(METHODS))
    parser.add_argument("--n-seeds", type=int, metavar="N", help="default: that of the size")
    arguments = parser.parse_args(argv)
    config = LAPTOP if arguments.size == "laptop" else ChoosingKConfig()
    chosen: dict[str, Any] = {
        "problems": tuple(arguments.problems or ()),
        "methods": tuple(arguments.methods or ()),
        "n_seeds": arguments.n_seeds,
    }
    config = replace(config, **{name: value for name, value in chosen.items() if value})
    torch.set_num_threads(1)  # arrays this small are done fastest by one thread
    run_cells(cells(config), arguments.out, progress=sys.stderr.isatty())


if __name__ == "__main__":
    main()
