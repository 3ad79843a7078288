"""Measure the toy experiments of GEMINI: `python -m paperlib.experiments.gemini_toy_run --out FILE`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from paperlib.experiments.cells import run_cells
from paperlib.experiments.gemini_toy import (
    LAPTOP,
    TABLE_OBJECTIVES,
    GeminiToyConfig,
    blobs_cells,
    moons_cells,
    table_cells,
)

PARTS = {"blobs": blobs_cells, "moons": moons_cells, "table": table_cells}


def main(argv: Sequence[str] | None = None) -> None:
    """Run what the file of rows does not have yet; stop it and start it again as you like."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", required=True, metavar="FILE", help="rows, as CSV; what is there is not run again")
    parser.add_argument("--size", choices=["smoke", "laptop"], default="laptop", help="default: %(default)s")
    parser.add_argument("--objectives", nargs="+", choices=TABLE_OBJECTIVES, metavar="NAME", help="of the table")
    parser.add_argument("--n-clusters", nargs="+", type=int, metavar="K", help="of the table")
    parser.add_argument("--n-seeds", type=int, metavar="N", help="default: that of the size")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), help="default: all")
    arguments = parser.parse_args(argv)
    config = LAPTOP if arguments.size == "laptop" else GeminiToyConfig()
    chosen: dict[str, Any] = {
        "objectives": tuple(arguments.objectives or ()),
        "n_clusters": tuple(arguments.n_clusters or ()),
        "n_seeds": arguments.n_seeds,
    }
    config = replace(config, **{name: value for name, value in chosen.items() if value})
    cells = [cell for part in arguments.parts for cell in PARTS[part](config)]
    run_cells(cells, arguments.out, progress=sys.stderr.isatty())


if __name__ == "__main__":
    main()
