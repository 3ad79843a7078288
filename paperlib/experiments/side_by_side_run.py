"""Measure every method on the same features: `python -m paperlib.experiments.side_by_side_run --out FILE`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from paperlib.experiments.cells import run_cells
from paperlib.experiments.frozen_features import load_task
from paperlib.experiments.side_by_side import DATASETS, LAPTOP, METHODS, SideBySideConfig, cells


def main(argv: Sequence[str] | None = None) -> None:
    """Run what the file of rows does not have yet; stop it and start it again as you like."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", required=True, metavar="FILE", help="rows, as CSV; what is there is not run again")
    parser.add_argument("--size", choices=["smoke", "laptop"], default="laptop", help="default: %(default)s")
    parser.add_argument("--datasets", nargs="+", choices=DATASETS, metavar="NAME", help=", ".join(DATASETS))
    parser.add_argument("--methods", nargs="+", choices=METHODS, metavar="NAME", help=", ".join(METHODS))
    parser.add_argument("--labels", type=Path, metavar="DIR", help="keep labels there, to go on without fitting again")
    parser.add_argument("--root", metavar="DIR", help="data root (default: $PAPERLIB_DATA, else ~/.cache/paperlib)")
    arguments = parser.parse_args(argv)
    config = LAPTOP if arguments.size == "laptop" else SideBySideConfig()
    chosen: dict[str, Any] = {name: tuple(getattr(arguments, name) or ()) for name in ("datasets", "methods")}
    config = replace(config, **{name: value for name, value in chosen.items() if value})
    tasks = [load_task(name, max_samples=config.max_samples, root=arguments.root) for name in config.datasets]
    run_cells(cells(config, tasks, folder=arguments.labels), arguments.out, progress=sys.stderr.isatty())


if __name__ == "__main__":
    main()
