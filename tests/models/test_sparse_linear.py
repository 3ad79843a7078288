"""The linear model with features that go off, alone or in groups."""

import pytest
import torch

from paperlib.models import SparseLinear
from paperlib.proximal import group_soft_threshold


def example(**options):
    generator = torch.Generator().manual_seed(0)
    model = SparseLinear(6, 3, generator=generator, **options).double()
    return model, torch.randn(7, 6, generator=generator, dtype=torch.float64)


def test_logits_are_linear_in_the_features():
    model, x = example()
    torch.testing.assert_close(model(x), x @ model.weight.T + model.bias)


@pytest.mark.parametrize("groups", [None, torch.tensor([0, 0, 1, 1, 2, 2])])
def test_prox_is_the_group_soft_threshold_on_the_weights_alone(groups):
    model, x = example(groups=groups)
    before, bias = model.weight.detach().clone(), model.bias.detach().clone()
    threshold = float(model.norms().median())
    model.prox_(threshold)
    torch.testing.assert_close(model.weight.detach(), group_soft_threshold(before, threshold, groups=groups))
    assert torch.equal(model.bias.detach(), bias)
    off = ~model.selected()
    assert 0 < int(off.sum()) < 6
    other = x.clone()
    other[:, off] += 5.0
    assert torch.equal(model(other), model(x))


def test_features_of_a_group_go_off_together():
    model, _ = example(groups=torch.tensor([4, 4, 9, 9, 9, 9]))
    assert model.norms().shape == (2,)
    torch.testing.assert_close(model.norms()[0], model.weight[:, :2].norm())
    model.prox_(float(model.norms()[0]))
    assert model.selected().tolist() == [False, False, True, True, True, True]


def test_groups_are_no_part_of_the_saved_state():
    grouped, plain = example(groups=torch.arange(6))[0], example()[0]
    assert grouped.state_dict().keys() == plain.state_dict().keys() == {"weight", "bias"}


def test_a_generator_makes_the_first_weights_and_leaves_the_global_one_alone():
    state = torch.random.get_rng_state()
    first, second = (example()[0].weight for _ in range(2))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.equal(first, second)
    assert not torch.equal(first.float(), SparseLinear(6, 3, generator=torch.Generator().manual_seed(1)).weight)


@pytest.mark.parametrize("name", ["n_features", "n_clusters"])
def test_counts_of_zero_are_refused(name):
    with pytest.raises(ValueError, match=f"{name} must be a whole number of at least 1, got 0"):
        SparseLinear(**{"n_features": 4, "n_clusters": 3} | {name: 0})


def test_groups_that_do_not_fit_are_refused_at_once():
    with pytest.raises(ValueError, match="one number for each of the 4 columns"):
        SparseLinear(4, 3, groups=torch.tensor([0, 1]))
