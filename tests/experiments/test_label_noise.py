"""Supervised learning from wrong labels, at a small size."""

import itertools
from pathlib import Path

import pytest
import torch

from paperlib.data import Dataset, gaussian_blobs
from paperlib.experiments import label_noise, read_rows
from paperlib.experiments.fits import fit_to_labels
from paperlib.experiments.label_noise import LAPTOP, LabelNoiseConfig, replace_labels, run, soft_labels
from paperlib.losses import self_labeling_loss
from paperlib.models import critical_gamma

COUPLINGS = ("cross_entropy", "reverse_cross_entropy", "collision_cross_entropy")


def generator():
    return torch.Generator().manual_seed(0)


@pytest.fixture
def blobs(monkeypatch):
    parts = {split: gaussian_blobs(150, 3, spread=1.0, seed=3) for split in ("train", "test")}
    monkeypatch.setattr(label_noise, "load", lambda name, split="train": parts[split])


def test_every_seed_telling_level_coupling_and_price_is_a_row(blobs):
    config = LabelNoiseConfig(
        n_seeds=2, dataset="blobs", levels=(0.0, 0.5), told=label_noise.TOLD, prices=(0.1, 0.01), n_train=60
    )
    rows = list(run(config))
    assert len({(row.method, row.seed) for row in rows}) == len(rows) == 2 * 2 * 2 * (3 + 3 + 2)
    assert {row.dataset for row in rows} == {"blobs/test"}


def test_clear_groups_are_learned_from_half_the_labels_being_wrong(blobs):
    rows = list(run(LabelNoiseConfig(n_seeds=1, dataset="blobs", levels=(0.5,), prices=(0.1,), n_train=100)))
    assert min(row.value for row in rows) > 0.9


def test_the_price_is_chosen_by_the_labels_held_out_not_by_the_true_ones(blobs, monkeypatch):
    guess = {0.5: 1, 0.1: 0}  # the class that a model of either price predicts for all

    def fake_fit(x, targets, coupling, price):
        return lambda points: torch.eye(3)[[guess[price]] * len(points)]

    monkeypatch.setattr(label_noise, "fit_to_labels", fake_fit)
    monkeypatch.setattr(label_noise, "replace_labels", lambda y, *_, **__: (0 * y + 1, 0 * y.double()))
    x, y = torch.randn(60, 2, generator=generator()), torch.arange(60) % 3
    truth = Dataset(x, 0 * y, name="plain", source="none", license="none", split="test")
    train = Dataset(x, y, name="plain", source="none", license="none", split="train")
    monkeypatch.setattr(label_noise, "load", lambda name, split="train": truth if split == "test" else train)
    rows = run(LabelNoiseConfig(n_seeds=1, dataset="plain", prices=(0.5, 0.1), n_train=50))
    assert {row.method.split(", ")[3]: row.value for row in rows} == {"price chosen": 0.0, "least price": 1.0}


@pytest.mark.parametrize(("level", "each"), list(itertools.product((0.0, 0.3, 0.9, 1.0), (False, True))))
def test_as_many_labels_are_replaced_as_the_level_says(level, each):
    y = torch.zeros(20_000, dtype=torch.long)
    labels, confusion = replace_labels(y, level, 10, each=each, generator=generator())
    assert confusion.mean().item() == pytest.approx(level, abs=0.01)
    assert (confusion >= 0).all()
    assert (confusion <= 1).all()
    assert (labels != y).double().mean().item() == pytest.approx(0.9 * level, abs=0.02), "a tenth hits the old class"
    if each and 0 < level < 1:
        sure = confusion < confusion.median()
        assert (labels[sure] != 0).sum() < (labels[~sure] != 0).sum(), "the surer labels are replaced less often"


def test_soft_labels_are_the_belief_in_each_class():
    labels, confusion = replace_labels(torch.arange(4).repeat(20_000), 0.6, 4, each=False, generator=generator())
    seen = labels == 2
    shares = torch.bincount(torch.arange(4).repeat(20_000)[seen], minlength=4) / seen.sum()
    belief = soft_labels(labels, confusion, 4, coupling="cross_entropy")[seen][0]
    assert torch.allclose(shares.double(), belief, atol=0.01)


def test_only_the_reverse_cross_entropy_is_given_no_zeros():
    labels, sure = torch.tensor([0, 1]), torch.zeros(2, dtype=torch.float64)
    for coupling in COUPLINGS:
        targets = soft_labels(labels, sure, 3, coupling=coupling)
        assert torch.allclose(targets.sum(1), torch.ones(2, dtype=torch.float64))
        assert bool((targets == 0).any()) == (coupling != "reverse_cross_entropy")


@pytest.mark.parametrize("coupling", COUPLINGS)
def test_a_fit_is_a_stationary_point_of_its_penalised_loss(coupling):
    data = gaussian_blobs(90, 3, spread=3.0, seed=0)
    targets = soft_labels(data.y, torch.full((90,), 0.3, dtype=torch.float64), 3, coupling=coupling)
    model = fit_to_labels(data.x, targets, coupling, 0.1)
    gamma = 0.1 * critical_gamma(data.x, 3)
    loss = self_labeling_loss(model(data.x), targets, divergence=coupling) + gamma * model.penalty()
    assert loss < self_labeling_loss(torch.zeros(90, 3, dtype=data.x.dtype), targets, divergence=coupling)
    gradients = torch.autograd.grad(loss, list(model.parameters()))
    assert max(gradient.abs().max() for gradient in gradients) < 1e-2


def test_data_without_labels_and_impossible_sizes_are_refused(blobs, monkeypatch):
    with pytest.raises(ValueError, match="n_train=150 must be from 5 to 149"):
        next(run(LabelNoiseConfig(dataset="blobs", n_train=150)))
    unlabelled = Dataset(torch.zeros(9, 2), None, name="plain", source="none", license="none", split="train")
    monkeypatch.setattr(label_noise, "load", lambda name, split="train": unlabelled)
    with pytest.raises(ValueError, match="has no labels to replace"):
        next(run(LabelNoiseConfig(dataset="plain", n_train=5)))


def test_the_rows_in_the_repository_are_those_of_the_laptop_size():
    rows = read_rows(Path(__file__).parents[2] / "results" / "label_noise.csv")
    assert {row.seed for row in rows} == set(range(LAPTOP.n_seeds))
    assert {row.dataset for row in rows} == {f"{LAPTOP.dataset}/test"}
    told = {(row.method.split(", ")[1], row.method.split(", ")[2]) for row in rows}
    assert told == {(f"told {told}", f"noise {level:g}") for told in LAPTOP.told for level in LAPTOP.levels}
