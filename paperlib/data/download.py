"""Fetching a file: into a partial one, which a later try goes on from; verified, then given its final name."""

from __future__ import annotations

import errno
import http.client
import os
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

from tqdm import tqdm

try:
    import fcntl
except ImportError:  # Windows: no lock
    fcntl = None  # type: ignore[assignment]

_CHUNK = 1 << 16
_TIMEOUT = 30.0  # seconds without a byte
_NOTHING_LEFT = 416  # the HTTP status of a range that begins where the file ends, or later


def fetch_missing(
    owner: str,
    url: str,
    path: str | os.PathLike[str],
    *,
    verify: Callable[[Path], object],
    max_bytes: int,
    advice: str,
) -> Path:
    """`fetch` a file of the data set ``owner``, which is not on this machine.

    Raises:
        FileNotFoundError: if it is not to be had; the message ends in ``advice``: what a reader can do instead.
        ValueError: if something else than expected arrived; the message ends the same way.
        OSError: if the file cannot be written.
    """
    try:
        return fetch(url, path, verify=verify, max_bytes=max_bytes)
    except (ConnectionError, ValueError) as error:
        kind = FileNotFoundError if isinstance(error, ConnectionError) else ValueError
        raise kind(f"{owner} is not on this machine, and {error}. Try again with a network, or {advice}") from error


def fetch(url: str, path: str | os.PathLike[str], *, verify: Callable[[Path], object], max_bytes: int) -> Path:
    """Download ``url`` to ``path``; the final name appears only once ``verify`` has accepted the content.

    What has arrived lies in ``<path>.partial``. It is kept when the connection breaks or the process dies, and the next
    call asks the server for the rest only: an HTTP range, tied by ``If-Range`` to the ETag (or the date) that the
    server gave. A server that ignores ranges is read from the start. Where the joined parts turn out wrong they are
    deleted, and the file is fetched once more as a whole. Of several processes that want the same file one fetches it
    and the others wait (not on Windows).

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
    final = Path(path)
    partial = final.with_name(f"{final.name}.partial")
    was_there = final.exists()
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        with _alone(partial) if fcntl else nullcontext():
            partial.touch()
            if not was_there and final.exists():  # another process has fetched it meanwhile
                partial.unlink()
                return final
            try:
                _fill(partial, url, final.name, verify, max_bytes)
            except BaseException:
                if partial.stat().st_size == 0:
                    partial.unlink()
                    _tag_of(partial).unlink(missing_ok=True)
                raise
            with partial.open("rb+") as stream:
                os.fsync(stream.fileno())
            _tag_of(partial).unlink(missing_ok=True)
            os.replace(partial, final)
    except ConnectionError:
        raise
    except OSError as error:
        reason = (
            f"cannot write {final}: {error.strerror or error}; free some space, or choose a folder you may write to"
        )
        raise OSError(error.errno or errno.EIO, reason) from error
    return final


@contextmanager
def _alone(partial: Path) -> Iterator[None]:
    """Hold a lock on ``partial``, created where it is absent."""
    while True:
        with partial.open("ab") as stream:
            with suppress(OSError):  # a file system without locks
                fcntl.flock(stream, fcntl.LOCK_EX)
            try:
                is_current = os.path.samestat(os.fstat(stream.fileno()), partial.stat())
            except FileNotFoundError:
                is_current = False
            if is_current:  # else it got its final name, or was deleted, while this process waited
                yield
                return


def _fill(partial: Path, url: str, title: str, verify: Callable[[Path], object], max_bytes: int) -> None:
    """Complete ``partial`` until ``verify`` accepts it; what is refused is emptied, and tried again if it was old."""
    while True:
        is_old = partial.stat().st_size > 0
        try:
            _receive(partial, url, title, max_bytes)
            verify(partial)
            return
        except ValueError as error:
            os.truncate(partial, 0)
            if not is_old:
                fault = str(error).replace(str(partial), title)
                raise ValueError(
                    f"{url} did not send the expected file, and nothing of it was kept: {fault}"
                ) from error


def _receive(partial: Path, url: str, title: str, max_bytes: int) -> None:
    """Append what ``partial`` lacks of ``url``, or write all of it anew, with a progress bar."""
    start, tag = partial.stat().st_size, _tag_of(partial)
    request = urllib.request.Request(url)
    if start:
        request.add_header("Range", f"bytes={start}-")
        if tag.exists():
            request.add_header("If-Range", tag.read_text(encoding="latin-1"))
    with _network(url):
        try:
            response = urllib.request.urlopen(request, timeout=_TIMEOUT)
        except urllib.error.HTTPError as error:
            if not start or error.code != _NOTHING_LEFT:
                raise
            error.close()
            return  # whether the file is whole or too long, the check will tell
    with response:
        if response.status != http.HTTPStatus.PARTIAL_CONTENT:
            start = 0
            os.truncate(partial, 0)
            tag.unlink(missing_ok=True)
            if validator := _validator(response.headers):
                tag.write_text(validator, encoding="latin-1")
        elif not response.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
            raise ValueError(f"it sent the range {response.headers.get('Content-Range')!r}, not the one from {start}")
        length = response.headers.get("Content-Length")
        total = start + int(length) if length and length.isdecimal() else None
        with (
            partial.open("ab") as stream,
            tqdm(total=total, initial=start, desc=title, unit="B", unit_scale=True, leave=False) as bar,
        ):
            while chunk := _read(response, url):
                stream.write(chunk)
                bar.update(len(chunk))
                if bar.n > max_bytes:
                    raise ValueError(f"it sent more than {max_bytes} bytes")
            if total is not None and bar.n != total:
                raise ConnectionError(
                    f"{url} could not be fetched: it stopped after {bar.n} of {total} bytes; the next try goes on there"
                )


def _read(response: http.client.HTTPResponse, url: str) -> bytes:
    with _network(url):
        return response.read(_CHUNK)


@contextmanager
def _network(url: str) -> Iterator[None]:
    """Turn every failure on the way into a ConnectionError."""
    try:
        yield
    except urllib.error.HTTPError as error:
        with error:
            raise ConnectionError(f"{url} answered {error.code} {error.reason}") from error
    except (OSError, http.client.HTTPException) as error:
        raise ConnectionError(f"{url} could not be fetched: {getattr(error, 'reason', error)}") from error


def _tag_of(partial: Path) -> Path:
    """File beside ``partial`` that says which version of the file it is a part of."""
    return partial.with_name(f"{partial.name}.etag")


def _validator(headers: http.client.HTTPMessage) -> str:
    """What ``If-Range`` may name: a strong ETag, else the date of the last change, else nothing."""
    etag = headers.get("ETag", "")
    return etag if etag.startswith('"') else headers.get("Last-Modified", "")
