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

    A default that is no plain literal (None, bool, int, float, str, and lists, tuples and dicts of these, the latter
    with texts as keys) is given as ``...``: it is declared, but cannot be set.

    Raises:
        ParameterError: if the file is missing or no notebook, has two such cells, or one that does not parse.
    """
    path = Path(notebook)
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if found["nbformat"] != 4 or not all(cell["cell_type"] and "source" in cell for cell in found["cells"]):
            raise ValueError("not of that format")
        cells = found["cells"]
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
                value = ast.literal_eval(statement.value)
            except ValueError:
                value = ...
            defaults[target.id] = value if _is_plain(value) else ...
    return defaults


def read_parameters(defaults: dict[str, Any], given: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Turn texts from a command line into values of the declared types.

    An int is accepted for a float and becomes one; a bool is ``true`` or ``false`` and nothing else; lists, tuples and
    dicts are JSON or Python literals, and items of the first two have the type of the default's items; a default of
    None takes any literal.

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

    ``1e-3``, which YAML takes for a text, is accepted for a float, and a list for a tuple; the rest as in
    `read_parameters`.

    Raises:
        ParameterError: for a name that is not declared, or a value that does not fit its type.
    """
    return {name: _typed(name, value, _default(defaults, name)) for name, value in given.items()}


def nearest(word: str, words: Iterable[str]) -> str:
    """A question that a misspelt word deserves, or nothing."""
    near = difflib.get_close_matches(word, list(words), n=1)
    return f" (did you mean {near[0]!r}?)" if near else ""


def _default(defaults: Mapping[str, Any], name: str) -> Any:
    if name not in defaults:
        raise ParameterError(_unknown(name, list(defaults)))
    if defaults[name] is ...:
        raise ParameterError(f"parameter {name!r} cannot be set: its default in the notebook is not a plain literal")
    return defaults[name]


def _typed(name: str, value: Any, default: Any) -> Any:
    try:
        return _converted(value, default)
    except (ValueError, OverflowError, RecursionError):
        raise ParameterError(_ill_typed(name, value, default)) from None


def _converted(value: Any, default: Any) -> Any:
    """``value`` in the type of ``default``; ValueError where it does not fit."""
    if default is None and _is_plain(value):
        return value
    if type(default) is float and type(value) in (int, float, str):
        return float(value)
    if isinstance(default, (list, tuple)) and isinstance(value, (list, type(default))):
        return type(default)(_item(item, default) if default else _converted(item, None) for item in value)
    if type(value) is not type(default) or not _is_plain(value):
        raise ValueError
    return value


def _item(item: Any, models: Any) -> Any:
    for model in models:
        try:
            return _converted(item, model)
        except ValueError:
            continue
    raise ValueError


def _is_plain(value: Any) -> bool:
    """Whether a notebook gets it as it is: papermill makes texts of other keys and types."""
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_plain(item) for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, (bool, int, float, str))


def _unknown(name: str, declared: list[str]) -> str:
    if not declared:
        return f"parameter {name!r} is not known: the notebook declares none (it has no cell tagged 'parameters')"
    return f"parameter {name!r} is not known{nearest(name, declared)}; the notebook declares: {', '.join(declared)}"


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


def _ill_typed(name: str, given: Any, default: Any) -> str:
    expected = {bool: "true or false (a bool)", type(None): "a JSON or Python literal (a string needs its quotes)"}
    wanted = expected.get(type(default), f"of type {type(default).__name__}")
    return f"parameter {name!r} must be {wanted}, as its default {default!r}; given was {given!r}"
