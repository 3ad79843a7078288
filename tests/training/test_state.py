"""A run's tensors by name, and back; and whether a checkpoint is of the same run."""

import copy
import json

import pytest
import torch
from torch import nn
from training_runs import labels_of_the_whole_set

from paperlib.pseudo_labels import ExpectationMaximization
from paperlib.training import MutualInformation, Scheduled, SelfLabeling, WarmStart, WholeSetLabels
from paperlib.training.checkpoints import Checkpoint, load_checkpoint, save_checkpoint
from paperlib.training.state import check_same_run, pack, settings_of, unpack

OPTIMIZERS = {
    "adam": lambda parameters: torch.optim.Adam(parameters, lr=0.1),
    "adamw": lambda parameters: torch.optim.AdamW(parameters, lr=0.1),
    "sgd": lambda parameters: torch.optim.SGD(parameters, lr=0.1, momentum=0.9),
    "sgd at rest": lambda parameters: torch.optim.SGD(parameters, lr=0.1),
}


class Odd(nn.Module):
    """A frozen part, a tied and an idle weight, a scalar parameter, whole numbers and bits as buffers."""

    def __init__(self, dtype=torch.float64):
        super().__init__()
        self.frozen = nn.Linear(2, 4).requires_grad_(False)
        self.first, self.second = nn.Linear(4, 4, bias=False), nn.Linear(4, 4, bias=False)
        self.second.weight = self.first.weight
        self.conv = nn.Conv2d(1, 2, 2).to(memory_format=torch.channels_last)
        self.idle = nn.Parameter(torch.ones(3))
        self.scale = nn.Parameter(torch.tensor(1.0))
        self.norm = nn.BatchNorm1d(4)
        self.register_buffer("mask", torch.tensor([True, False]))
        self.to(dtype)

    def forward(self, x):
        kept = self.norm(self.second(self.first(self.frozen(x))))
        return self.scale * kept + self.conv(kept.view(-1, 1, 2, 2)).flatten(1).sum(1, keepdim=True)


def stepped(model, optimizer, steps):
    for step in range(steps):
        x = torch.randn(6, 2, generator=torch.Generator().manual_seed(step), dtype=torch.float64)
        optimizer.zero_grad()
        model(x.to(model.scale.dtype)).square().mean().backward()
        optimizer.step()


def made(name, dtype=torch.float64, seed=0):
    torch.manual_seed(seed)
    model = Odd(dtype)
    return model, OPTIMIZERS[name]([p for p in model.parameters() if p.requires_grad])


def same(first, second):
    return all(torch.equal(value, second.state_dict()[name]) for name, value in first.state_dict().items())


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_run_goes_on_from_the_file_as_it_would_have(tmp_path, name, dtype):
    whole, optimizer = made(name, dtype)
    stepped(whole, optimizer, 3)
    save_checkpoint(tmp_path, Checkpoint(3, pack(whole, optimizer, None), {}))
    resumed, other_optimizer = made(name, dtype, seed=1)
    unpack(load_checkpoint(tmp_path).tensors, resumed, other_optimizer, None)
    assert same(whole, resumed)
    for model, its in ((whole, optimizer), (resumed, other_optimizer)):
        stepped(model, its, 4)
    assert same(whole, resumed)
    assert resumed.second.weight is resumed.first.weight
    assert load_checkpoint(tmp_path).step == 3  # what goes on does not write into the file that it came from


@pytest.mark.parametrize("name", ["adam", "sgd"])
def test_types_and_memory_formats_are_as_the_optimiser_makes_them(name):
    model, optimizer = made(name)
    stepped(model, optimizer, 2)
    other, its = made(name, seed=1)
    unpack(pack(model, optimizer, None), other, its, None)
    for place, entries in optimizer.state_dict()["state"].items():
        for entry, value in entries.items():
            loaded = its.state_dict()["state"][place][entry]
            assert (loaded.dtype, loaded.stride()) == (value.dtype, value.stride()), entry
            assert torch.equal(loaded, value)


def test_what_is_packed_is_a_copy_in_memory_of_its_own():
    model, optimizer = made("adam")
    packed = pack(model, optimizer, None)
    before = copy.deepcopy(packed)
    stepped(model, optimizer, 2)
    assert all(torch.equal(value, before[name]) for name, value in packed.items())
    places = [value.data_ptr() for value in packed.values()]
    assert len(set(places)) == len(places)
    assert {value.device.type for value in packed.values()} == {"cpu"}
    assert not any(value.requires_grad for value in packed.values())


