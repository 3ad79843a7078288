"""Small files in the true formats: idx with a set of images made of them, archives, and published files."""

import gzip
import hashlib
import io
import struct
import tarfile
from pathlib import Path

import numpy as np
import pytest

from paperlib.data.archives import PublishedFile
from paperlib.data.mnist import IdxFile, ImageSet

TYPES = {"uint8": 0x08, "int8": 0x09, "int16": 0x0B, "int32": 0x0C, "float32": 0x0D, "float64": 0x0E}


def idx_bytes(array: np.ndarray) -> bytes:
    header = struct.pack(f">HBB{array.ndim}I", 0, TYPES[array.dtype.name], array.ndim, *array.shape)
    return header + array.astype(array.dtype.newbyteorder(">")).tobytes()


@pytest.fixture
def to_idx():
    return idx_bytes


@pytest.fixture
def arrays():
    """Seven train and three test images, with labels."""
    rng = np.random.default_rng(0)
    made = {}
    for split, stem, n in (("train", "train", 7), ("test", "t10k", 3)):
        made[split] = {
            f"{stem}-images-idx3-ubyte": rng.integers(256, size=(n, 28, 28), dtype=np.uint8),
            f"{stem}-labels-idx1-ubyte": rng.integers(10, size=n, dtype=np.uint8),
        }
    return made


@pytest.fixture
def contents(arrays):
    """Content of the four files, unpacked."""
    return {name: idx_bytes(array) for pair in arrays.values() for name, array in pair.items()}


@pytest.fixture
def images(arrays, contents):
    """The set that consists of these files; its public home cannot be reached."""
    files = {
        split: tuple(
            IdxFile(name, array.shape, hashlib.sha256(contents[name]).hexdigest()) for name, array in pair.items()
        )
        for split, pair in arrays.items()
    }
    return ImageSet(
        name="small",
        description="a small set",
        source="made here",
        license="none",
        files=files,
        url="http://127.0.0.1:9",
        offline="there is no other place",
    )


@pytest.fixture
def fill(contents):
    """Write the four files into a folder, raw or gzipped."""

    def write(folder: Path, *, packed: bool) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in contents.items():
            if packed:
                (folder / f"{name}.gz").write_bytes(gzip.compress(content))
            else:
                (folder / name).write_bytes(content)

    return write


def tar_gz(members: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return packed.getvalue()


@pytest.fixture
def to_tar_gz():
    return tar_gz


@pytest.fixture
def publish(tmp_path):
    """Put a file where it can be fetched, and describe it."""

    def write(name: str, content: bytes) -> PublishedFile:
        path = tmp_path / "home" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        return PublishedFile(name, path.as_uri(), len(content), hashlib.sha256(content).hexdigest())

    return write
