"""Files as their authors published them: found or fetched, checked, and read member by member where they are archives.

Nothing is unpacked to the disk, no path in an archive is followed, and nothing in it is executed.
"""

from __future__ import annotations

import gzip
import os
import posixpath
import tarfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from paperlib.data.download import fetch_missing
from paperlib.runtime import data_root, sha256

ADVICE = "delete it, then load again to fetch it anew, or put an intact copy there"
_CHUNK = 1 << 20


@dataclass(frozen=True)
class PublishedFile:
    """One file, and how to know it.

    Attributes:
        name: what it is called.
        url: where it is, in full.
        n_bytes: its exact length.
        sha256: its SHA-256, in hexadecimal, over the file as it is published.
    """

    name: str
    url: str
    n_bytes: int
    sha256: str

    def find(self, owner: str, root: str | os.PathLike[str] | None = None) -> Path:
        """Path of the checked file in the folder of the set ``owner``; it is fetched where it is not there.

        Raises:
            FileNotFoundError: if it is neither there nor to be had; the message says which file to put where.
            ValueError: if it is truncated, corrupted or another one.
            OSError: if the fetched file cannot be written.
        """
        path = data_root(root) / owner / self.name
        if path.is_file():
            self.check(path)
            return path
        advice = f"put the file {self.name}, as it is at that address, into the folder {path.parent}"
        return fetch_missing(owner, self.url, path, verify=self.check, max_bytes=self.n_bytes, advice=advice)

    def check(self, path: str | os.PathLike[str]) -> None:
        """Compare length and SHA-256; the cost is one reading of the file.

        Raises:
            ValueError: if either is another one; the message says what was expected and found.
        """
        size = Path(path).stat().st_size
        if size != self.n_bytes:
            fault = "truncated" if size < self.n_bytes else "another file"
            raise ValueError(f"{path} has {size} bytes, expected {self.n_bytes}: it is {fault}; {ADVICE}")
        digest = sha256(path)
        if digest != self.sha256:
            raise ValueError(f"{path} has SHA-256 {digest}, expected {self.sha256}: it is corrupted; {ADVICE}")


def read_members(path: str | os.PathLike[str], targets: Mapping[str, NDArray[np.uint8]]) -> None:
    """Read members of a .tar.gz into arrays that are there already, in one pass that ends at the last one wanted.

    The pieces are small, so that no member is in memory twice.

    Args:
        path: the archive.
        targets: an array for each member, by its name; contiguous, and of exactly the member's length in bytes.

    Raises:
        ValueError: if the archive is damaged, or a member is not in it, or is no file of that length.
    """
    missing = dict(targets)
    try:
        with tarfile.open(path, "r:gz") as archive:
            while missing and (member := archive.next()):
                name = posixpath.normpath(member.name)
                if name not in missing:
                    continue
                content = missing.pop(name).data.cast("B")
                stream = archive.extractfile(member) if member.isfile() else None
                if stream is None or member.size != len(content):
                    found = f"{member.size} bytes" if stream else "no file"
                    raise ValueError(f"{path}: {name} is {found}, expected {len(content)} bytes; {ADVICE}")
                for start in range(0, len(content), _CHUNK):
                    content[start : start + _CHUNK] = stream.read(_CHUNK)
    except (tarfile.TarError, EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(f"{path} is not a whole .tar.gz ({error}); {ADVICE}") from error
    if missing:
        raise ValueError(f"{path} has no member {', '.join(missing)}: it is another file; {ADVICE}")


def check_labels(labels: NDArray[np.uint8], lowest: int, highest: int, origin: object) -> None:
    """Refuse labels outside their range; the error begins with ``origin``.

    Raises:
        ValueError: if one is.
    """
    outside = np.flatnonzero((labels < lowest) | (labels > highest))
    if outside.size:
        first = outside[0]
        raise ValueError(
            f"{origin} holds the label {labels[first]} in record {first}, expected {lowest} to {highest}; {ADVICE}"
        )
