"""Run notebooks as a stranger would: `python tools/try_alone.py [--local] [NOTEBOOK ...]` (standard library only).

Each notebook is copied alone into an empty folder and executed from top to bottom, its install cell as it is written.
The project's address is answered by this repository's last commit, by a setting of git, so that what is tried is what
a stranger would get once it is published.

As in Colab (the default): each notebook has an environment of its own, in which torch and the usual packages are and
paperlib is not. As on one's own machine (`--local`): an environment with nothing in it but what
`pip install "paperlib[notebooks] @ git+..."` brings, for all of them.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from address import setting
from files import ROOT

# What Colab's image has of what the notebooks use, and what executes them there.
IN_COLAB = (
    "torch",
    "numpy",
    "scipy",
    "scikit-learn",
    "matplotlib",
    "seaborn",
    "sympy",
    "tqdm",
    "ipykernel",
    "nbconvert",
)


def run(command: list[str | Path], folder: Path, environment: dict[str, str] | None = None) -> None:
    """Run a command; RuntimeError with the end of what it said where it fails."""
    done = subprocess.run(
        command, cwd=folder, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    if done.returncode:
        raise RuntimeError("\n".join(done.stdout.splitlines()[-30:]))


def create_environment(place: Path, base: Path | None = None) -> Path:
    """The interpreter of a new virtual environment, which also sees the packages of ``base``."""
    run([sys.executable, "-m", "venv", place], place.parent)
    if base is not None:
        packages = [str(folder) for folder in base.glob("lib/python*/site-packages")]
        next(place.glob("lib/python*/site-packages")).joinpath("base.pth").write_text("\n".join(packages))
    return place / "bin" / "python"


def execute(python: Path, notebook: Path, folder: Path, environment: dict[str, str]) -> None:
    """Copy a notebook into an empty folder and execute it there."""
    folder.mkdir()
    shutil.copy(notebook, folder)
    options = ["--to", "notebook", "--execute", "--ExecutePreprocessor.timeout=900", "--output", "executed"]
    run([python, "-m", "nbconvert", *options, notebook.name], folder, environment)


def main() -> int:
    """Try the notebooks; zero where all of them ran."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--local", action="store_true", help="install as on one's own machine, once for all notebooks")
    parser.add_argument("notebooks", nargs="*", type=Path, default=sorted((ROOT / "notebooks").glob("*.ipynb")))
    arguments = parser.parse_args()
    repository = setting().repository
    environment = os.environ | {
        "GIT_CONFIG_COUNT": "2",
        "GIT_CONFIG_KEY_0": f"url.{ROOT.as_uri()}.insteadOf",
        "GIT_CONFIG_VALUE_0": repository,
        "GIT_CONFIG_KEY_1": "safe.directory",
        "GIT_CONFIG_VALUE_1": "*",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }
    environment.pop("PYTHONPATH", None)
    failed = 0
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        base = create_environment(place / "base")
        wanted = [f"paperlib[notebooks] @ git+{repository}"] if arguments.local else list(IN_COLAB)
        started = time.monotonic()
        try:
            run([base, "-m", "pip", "install", "-q", *wanted], place, environment)
        except RuntimeError as error:
            print(f"environment: FAILED\n{error}")
            return 1
        print(f"environment: {time.monotonic() - started:.0f} s", flush=True)
        for notebook in arguments.notebooks:
            started, python = time.monotonic(), base
            try:
                if not arguments.local:
                    python = create_environment(place / f"{notebook.stem}-environment", place / "base")
                execute(python, notebook.resolve(), place / notebook.stem, environment)
                outcome = "ran"
            except RuntimeError as error:
                failed += 1
                outcome = f"FAILED\n{error}"
            print(f"{notebook.stem}: {outcome} ({time.monotonic() - started:.0f} s)", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
