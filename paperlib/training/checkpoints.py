"""Checkpoints: tensors in a safetensors file, the rest in a JSON file that seals it; whole or not there at all."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any, NamedTuple

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from paperlib.runtime import atomic_path, sha256

_KEPT = 2
_VERSION = 1


class Checkpoint(NamedTuple):
    """A run at one moment.

    Attributes:
        step: optimiser steps done.
        tensors: by names of one's own, on the CPU.
        state: everything else, as JSON can hold it.
    """

    step: int
    tensors: dict[str, Tensor]
    state: dict[str, Any]


def save_checkpoint(folder: str | Path, checkpoint: Checkpoint) -> Path:
    """Write a checkpoint, then remove all but it and the one before.

    First the tensors, under a temporary name, flushed and renamed; then in the same way the JSON file, with their
    SHA-256. Only that file makes a checkpoint: a process that is killed before leaves tensors which nobody reads, and
    the next call removes them. Later checkpoints go, too: a run that went on from an earlier one found them damaged.

    Args:
        folder: made if missing.
        checkpoint: what to write.

    Returns:
        The JSON file, ``step-XXXXXXXXX.json``.

    Raises:
        OSError: if it cannot be written; earlier checkpoints stay.
    """
    folder = Path(folder)
    final = folder / f"step-{checkpoint.step:09d}.json"
    tensors = final.with_suffix(".safetensors")
    with atomic_path(tensors) as temporary:
        save_file({name: tensor.contiguous() for name, tensor in checkpoint.tensors.items()}, temporary)
        digest = sha256(temporary)
    sealed = {"version": _VERSION, "step": checkpoint.step, "sha256": digest, "state": checkpoint.state}
    with atomic_path(final) as temporary:
        temporary.write_text(json.dumps(sealed, indent=1), encoding="utf-8")
    kept = [path.stem for path in _newest_first(folder) if path.stem <= final.stem][:_KEPT]
    for path in folder.glob("step-*"):
        if path.stem not in kept:
            path.unlink(missing_ok=True)
    for path in folder.glob(".step-*.partial"):  # of a process that was killed while it wrote
        path.unlink(missing_ok=True)
    return final


def load_checkpoint(folder: str | Path) -> Checkpoint | None:
    """The newest checkpoint of ``folder`` that is whole; None where there is none.

    One that is truncated or otherwise not what was written is refused with a warning, and the one before it is used.
    No code of the file is run.

    Raises:
        ValueError: if there are checkpoints and none of them is whole, or one is of another version of the format.
    """
    found = _newest_first(Path(folder))
    for path in found:
        try:
            return _read(path)
        except _FAULTS as error:
            fault = f"{type(error).__name__}: {error}".removeprefix("_Damaged: ")
            warnings.warn(f"the checkpoint {path} is damaged and not used ({fault})", stacklevel=2)
    if found:
        raise ValueError(
            f"none of the {len(found)} checkpoints in {folder} is whole; give another folder, or delete this one to "
            "start anew"
        )
    return None


class _Damaged(Exception):
    """A file that is not what was written."""


_FAULTS = (OSError, json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError, SafetensorError, _Damaged)


def _read(path: Path) -> Checkpoint:
    sealed = json.loads(path.read_text(encoding="utf-8"))
    if sealed["version"] != _VERSION:
        raise ValueError(f"{path} has version {sealed['version']} of the format; this paperlib reads {_VERSION}")
    tensors = path.with_suffix(".safetensors")
    digest = sha256(tensors)
    if digest != sealed["sha256"]:
        raise _Damaged(f"{tensors.name} has SHA-256 {digest[:12]}..., {sealed['sha256'][:12]}... was written")
    copies = {name: tensor.clone() for name, tensor in load_file(tensors).items()}  # not the mapped file, which will go
    return Checkpoint(sealed["step"], copies, sealed["state"])


def _newest_first(folder: Path) -> list[Path]:
    return sorted(folder.glob("step-*.json"), reverse=True)
