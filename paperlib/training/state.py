"""A run's tensors by name, and back; and whether a checkpoint is of the same run."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import Any

import torch
from torch import Tensor, nn


def pack(model: nn.Module, optimizer: torch.optim.Optimizer, objective: Any) -> dict[str, Tensor]:
    """Copies on the CPU of all tensors of model, optimiser and, where it has a ``state_dict``, objective."""
    named = {f"model/{name}": value for name, value in model.state_dict().items()}
    for place, entries in optimizer.state_dict()["state"].items():
        named |= {
            f"optimizer/{place}/{name}": torch.as_tensor(value) for name, value in entries.items() if value is not None
        }
    named |= {f"objective/{name}": value for name, value in _objective_state(objective).items()}
    return {name: value.detach().to("cpu", copy=True) for name, value in named.items()}


def unpack(tensors: dict[str, Tensor], model: nn.Module, optimizer: torch.optim.Optimizer, objective: Any) -> None:
    """The converse of `pack`, in place.

    Raises:
        ValueError: if the tensors are not those of such a model.
    """
    parts: dict[str, dict[str, Tensor]] = {"model": {}, "optimizer": {}, "objective": {}}
    for name, value in tensors.items():
        part, rest = name.split("/", 1)
        parts[part][rest] = value
    try:
        model.load_state_dict(parts["model"])
    except RuntimeError as error:
        raise ValueError(f"the checkpoint is of another model: {error}") from error
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in parts["optimizer"].items():
        place, entry = name.split("/")
        like = parameters[int(place)]
        if value.ndim and value.shape == like.shape:  # in the parameter's memory format, as the optimiser made it
            value = torch.empty_like(like).copy_(value)
        state.setdefault(int(place), {})[entry] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    if hasattr(objective, "load_state_dict"):  # with nothing, it forgets what it holds of another run
        objective.load_state_dict(parts["objective"])


def check_same_run(old: dict[str, Any], new: dict[str, Any], folder: str) -> None:
    """Refuse to go on from a checkpoint of another run.

    Args:
        old: what the checkpoint says of its run.
        new: the same of the present one.
        folder: of the checkpoint.

    Raises:
        ValueError: naming what differs.
    """
    different = [f"{name}={old.get(name)!r} there, {new[name]!r} here" for name in new if old.get(name) != new[name]]
    if different:
        raise ValueError(
            f"{folder} holds checkpoints of another run ({'; '.join(different)}); give another folder, or delete this "
            "one to start anew"
        )


def settings_of(objective: Any) -> Any:
    """An objective's name and, of a dataclass, its settings that are numbers, texts or dataclasses again."""
    name = type(objective).__name__
    if not is_dataclass(objective) or isinstance(objective, type):
        return name
    found: dict[str, Any] = {"name": name}
    for one in fields(objective):
        value = getattr(objective, one.name)
        if not one.compare:
            continue
        if value is None or isinstance(value, bool | int | float | str):
            found[one.name] = value
        elif is_dataclass(value):
            found[one.name] = settings_of(value)
    return found


def _objective_state(objective: Any) -> dict[str, Tensor]:
    return objective.state_dict() if hasattr(objective, "state_dict") else {}
