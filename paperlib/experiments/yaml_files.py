"""Reading a YAML file that people write by hand: sweeps, profiles and the register of the papers' tables."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any


def read_yaml(path: str | os.PathLike[str]) -> Any:
    """What a YAML file holds: dicts, lists, texts, numbers, booleans, or None where it is empty.

    Only plain data is read, and a key may be written once in its mapping.

    Args:
        path: a UTF-8 text file.

    Raises:
        ImportError: if PyYAML is not installed, naming the extra that brings it.
        FileNotFoundError: if there is no such file.
        ValueError: naming the file and, where it is known, the line: if the file is no UTF-8 text, not YAML, holds
            more than one document or anything but plain data, or writes a key twice.
        OSError: if it cannot be read.
    """
    try:
        import yaml
    except ImportError as error:
        raise ImportError("reading a YAML file needs PyYAML: pip install 'paperlib[notebooks]'") from error

    class Loader(yaml.SafeLoader):
        """The safe loader, which by itself keeps the last of two equal keys and says nothing."""

        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            written: set[tuple[str, str]] = set()
            for key, _ in node.value:
                if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                    if (key.tag, key.value) in written:
                        raise yaml.MarkedYAMLError(
                            problem=f"key {key.value!r} is there twice; write it once", problem_mark=key.start_mark
                        )
                    written.add((key.tag, key.value))
            return super().construct_mapping(node, deep=deep)

    try:
        text = Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise FileNotFoundError(f"there is no file {path}; give the path of a YAML file") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8 text: {error}") from None
    try:
        return yaml.load(text, Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f", line {mark.line + 1}" if mark else ""
        raise ValueError(f"{path}{where}: {error.problem or error.context}") from None
    except yaml.YAMLError as error:
        raise ValueError(f"{path} is not YAML: {error}") from None
    except (TypeError, ValueError, RecursionError) as error:  # a date that does not exist, an unhashable key
        raise ValueError(f"{path} holds a value that cannot be read: {error}") from None
