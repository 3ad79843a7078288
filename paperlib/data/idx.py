"""Reader of idx files, raw or gzipped: the format of MNIST and its successors.

An idx file is two zero bytes, a type byte, the number of dimensions, each dimension as a big-endian unsigned
32-bit integer, then the values in row-major order. Nothing in it is executed, and no header is believed before the
number of bytes agrees with it.
"""

from __future__ import annotations

import gzip
import hashlib
import math
import os
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_MAX_DIMENSIONS = 8
_ADVICE = "delete it, then load again to fetch it anew, or put an intact copy there"


def read_idx(path: str | os.PathLike[str], *, shape: tuple[int, ...], sha256: str) -> NDArray[np.uint8]:
    """Bytes of an idx file of known shape and content.

    Args:
        path: the file, raw or gzipped (told by its content, not by its name).
        shape: the shape that the file must have; no more than that is ever unpacked.
        sha256: SHA-256 of the unpacked file, so that another compression of the same data agrees.

    Returns:
        A writable array of ``shape``.

    Raises:
        OSError: if the file cannot be opened.
        ValueError: if it is truncated, corrupted, or another file; the message says what was expected and found.
    """
    content = read_unpacked(path, limit=4 + 4 * len(shape) + math.prod(shape))
    array = parse_idx(content, origin=path)
    if array.dtype != np.uint8 or array.shape != shape:
        found = f"{array.dtype} {list(array.shape)}"
        raise ValueError(f"{path} holds {found}, expected uint8 {list(shape)}: it is another file; {_ADVICE}")
    digest = hashlib.sha256(content).hexdigest()
    if digest != sha256:
        raise ValueError(f"{path} has SHA-256 {digest} once unpacked, expected {sha256}: it is corrupted; {_ADVICE}")
    return array


def read_unpacked(path: str | os.PathLike[str], *, limit: int) -> bytearray:
    """Content of a file, unpacked where it is gzipped.

    Raises:
        OSError: if the file cannot be opened.
        ValueError: if it is damaged, or more than ``limit`` bytes long once unpacked.
    """
    with Path(path).open("rb") as stream:
        is_gzip = stream.read(2) == b"\x1f\x8b"
        stream.seek(0)
        content = bytearray(limit + 1)
        try:
            size = (gzip.GzipFile(fileobj=stream) if is_gzip else stream).readinto(content)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise ValueError(f"{path} is not a whole gzip file ({error}); {_ADVICE}") from error
    if size > limit:
        raise ValueError(f"{path} holds more than the expected {limit} bytes: it is another file; {_ADVICE}")
    del content[size:]
    return content


def parse_idx(content: bytes | bytearray, *, origin: object) -> NDArray[Any]:
    """Array that an unpacked idx file describes; it shares the memory of ``content`` where the values are bytes.

    Args:
        content: the whole file.
        origin: what to call it in an error.

    Raises:
        ValueError: if the header is not one of an idx file, or disagrees with the number of bytes.
    """
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] not in _TYPES:
        raise ValueError(
            f"{origin} is not an idx file: it begins with the bytes {bytes(content[:4]).hex(' ') or 'of nothing'}, "
            f"expected 00 00, a type of {', '.join(f'{code:02x}' for code in _TYPES)}, and the dimensions; {_ADVICE}"
        )
    dtype, n_dimensions = np.dtype(_TYPES[content[2]]), content[3]
    start = 4 + 4 * n_dimensions
    if not 1 <= n_dimensions <= _MAX_DIMENSIONS or len(content) < start:
        raise ValueError(
            f"{origin} announces {n_dimensions} dimensions in {len(content)} bytes, "
            f"expected 1 to {_MAX_DIMENSIONS} with 4 bytes each; {_ADVICE}"
        )
    # Python integers do not overflow, so that no announced shape can wrap around to the size that is there.
    shape = tuple(int.from_bytes(content[i : i + 4], "big") for i in range(4, start, 4))
    expected = start + math.prod(shape) * dtype.itemsize
    if 0 in shape or len(content) != expected:
        raise ValueError(
            f"{origin} holds {len(content)} bytes, expected {expected} for the shape {list(shape)} of its header: "
            f"it is {'empty' if 0 in shape else 'truncated' if len(content) < expected else 'too long'}; {_ADVICE}"
        )
    array = np.frombuffer(content, dtype=dtype, offset=start).reshape(shape)
    return array.astype(dtype.newbyteorder("="), copy=False)
