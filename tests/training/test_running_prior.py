"""The shares of the clusters over recent batches."""

import pytest
import torch

from paperlib.training import RunningPrior

MEANS = [torch.tensor(mean) for mean in ([0.5, 0.5], [0.9, 0.1], [0.7, 0.3])]


def test_it_starts_at_the_first_mean_and_then_remembers():
    prior = RunningPrior(0.8)
    assert prior.value is None
    assert torch.equal(prior.update(MEANS[0]), MEANS[0])
    torch.testing.assert_close(prior.update(MEANS[1]), torch.tensor([0.58, 0.42]))
    torch.testing.assert_close(prior.update(MEANS[2]), torch.tensor([0.604, 0.396]))


def test_without_memory_it_is_the_present_batch():
    prior = RunningPrior(0.0)
    for mean in MEANS:
        assert torch.equal(prior.update(mean), mean)


def test_a_share_of_zero_keeps_a_finite_logarithm_and_nothing_is_differentiated():
    value = RunningPrior().update(torch.tensor([1.0, 0.0], requires_grad=True))
    assert value.log().isfinite().all()
    assert not value.requires_grad


def test_its_state_is_put_back_and_nothing_makes_it_new():
    prior, other = RunningPrior(), RunningPrior()
    prior.update(MEANS[1])
    other.load_state_dict(prior.state_dict())
    assert torch.equal(other.update(MEANS[2]), prior.update(MEANS[2]))
    other.load_state_dict({})
    assert other.value is None
    assert other.state_dict() == {}


@pytest.mark.parametrize("momentum", [-0.1, 1.0, float("nan")])
def test_momentum_out_of_range_is_refused(momentum):
    with pytest.raises(ValueError, match="momentum must be"):
        RunningPrior(momentum)
