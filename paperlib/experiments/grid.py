"""What a sweep runs: a file that names a notebook and a grid, and the cells that it stands for."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import paperlib
from paperlib.experiments.parameters import ParameterError, check_parameters, declared_parameters, nearest
from paperlib.experiments.sizes import mapping, size_parameters

KEYS = ("notebook", "size", "parameters", "grid")


@dataclass(frozen=True)
class GridCell:
    """One run of one notebook.

    Attributes:
        notebook: absolute path.
        parameters: what is given to it, by name.
        identity: as `identity_of` gives it, when and where the cell was made.
        varied: the parameters that differ from cell to cell of its grid.
    """

    notebook: str
    parameters: Mapping[str, Any]
    identity: str
    varied: tuple[str, ...] = ()

    def place(self, out: str | os.PathLike[str]) -> Path:
        """Its folder in that of the sweep; it is there when the cell is finished, and not before."""
        return Path(out) / "cells" / self.identity

    def __str__(self) -> str:
        values = ", ".join(f"{name}={self.parameters[name]}" for name in self.varied)
        return f"{Path(self.notebook).stem}{': ' if values else ''}{values}"


def read_grid(path: str | os.PathLike[str]) -> list[GridCell]:
    """Cells of a sweep file, in its order, the last parameter of a grid running fastest.

    The file is YAML, one sweep or a list of sweeps::

        notebook: ../notebooks/00_quickstart.ipynb  # from this file's folder
        size: smoke                                 # optional, as in `paperlib run --size`
        parameters: {n_seeds: 1}                    # optional, the same in every cell
        grid:                                       # optional: each combination is a cell
          n_init: [1, 2, 3]
          methods: [[k-means], [mutual_information]]

    Raises:
        ParameterError: naming the file, if a key, size or parameter is unknown, a value does not fit its parameter, or
            two cells are the same.
        FileNotFoundError, ValueError, OSError: if the file cannot be read.
        ImportError: if PyYAML is not installed.
    """
    from paperlib.experiments.yaml_files import read_yaml

    path = Path(path)
    found = read_yaml(path)
    sweeps = found if isinstance(found, list) else [found]
    try:
        cells = [cell for sweep in sweeps for cell in _cells(mapping(sweep, "a sweep"), path.parent)]
    except ParameterError as error:
        raise ParameterError(f"{path}: {error}") from None
    if not cells:
        raise ParameterError(f"{path} holds no sweep; it needs `notebook:` at least")
    first: dict[str, GridCell] = {}
    for cell in cells:
        if cell.identity in first:
            raise ParameterError(f"{path} has the cell `{cell}` twice: same notebook, same parameters")
        first[cell.identity] = cell
    return cells


def _cells(sweep: Mapping[str, Any], folder: Path) -> Iterator[GridCell]:
    for key in sweep:
        if key not in KEYS:
            raise ParameterError(f"key {key!r} is unknown{nearest(key, KEYS)}; a sweep has {', '.join(KEYS)}")
    if not isinstance(sweep.get("notebook"), str):
        raise ParameterError("`notebook:` is missing; give the path of an .ipynb file, from this file's folder")
    notebook = (folder / sweep["notebook"]).resolve()
    declared = declared_parameters(notebook)
    fixed = dict(size_parameters(notebook, str(sweep["size"]))) if "size" in sweep else {}
    given = mapping(sweep.get("parameters") or {}, "`parameters:`")
    grid = mapping(sweep.get("grid") or {}, "`grid:`")
    for name, values in grid.items():
        if not isinstance(values, Sequence) or isinstance(values, str) or not values:
            raise ParameterError(f"`grid:` must list values of {name!r}, such as `{name}: [1, 2]`; it has {values!r}")
        if name in given:
            raise ParameterError(f"{name!r} stands under `parameters:` and under `grid:`; it may stand under one")
    fixed |= check_parameters(declared, given)
    varied = tuple(name for name, values in grid.items() if len(values) > 1)
    code = _code(notebook)
    for values in itertools.product(*grid.values()):
        chosen = fixed | check_parameters(declared, dict(zip(grid, values, strict=True)))
        yield GridCell(str(notebook), chosen, _hash(notebook.name, code, declared | chosen), varied)


def identity_of(notebook: str | os.PathLike[str], parameters: Mapping[str, Any]) -> str:
    """Hash of a notebook's name and code, its parameters (defaults too) and the library's version.

    Twelve hexadecimal digits. Prose and outputs of the notebook do not enter, nor does the folder where it lies.
    """
    return _hash(Path(notebook).name, _code(notebook), declared_parameters(notebook) | dict(parameters))


def _code(notebook: str | os.PathLike[str]) -> list[str]:
    cells = json.loads(Path(notebook).read_text(encoding="utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


def _hash(name: str, code: list[str], values: Mapping[str, Any]) -> str:
    known = {parameter: repr(value) for parameter, value in values.items()}
    text = json.dumps([name, code, known, paperlib.__version__], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]