def test_the_settings_of_the_optimiser_stay_those_of_the_new_run():
    model, optimizer = made("adam")
    stepped(model, optimizer, 1)
    other, _ = made("adam")
    its = torch.optim.Adam([p for p in other.parameters() if p.requires_grad], lr=0.7, weight_decay=0.2)
    unpack(pack(model, optimizer, None), other, its, None)
    assert its.param_groups[0]["lr"] == 0.7
    assert its.param_groups[0]["weight_decay"] == 0.2


def test_a_model_of_another_shape_is_refused():
    model, optimizer = made("adam")
    packed = pack(model, optimizer, None)
    other = nn.Linear(2, 3)
    with pytest.raises(ValueError, match="the checkpoint is of another model: "):
        unpack(packed, other, torch.optim.Adam(other.parameters()), None)


def labels():
    objective = WholeSetLabels(ExpectationMaximization(), refresh_every=2)
    objective.refresh(torch.randn(5, 3, generator=torch.Generator().manual_seed(0)))
    return objective


@pytest.mark.parametrize("part", ["first", "then", "both"])
def test_labels_are_kept_in_either_part_of_a_warm_start(part):
    parts = [labels() if part in (name, "both") else MutualInformation() for name in ("first", "then")]
    objective = WarmStart(*parts)
    fresh = WarmStart(*(WholeSetLabels(p.solver, 2) if isinstance(p, WholeSetLabels) else p for p in parts))
    if part == "both":
        objective.then.refresh(torch.randn(5, 3, generator=torch.Generator().manual_seed(1)))
    model, optimizer = made("adam")
    unpack(pack(model, optimizer, objective), model, optimizer, fresh)
    for name in ("first", "then"):
        if part in (name, "both"):
            assert torch.equal(getattr(fresh, name).targets, getattr(objective, name).targets)


def test_an_objective_forgets_what_the_checkpoint_does_not_hold():
    model, optimizer = made("adam")
    used = labels_of_the_whole_set()
    used.then.refresh(torch.zeros(5, 4))
    unpack(pack(model, optimizer, labels_of_the_whole_set()), model, optimizer, used)
    assert used.then.is_new


def test_a_run_with_other_settings_is_refused_by_what_differs():
    old = {"seed": 0, "batch_size": 4, "n_steps": 10}
    check_same_run(old, dict(old), "here")
    expected = r"^here holds checkpoints of another run \(batch_size=4 there, 8 here; n_steps=10 there, 5 here\); give"
    with pytest.raises(ValueError, match=expected):
        check_same_run(old, {"seed": 0, "batch_size": 8, "n_steps": 5}, "here")
    with pytest.raises(ValueError, match="new=None there, 1 here"):
        check_same_run(old, {**old, "new": 1}, "here")


def test_settings_of_an_objective_are_its_name_and_numbers_and_those_of_what_it_holds():
    solver = ExpectationMaximization(3.0, divergence="collision_cross_entropy")
    found = settings_of(WarmStart(MutualInformation(2.0), SelfLabeling(solver), share=0.25))
    assert found["name"] == "WarmStart"
    assert found["share"] == 0.25
    assert found["first"] == {"name": "MutualInformation", "fairness_weight": 2.0, "prior": None}
    its = found["then"]["solver"]
    assert (its["name"], its["fairness_weight"], its["divergence"]) == (
        "ExpectationMaximization",
        3.0,
        "collision_cross_entropy",
    )
    assert json.loads(json.dumps(found)) == found


def test_settings_of_an_objective_have_no_tensors_functions_and_counters():
    solver = ExpectationMaximization()
    plain = settings_of(SelfLabeling(solver))
    assert settings_of(SelfLabeling(solver, unsolved=7, _targets=torch.eye(3))) == plain
    assert plain.keys() == {"name", "solver", "warm_start", "divergence", "prior"}
    assert settings_of(MutualInformation(prior=torch.ones(3) / 3)) == {
        "name": "MutualInformation",
        "fairness_weight": 1,
    }
    assert settings_of(labels()) == settings_of(WholeSetLabels(solver, refresh_every=2))
    assert settings_of(Scheduled(lambda progress: MutualInformation())) == {"name": "Scheduled"}


def test_an_objective_without_settings_is_told_by_its_name():
    assert settings_of(lambda logits, index: logits.sum()) == "function"
    assert settings_of(nn.Identity()) == "Identity"
    assert settings_of(MutualInformation) == "type"
