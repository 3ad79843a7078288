"""Notebooks in normal form: `python tools/notebooks.py execute|normalise|check [NOTEBOOK ...]` (default: all).

Normal form is what keeps a diff readable and an output comparable: kernel `python3`, no timings, no versions, counts
in order, cell ids kept, nothing from stderr, no progress bars, figures small. `execute` also brings into normal form.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from files import ROOT, replace_text

NOTEBOOKS = ROOT / "notebooks"
METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
CELL_METADATA = ("jupyter", "mystnb", "tags")
WIDGETS = "application/vnd.jupyter.widget-view+json"
FIGURE_BYTES = 60_000
NOTEBOOK_BYTES = 600_000
TIMEOUT_SECONDS = 600

Json = dict[str, Any]


def read(path: Path) -> Json:
    """The notebook as it lies in its file."""
    return json.loads(path.read_text(encoding="utf-8"))


def dump(notebook: Json) -> str:
    """The one text of a notebook: keys sorted, one space of indent, lines of text one a line, as Jupyter writes it."""
    return json.dumps(notebook, ensure_ascii=False, indent=1, sort_keys=True, separators=(",", ": ")) + "\n"


def normalise(notebook: Json) -> Json:
    """The notebook in normal form; the argument is not changed."""
    if notebook.get("nbformat") != 4:
        raise ValueError(f"notebook format {notebook.get('nbformat')!r}; open it in JupyterLab and save it as format 4")
    cells, counter = [], 0
    for place, cell in enumerate(notebook["cells"]):
        kept = {key: value for key, value in cell["metadata"].items() if key in CELL_METADATA and value not in ([], {})}
        new = {
            "cell_type": cell["cell_type"],
            "id": cell.get("id") or f"cell-{place:02d}",
            "metadata": kept,
            "source": _lines(_joined(cell["source"])),
        }
        if cell["cell_type"] == "code":
            executed = cell.get("execution_count") is not None
            counter += executed
            new["execution_count"] = counter if executed else None
            new["outputs"] = list(_outputs(cell.get("outputs", []), new["execution_count"]))
        elif "attachments" in cell:
            new["attachments"] = cell["attachments"]
        cells.append(new)
    return {"cells": cells, "metadata": METADATA, "nbformat": 4, "nbformat_minor": 5}


def _outputs(outputs: list[Json], count: int | None) -> Iterator[Json]:
    """Outputs without stderr, progress bars, widgets and metadata; streams that follow one another are one."""
    text = ""
    for output in [*outputs, None]:
        if output is not None and output["output_type"] == "stream":
            if output["name"] == "stdout":
                text += _joined(output["text"])
            continue
        # A bar redraws its line after each carriage return: what stayed on the screen is the last of them.
        shown = re.sub(r"[^\n]*\r(?!\n)", "", text.replace("\r\n", "\n"))
        if shown:
            yield {"name": "stdout", "output_type": "stream", "text": _lines(shown)}
        text = ""
        if output is None or WIDGETS in output.get("data", {}):
            continue
        new = dict(output)
        if "data" in output:
            new["data"] = {kind: _data(kind, value) for kind, value in output["data"].items()}
            new["metadata"] = {}
        if output["output_type"] == "execute_result":
            new["execution_count"] = count
        yield new


def _data(kind: str, value: Any) -> Any:
    if kind.startswith("image/") and kind != "image/svg+xml":
        return _joined(value).replace("\n", "") + "\n"
    return _lines(_joined(value)) if kind.startswith(("text/", "image/")) else value


def _joined(text: str | list[str]) -> str:
    return text if isinstance(text, str) else "".join(text)


def _lines(text: str) -> list[str]:
    return re.findall(r"[^\n]*\n|[^\n]+", text)


def faults(path: Path) -> list[str]:
    """What keeps a notebook from being committed, in sentences; empty where nothing does."""
    text = path.read_text(encoding="utf-8")
    try:
        notebook = json.loads(text)
        normal = normalise(notebook)
    except (ValueError, KeyError, TypeError) as error:
        return [f"{path.name} is not a readable notebook: {error!r}"]
    found = []
    if text != dump(normal):
        found.append(f"{path.name} is not in normal form; run: python tools/notebooks.py normalise {path.name}")
    if len({cell["id"] for cell in normal["cells"]}) < len(normal["cells"]):
        found.append(f"{path.name} has two cells with the same id; give the copied one another")
    size = len(text.encode())
    if size > NOTEBOOK_BYTES:
        found.append(f"{path.name} has {size:,} bytes; it may have {NOTEBOOK_BYTES:,}: smaller or fewer figures")
    for place, cell in enumerate(normal["cells"]):
        if cell["cell_type"] != "code":
            continue
        where = f"{path.name}, cell {place}"
        if cell["source"] and cell["execution_count"] is None:
            found.append(f"{where} was not executed; run: make notebooks NB={path.name}")
        for output in cell["outputs"]:
            if output["output_type"] == "error":
                found.append(f"{where} ended in {output['ename']}: {output['evalue']}")
            figure = len(base64.b64decode(output.get("data", {}).get("image/png", "")))
            if figure > FIGURE_BYTES:
                found.append(f"{where} shows a figure of {figure:,} bytes; it may have {FIGURE_BYTES:,}: lower its dpi")
    return found


def execute(path: Path) -> None:
    """Execute a notebook in its own folder and a fresh kernel, and replace it by the result in normal form.

    A cell that fails raises, and the file stays as it was.
    """
    import nbformat
    from nbclient import NotebookClient

    os.environ.pop("PAPERLIB_RESULTS", None)
    notebook = nbformat.reads(dump(normalise(read(path))), as_version=4)
    resources = {"metadata": {"path": str(path.parent)}}
    client = NotebookClient(
        notebook, timeout=TIMEOUT_SECONDS, kernel_name="python3", resources=resources, record_timing=False
    )
    client.execute()
    replace_text(path, dump(normalise(notebook)))


def _found(names: list[str]) -> list[Path]:
    """The notebooks named (a path, or a name in notebooks/), or all of them."""
    if not names:
        return sorted(NOTEBOOKS.glob("*.ipynb"))
    paths = [Path(name) if Path(name).exists() else NOTEBOOKS / Path(name).name for name in names]
    for path in paths:
        if not path.is_file():
            sys.exit(f"there is no notebook {path}")
    return paths


def main(arguments: list[str] | None = None) -> int:
    """Carry out one action; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("action", choices=["execute", "normalise", "check"])
    parser.add_argument("notebooks", nargs="*", metavar="NOTEBOOK")
    options = parser.parse_args(arguments)
    found = []
    for path in _found(options.notebooks):
        if options.action == "execute":
            print(f"executing {path.name}", flush=True)
            execute(path)
        elif options.action == "normalise":
            normal = dump(normalise(read(path)))
            if normal != path.read_text(encoding="utf-8"):
                replace_text(path, normal)
                print(f"normalised {path.name}")
        if options.action != "normalise":
            found += faults(path)
    print("\n".join(found), file=sys.stderr) if found else None
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
