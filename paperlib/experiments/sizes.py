"""The sizes of a notebook: which parameters make it take seconds, minutes or hours."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from paperlib.experiments.parameters import ParameterError, check_parameters, declared_parameters, nearest
from paperlib.experiments.results import SIZES

FILE = "sizes.yml"


def size_parameters(notebook: str | os.PathLike[str], size: str) -> dict[str, Any]:
    """Parameters that give ``notebook`` the size ``size``, and its parameter ``size`` where it declares one.

    A notebook's own defaults are its size ``smoke``. Others are in ``sizes.yml`` beside it: name of the notebook, size,
    parameters that differ from the defaults.

    Raises:
        ParameterError: if the size is unknown, the notebook has no such size, or a parameter there does not fit.
        ValueError: if ``sizes.yml`` cannot be read.
        ImportError: if PyYAML is not installed.
    """
    if size not in SIZES:
        raise ParameterError(f"size {size!r} is unknown{nearest(size, SIZES)}; choose one of {', '.join(SIZES)}")
    declared, path = declared_parameters(notebook), Path(notebook)
    own = profiles(path.parent / FILE).get(path.stem, {})
    if size != SIZES[0] and size not in own:
        raise ParameterError(
            f"{path} has no size {size!r}; it has {', '.join([SIZES[0], *own])} (see {FILE} beside it)"
        )
    named = {"size": size} if "size" in declared else {}
    return check_parameters(declared, named | own.get(size, {}))


def profiles(path: Path) -> dict[str, dict[str, dict[str, Any]]]:
    """Notebook, size, parameters; empty where there is no file."""
    if not path.exists():
        return {}
    from paperlib.experiments.yaml_files import read_yaml

    found = read_yaml(path) or {}
    for name, sizes in mapping(found, f"{path}").items():
        for size, values in mapping(sizes, f"{path}: {name}").items():
            if size not in SIZES:
                raise ParameterError(f"{path}: {name} has a size {size!r}; sizes are {', '.join(SIZES)}")
            mapping(values, f"{path}: {name}, {size}")
    return found


def read_profile(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Values by name, from a YAML file.

    Raises:
        ValueError, OSError, ImportError: as `paperlib.experiments.yaml_files.read_yaml`; ParameterError where the file
            holds something else than names and values.
    """
    from paperlib.experiments.yaml_files import read_yaml

    return dict(mapping(read_yaml(path) or {}, f"{path}"))


def mapping(value: Any, where: str) -> Mapping[str, Any]:
    """``value``, if it maps names to values."""
    if not isinstance(value, dict) or not all(isinstance(name, str) for name in value):
        raise ParameterError(f"{where} must hold lines such as `name: value`; it holds {value!r}")
    return value
