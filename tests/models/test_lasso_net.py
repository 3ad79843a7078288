"""LassoNet: the sum of its two parts, and what a feature that is off does to them."""

import pytest
import torch

from paperlib.models import LassoNet
from paperlib.proximal import hierarchical_prox


def example(**options):
    generator = torch.Generator().manual_seed(0)
    model = LassoNet(8, 3, hidden=5, generator=generator, **options).double()
    return model, torch.randn(7, 8, generator=generator, dtype=torch.float64)


def test_logits_are_the_skip_layer_plus_a_network_of_one_hidden_layer():
    model, x = example()
    theta, w, b = model.skip.weight, model.hidden.weight, model.output.weight
    assert (theta.shape, w.shape, b.shape) == ((3, 8), (5, 8), (3, 5))
    expected = x @ theta.T + (x @ w.T + model.hidden.bias).clamp_min(0) @ b.T + model.output.bias
    torch.testing.assert_close(model(x), expected)
    assert sum(parameter.numel() for parameter in model.parameters()) == 3 * 8 + 5 * 8 + 5 + 3 * 5 + 3


def test_prox_is_the_hierarchical_operator_on_skip_and_first_hidden_weights_alone():
    model, _ = example(hierarchy=0.7)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    model.prox_(0.3)
    skip, hidden = hierarchical_prox(before["skip.weight"], before["hidden.weight"], 0.3, hierarchy=0.7)
    after = before | {"skip.weight": skip, "hidden.weight": hidden}
    torch.testing.assert_close(dict(model.state_dict()), after)
    assert all(parameter.requires_grad and parameter.grad is None for parameter in model.parameters())


def test_features_that_are_off_do_not_move_the_logits():
    model, x = example(hierarchy=1.0)
    with torch.no_grad():
        model.skip.weight[:, 4:] /= 100
        model.hidden.weight[:, 4:] /= 100
    model.prox_(0.1)
    assert model.selected().tolist() == [True] * 4 + [False] * 4
    assert (model.norms() > 0).tolist() == model.selected().tolist()
    other = x.clone()
    other[:, ~model.selected()] += 5.0
    assert torch.equal(model(other), model(x))
    other[:, 0] += 5.0
    assert not torch.allclose(model(other), model(x))


def test_a_generator_makes_the_first_weights_and_leaves_the_global_one_alone():
    state = torch.random.get_rng_state()
    first, second = (example()[0].state_dict() for _ in range(2))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert all(torch.equal(first[name], second[name]) for name in first)
    other = LassoNet(8, 3, hidden=5, generator=torch.Generator().manual_seed(1))
    assert not torch.equal(other.skip.weight.double(), first["skip.weight"])
    assert first["skip.weight"].abs().max() <= 8**-0.5


@pytest.mark.parametrize("name", ["n_features", "n_clusters", "hidden"])
def test_counts_of_zero_are_refused(name):
    arguments = {"n_features": 4, "n_clusters": 3, "hidden": 2} | {name: 0}
    with pytest.raises(ValueError, match=f"{name} must be a whole number of at least 1, got 0"):
        LassoNet(**arguments)


def test_a_negative_hierarchy_is_refused():
    with pytest.raises(ValueError, match="hierarchy must be a finite number >= 0"):
        LassoNet(4, 3, hierarchy=-1.0)
