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


def test_what_is_not_finite_is_not_taken_in():
    prior = RunningPrior(0.5)
    bad = torch.tensor([float("nan"), 0.5])
    torch.testing.assert_close(prior.update(bad)[0], torch.tensor(0.5))
    before = prior.update(MEANS[1])
    assert torch.equal(prior.update(torch.full((2,), float("nan"))), before)
    assert prior.update(MEANS[2]).isfinite().all()


def test_another_number_of_clusters_or_heads_is_refused():
    prior = RunningPrior()
    prior.update(torch.full((1, 4), 0.25))
    for shape in ((3, 4), (1, 5)):
        with pytest.raises(ValueError, match="make a new objective for another model"):
            prior.update(torch.full(shape, 0.25))


def test_each_head_gets_its_own_in_the_type_of_its_logits():
    prior = RunningPrior()
    logits = torch.zeros(2, 5, 2, 3, dtype=torch.float64)
    assert prior.of_heads(logits) == [None, None]
    prior.load_state_dict({"prior": torch.tensor([[0.2, 0.3, 0.5], [0.1, 0.1, 0.8]])})
    first, second = prior.of_heads(logits)
    assert first.dtype == second.dtype == torch.float64
    torch.testing.assert_close(second, torch.tensor([0.1, 0.1, 0.8]).double())
    assert prior.update(torch.full((2, 3), 1 / 3, dtype=torch.float64)).dtype == torch.float64


def test_momentum_is_what_tells_two_of_them_apart():
    moved = RunningPrior()
    moved.update(MEANS[1])
    assert moved == RunningPrior()
    assert moved != RunningPrior(0.5)
