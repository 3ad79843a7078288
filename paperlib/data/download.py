"""Fetching a file: into a temporary one, verified, then moved to its final name."""

from __future__ import annotations

import http.client
import os
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

from tqdm import tqdm

from paperlib.runtime import atomic_path

_CHUNK = 1 << 16
_TIMEOUT = 30.0  # seconds without a byte


def fetch(url: str, path: str | os.PathLike[str], *, verify: Callable[[Path], object], max_bytes: int) -> Path:
    """Download ``url`` to ``path``; the final name appears only once ``verify`` has accepted the content.

    Args:
        url: http, https or file.
        path: where to put it; parent folders are created.
        verify: called with the downloaded file; raises ValueError to refuse it.
        max_bytes: stop when more than this arrives.

    Returns:
        ``path``.

    Raises:
        ConnectionError: if the address cannot be reached, refuses, or stops before the end.
        ValueError: if something else than expected arrived.
        OSError: if the file cannot be written.
    """
    with atomic_path(path) as temporary:
        with temporary.open("wb") as stream:
            for chunk in _chunks(url, Path(path).name):
                stream.write(chunk)
                if stream.tell() > max_bytes:
                    raise ValueError(f"{url} sent more than {max_bytes} bytes: it is not the expected file")
        try:
            verify(temporary)
        except ValueError as error:
            fault = str(error).replace(str(temporary), Path(path).name)
            raise ValueError(f"{url} did not send the expected file, and nothing of it was kept: {fault}") from error
    return Path(path)


def _chunks(url: str, title: str) -> Iterator[bytes]:
    """Content of ``url`` piece by piece, with a progress bar; every failure on the way is a ConnectionError."""
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT) as response:
            length = response.headers.get("Content-Length")
            total = int(length) if length and length.isdecimal() else None
            with tqdm(total=total, desc=title, unit="B", unit_scale=True, leave=False) as bar:
                while chunk := response.read(_CHUNK):
                    bar.update(len(chunk))
                    yield chunk
                if total is not None and bar.n != total:
                    raise ConnectionError(f"it stopped after {bar.n} of {total} bytes")
    except urllib.error.HTTPError as error:
        with error:
            raise ConnectionError(f"{url} answered {error.code} {error.reason}") from error
    except (OSError, http.client.HTTPException) as error:
        raise ConnectionError(f"{url} could not be fetched: {getattr(error, 'reason', error)}") from error
