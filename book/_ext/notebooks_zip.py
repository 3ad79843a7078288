"""All notebooks in one file, beside the built pages: the same sources give the same bytes."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from sphinx.application import Sphinx

NAME = "decisive-and-fair-notebooks"
README = """\
The notebooks of Decisive and Fair
{address}

They need Python 3.11 or newer and no GPU. In the folder of this file:

    python -m venv .venv
    .venv/bin/python -m pip install "paperlib[notebooks] @ git+{address}"
    .venv/bin/python -m jupyter lab notebooks

On Windows write .venv\\Scripts\\python for .venv/bin/python.

Each notebook runs alone, top to bottom. From the command line, with a parameter of your choice:

    .venv/bin/paperlib run notebooks/00_quickstart.ipynb -p seed 1 --out runs/seed-1

The licence is in LICENSE.
"""


def contents(root: Path, address: str) -> dict[str, bytes]:
    """What the file holds: name to content, sorted."""
    files = [*(root / "notebooks").glob("*.ipynb"), root / "notebooks" / "sizes.yml", root / "LICENSE"]
    held = {file.relative_to(root).as_posix(): file.read_bytes() for file in files}
    held["README.txt"] = README.format(address=address.rstrip("/")).encode()
    return dict(sorted(held.items()))


def write_zip(target: Path, held: dict[str, bytes]) -> None:
    """Write ``held`` under one folder, without the time and the user of this machine."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with ZipFile(target, "w", ZIP_DEFLATED) as file:
        for name, content in held.items():
            entry = ZipInfo(f"{NAME}/{name}")  # dated 1980
            entry.compress_type = ZIP_DEFLATED
            entry.create_system = 3  # Unix, wherever it is built
            entry.external_attr = 0o644 << 16
            file.writestr(entry, content)


def write_notebooks(app: Sphinx, exception: Exception | None) -> None:
    """Put the file among the static files of a built book that has notebooks."""
    root = Path(app.srcdir)
    if exception is None and app.builder.format == "html" and (root / "notebooks").is_dir():
        address = app.config.html_theme_options["repository_url"]
        write_zip(Path(app.outdir, "_static", f"{NAME}.zip"), contents(root, address))


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    app.connect("build-finished", write_notebooks)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
