"""What a notebook lets its caller choose: the names and types of its `parameters` cell, checked before it runs."""

from __future__ import annotations

import ast
import difflib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any


class ParameterError(ValueError):
    """A parameter that the notebook does not declare, or a value of another type than it declares."""


def declared_parameters(notebook: str | os.PathLike[str]) -> dict[str, Any]:
    """Names and default values in the cell tagged ``parameters``, in order; empty where there is no such cell.

    A default that is no Python literal is given as ``...`` (it is declared, but its type is not known).

    Raises:
        ParameterError: if the file is missing or no notebook, has two such cells, or one that does not parse.
    """
    path = Path(notebook)
    try:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        tagged = [cell for cell in cells if "parameters" in cell.get("metadata", {}).get("tags", [])]
        sources = ["".join(cell["source"]) for cell in tagged]
    except FileNotFoundError:
        raise ParameterError(f"there is no notebook {path}; give the path of an .ipynb file") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ParameterError(f"{path} cannot be read as a Jupyter notebook (format 4): {error!r}") from None
    if len(sources) > 1:
        raise ParameterError(f"{path} has {len(sources)} cells tagged 'parameters'; it may have one")
    try:
        body = ast.parse(sources[0]).body if sources else []
    except SyntaxError as error:
        raise ParameterError(f"the parameters cell of {path} is not Python: {error}") from None
    defaults = {}
    for statement in body:
        if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
            target: ast.expr = statement.targets[0]
        elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
            target = statement.target
        else:
            continue
        if isinstance(target, ast.Name) and statement.value is not None:
            try:
                defaults[target.id] = ast.literal_eval(statement.value)
            except ValueError:
                defaults[target.id] = ...
    return defaults


def read_parameters(defaults: dict[str, Any], given: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Turn texts from a command line into values of the declared types.

    An int is accepted for a float; a bool is ``true`` or ``false`` and nothing else; lists, tuples and dicts are
    JSON or Python literals whose items have the type of the default's items; a default of None takes any literal.

    Raises:
        ParameterError: for a name that is not declared or given twice, or a text that does not fit its type.
    """
    values: dict[str, Any] = {}
    for name, text in given:
        if name in values:
            raise ParameterError(f"parameter {name!r} is given twice; give it once")
        values[name] = _read(name, text, _default(defaults, name))
    return values


def check_parameters(defaults: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Values that came with a type, from a profile or a sweep: those of the declared types, or a reason why not.

    An int is accepted for a float and becomes one, as does ``1e-3``, which YAML takes for a text; a list is accepted
    for a tuple; the rest as in `read_parameters`.

    Raises:
        ParameterError: for a name that is not declared, or a value that does not fit its type.
    """
    return {name: _typed(name, value, _default(defaults, name)) for name, value in given.items()}


def _default(defaults: Mapping[str, Any], name: str) -> Any:
    if name not in defaults:
        raise ParameterError(_unknown(name, list(defaults)))
    if defaults[name] is ...:
        raise ParameterError(f"parameter {name!r} cannot be set: its default in the notebook is not a plain literal")
    return defaults[name]


def _typed(name: str, value: Any, default: Any) -> Any:
    if isinstance(default, tuple) and isinstance(value, list):
        value = tuple(value)
    if isinstance(value, str) and type(default) is float:
        return _read(name, value, default)
    if value is ... or not _fits(value, default):
        raise ParameterError(_ill_typed(name, value, default))
    return float(value) if type(default) is float else value


def _unknown(name: str, declared: list[str]) -> str:
    if not declared:
        return f"parameter {name!r} is not known: the notebook declares none (it has no cell tagged 'parameters')"
    near = difflib.get_close_matches(name, declared, n=1)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    return f"parameter {name!r} is not known{hint}; the notebook declares: {', '.join(declared)}"


def _read(name: str, text: str, default: Any) -> Any:
    if isinstance(default, str):
        return text
    if type(default) is int or type(default) is float:
        try:
            return type(default)(text)
        except ValueError:
            raise ParameterError(_ill_typed(name, text, default)) from None
    try:
        return _typed(name, _literal(text), default)
    except ParameterError:
        raise ParameterError(_ill_typed(name, text, default)) from None


def _literal(text: str) -> Any:
    """The JSON or Python literal in ``text``, or ``...``; a bool is spelled as in either language."""
    for reader in (json.loads, ast.literal_eval):
        try:
            return reader(text.strip())
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            continue
    return ...


def _fits(value: Any, default: Any) -> bool:
    if default is None:
        return True
    if type(default) is float and type(value) is int:
        return True
    if type(value) is not type(default):
        return False
    if isinstance(default, (list, tuple)) and default:
        return all(any(_fits(item, model) for model in default) for item in value)
    return True


def _ill_typed(name: str, given: Any, default: Any) -> str:
    expected = {bool: "true or false (a bool)", type(None): "a JSON or Python literal (a string needs its quotes)"}
    wanted = expected.get(type(default), f"of type {type(default).__name__}")
    return f"parameter {name!r} must be {wanted}, as its default {default!r}; given was {given!r}"
