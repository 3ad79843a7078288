"""Decisions that are made in one place: where data lie, which device, how to seed, how a file is written."""

from __future__ import annotations

import errno
import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch


def data_root(root: str | os.PathLike[str] | None = None) -> Path:
    """Folder that holds downloaded data: ``root``, else ``$PAPERLIB_DATA``, else ``~/.cache/paperlib``.

    Raises:
        NotADirectoryError: if there is a file of that name; a folder that does not exist yet is fine.
    """
    chosen = root or os.environ.get("PAPERLIB_DATA") or Path.home() / ".cache" / "paperlib"
    folder = Path(chosen).expanduser()
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(f"the data root {folder} is a file; give a folder as root, or in $PAPERLIB_DATA")
    return folder


def resolve_device(device: str | torch.device | None = None) -> torch.device:
    """The device asked for, or CUDA where there is one, or the CPU.

    Raises:
        ValueError: if ``device`` is no device name, or names a CUDA device on a machine without one.
    """
    if device is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        resolved = torch.device(device)
    except (RuntimeError, TypeError) as error:
        raise ValueError(f"device={device!r} is not a torch device; use None, 'cpu', 'cuda' or 'cuda:0'") from error
    if resolved.type not in ("cpu", "cuda"):
        raise ValueError(f"device={device!r} is not supported; use None, 'cpu', 'cuda' or 'cuda:0'")
    if resolved.type == "cuda" and (resolved.index or 0) >= torch.cuda.device_count():
        seen = f"{torch.cuda.device_count() or 'no'} CUDA device(s), counted from 0,"
        raise ValueError(f"device={device!r} was asked for, but torch sees {seen} here; use None or 'cpu'")
    return resolved


@contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; move it there when the block succeeds, remove it when it fails.

    A reader of ``path`` sees the old file or the whole new one, never a half-written one: the content is flushed
    to the disk before the rename. Parent folders are created.

    Raises:
        OSError: with the path and what to do, when the disk is full or the folder cannot be written. An error of the
            block that names another file, or the network, passes as it is.
    """
    final = Path(path)
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=final.parent, prefix=f".{final.name}.", suffix=".partial")
        os.close(descriptor)
    except OSError as error:
        raise cannot_write(error, final) from error
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb+") as stream:
            os.fsync(stream.fileno())
        temporary.chmod(0o644)
        os.replace(temporary, final)
    except OSError as error:
        is_elsewhere = error.filename is not None and Path(error.filename) != temporary
        if is_elsewhere or isinstance(error, ConnectionError | TimeoutError):
            raise
        raise cannot_write(error, final) from error
    finally:
        temporary.unlink(missing_ok=True)


def cannot_write(error: OSError, path: str | os.PathLike[str]) -> OSError:
    """The error to raise where ``error`` stopped ``path`` from being written: which file, why, and what to do."""
    reason = error.strerror or str(error)
    advice = "free some space, or choose a folder you may write to"
    return OSError(error.errno or errno.EIO, f"cannot write {path}: {reason}; {advice}")


def sha256(path: str | os.PathLike[str]) -> str:
    """SHA-256 of a file, in hexadecimal, read in chunks."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
