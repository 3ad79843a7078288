"""Files of frozen features: the one that ships with the package, and those that `paperlib features` makes."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tokenize
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from paperlib.data.dataset import Dataset, check_split
from paperlib.runtime import atomic_path

SHIPPED = Path(__file__).with_name("shipped") / "fashion_mnist_mobilenet_v2.npz"
# A file that is made anew has another hash (versions are in it, and rounding differs): write it here.
SHIPPED_SHA256 = "b6fe668f7b6ea1672fde0cd7b181541aa21f030327caf18a53c115cd3a050b46"


def load_shipped(split: str) -> Dataset:
    """Features of Fashion-MNIST that ship with the package, checked by SHA-256.

    Raises:
        FileNotFoundError: if the file is not in the package.
        ValueError: if it is not the one that was shipped.
    """
    advice = "install paperlib again, or make the file anew with `paperlib features`"
    if not SHIPPED.is_file():
        raise FileNotFoundError(f"{SHIPPED} is not there, though it ships with paperlib; {advice}")
    content = SHIPPED.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    if digest != SHIPPED_SHA256:
        raise ValueError(f"{SHIPPED} has SHA-256 {digest}, expected {SHIPPED_SHA256}: it is corrupted; {advice}")
    return _parse(content, split)


def read_features(path: str | os.PathLike[str], *, split: str = "train") -> Dataset:
    """Features of a file that `paperlib features` made.

    Args:
        path: the .npz file.
        split: ``"train"``, ``"test"``, or ``"all"`` for both, in this order.

    Returns:
        ``x`` float32 ``[n, d]`` (stored in float16), ``y`` int64 ``[n]``.

    Raises:
        OSError: if the file cannot be opened.
        ValueError: if it is not such a file, or is damaged, or there is no such split.
    """
    check_split(split)
    try:
        return _parse(Path(path).read_bytes(), split)
    except (zipfile.BadZipFile, zlib.error, tokenize.TokenError, KeyError, TypeError, EOFError, ValueError) as error:
        raise ValueError(f"{path} is not a whole file of `paperlib features` ({error}); make it anew") from error


def write_features(
    path: str | os.PathLike[str], arrays: Mapping[str, NDArray], provenance: Mapping[str, object]
) -> Path:
    """Write what `read_features` reads; the same content makes the same bytes.

    Args:
        path: the .npz file.
        arrays: ``x_train``, ``y_train``, ``x_test``, ``y_test``, and whatever is to be kept beside them.
        provenance: ``name``, ``source``, ``license``, and what else a reader should know; it is stored as JSON.

    Raises:
        OSError: if the file cannot be written.
    """
    text = np.frombuffer(json.dumps(provenance, indent=1).encode(), dtype=np.uint8)
    with atomic_path(path) as temporary, temporary.open("wb") as stream:
        np.savez_compressed(stream, allow_pickle=False, provenance=text, **arrays)
    return Path(path)


def _parse(content: bytes, split: str) -> Dataset:
    parts = ("train", "test") if split == "all" else (split,)
    with np.load(io.BytesIO(content), allow_pickle=False) as archive:
        provenance = json.loads(archive["provenance"].tobytes())
        x = np.concatenate([archive[f"x_{part}"] for part in parts])
        y = np.concatenate([archive[f"y_{part}"] for part in parts])
    return Dataset(
        x=torch.from_numpy(x).float(),
        y=torch.from_numpy(y).long(),
        name=provenance["name"],
        source=provenance["source"],
        license=provenance["license"],
        split=split,
    )
