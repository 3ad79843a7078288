"""Measure the table of frozen features and its studies: `python -m paperlib.experiments.frozen_run --out FILE`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from paperlib.experiments.cells import run_cells
from paperlib.experiments.frozen_features import (
    DATASETS,
    LAPTOP,
    OPTIONS,
    FrozenFeaturesConfig,
    diagnosis_cells,
    load_task,
    table_cells,
)
from paperlib.experiments.frozen_studies import imbalance_cells, number_cells, price_cells

PARTS = {
    "table": table_cells,
    "diagnosis": diagnosis_cells,
    "price": price_cells,
    "imbalance": imbalance_cells,
    "number": number_cells,
}


def main(argv: Sequence[str] | None = None) -> None:
    """Run what the file of rows does not have yet; stop it and start it again as you like."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", required=True, metavar="FILE", help="rows, as CSV; what is there is not run again")
    parser.add_argument("--size", choices=["smoke", "laptop"], default="laptop", help="default: %(default)s")
    parser.add_argument("--datasets", nargs="+", choices=DATASETS, metavar="NAME", help=", ".join(DATASETS))
    parser.add_argument("--methods", nargs="+", choices=OPTIONS, metavar="NAME", help=", ".join(OPTIONS))
    parser.add_argument("--max-samples", type=int, metavar="N", help="default: that of the size")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), help="default: all")
    parser.add_argument("--bbc-news", metavar="FILE", help="what `paperlib features bbc_news` made")
    parser.add_argument("--root", metavar="DIR", help="data root (default: $PAPERLIB_DATA, else ~/.cache/paperlib)")
    arguments = parser.parse_args(argv)
    config = LAPTOP if arguments.size == "laptop" else FrozenFeaturesConfig()
    chosen: dict[str, Any] = {"max_samples": arguments.max_samples}
    chosen |= {name: tuple(getattr(arguments, name) or ()) for name in ("datasets", "methods")}
    config = replace(config, **{name: value for name, value in chosen.items() if value})
    tasks = [
        load_task(name, max_samples=config.max_samples, root=arguments.root, bbc_news=arguments.bbc_news)
        for name in config.datasets
    ]
    cells = [cell for part in arguments.parts for cell in PARTS[part](config, tasks)]
    run_cells(cells, arguments.out, progress=sys.stderr.isatty())


if __name__ == "__main__":
    main()
