"""Files that a reader hands over, checked before they are used."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path


def read_given(path: str | os.PathLike[str], name: str, advice: str) -> bytes:
    """Content of the file that was given as the argument ``name``.

    Raises:
        FileNotFoundError: if there is no such file; it ends in ``advice``.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"{name}={str(path)!r} is no file; {advice}")
    return Path(path).read_bytes()


def check_content(content: bytes, expected: str, subject: str, advice: str) -> None:
    """Compare the SHA-256 of ``content`` with what is ``expected``; the error begins with ``subject``.

    Raises:
        ValueError: if it is another one.
    """
    digest = hashlib.sha256(content).hexdigest()
    if digest != expected:
        raise ValueError(f"{subject} SHA-256 {digest}, expected {expected}; {advice}")
