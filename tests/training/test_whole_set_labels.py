"""Pseudo-labels of the whole data set."""

import pytest
import torch

from paperlib.losses import self_labeling_loss
from paperlib.pseudo_labels import AlternatingDirection, DualNewton, ExpectationMaximization, Sinkhorn
from paperlib.training import SelfLabeling, WholeSetLabels, pseudo_label_loss

LOGITS = 2 * torch.randn(40, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
PRIOR = torch.tensor([0.4, 0.3, 0.2, 0.1], dtype=torch.float64)


def renewed(solver, logits=LOGITS, **settings):
    objective = WholeSetLabels(solver, refresh_every=3, **settings)
    objective.refresh(logits)
    return objective


def test_selas_labels_have_the_proportions_of_the_prior_over_all_samples():
    for prior, expected in ((None, torch.full((4,), 0.25, dtype=torch.float64)), (PRIOR, PRIOR)):
        targets = renewed(Sinkhorn(4.0, tolerance=1e-12), prior=prior).targets
        torch.testing.assert_close(targets.mean(0), expected, rtol=0, atol=1e-9)
        torch.testing.assert_close(targets.sum(1), torch.ones(40, dtype=torch.float64))
        assert (targets[:10].mean(0) - expected).abs().max() > 1e-3  # no batch has to have them


@pytest.mark.parametrize("solver", [Sinkhorn(4.0, tolerance=1e-12), ExpectationMaximization(1.5, 10_000, 1e-12)])
def test_on_all_samples_it_is_self_labelling_less_what_the_logits_are_not_in(solver):
    whole, fresh = LOGITS.clone().requires_grad_(), LOGITS.clone().requires_grad_()
    objective = renewed(solver)
    value, expected = objective(whole), SelfLabeling(solver)(fresh)
    constant = pseudo_label_loss(LOGITS, objective.targets, solver, None) - objective(LOGITS)
    torch.testing.assert_close(value + constant, expected)
    value.backward(), expected.backward()
    torch.testing.assert_close(whole.grad, fresh.grad)


def test_a_batch_gets_the_labels_of_its_samples():
    objective = renewed(ExpectationMaximization(1.5))
    index = torch.tensor([31, 2, 17])
    logits = torch.randn(3, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    total = 0.0
    for logit, place in zip(logits, index, strict=True):
        sigma, y = logit.softmax(0), objective.targets[place]
        total -= float((sigma * y.log()).sum()) / 3  # reverse: the model's weights, the labels' logarithm
    assert objective(logits, index).item() == pytest.approx(total)


def test_the_views_of_a_sample_share_its_label():
    objective = renewed(ExpectationMaximization(1.5))
    index = torch.tensor([5, 30])
    views = torch.randn(3, 2, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    expected = sum(objective(view, index) for view in views) / 3
    torch.testing.assert_close(objective(views, index), expected)


def test_another_coupling_can_be_asked_for():
    objective = renewed(DualNewton(1.5), divergence="cross_entropy")
    expected = self_labeling_loss(LOGITS, objective.targets, divergence="cross_entropy")
    torch.testing.assert_close(objective(LOGITS), expected)
    assert objective(LOGITS) != renewed(DualNewton(1.5))(LOGITS)


def test_labels_stay_until_they_are_renewed():
    objective = renewed(AlternatingDirection(1.5))
    before = objective.targets
    objective(LOGITS + 1, None), objective(LOGITS[:4], torch.arange(4))
    assert objective.targets is before
    objective.refresh(-LOGITS)
    assert not torch.allclose(objective.targets, before)


def test_labels_follow_the_dtype_of_the_logits_and_carry_no_gradient():
    logits = LOGITS.clone().requires_grad_()
    objective = renewed(ExpectationMaximization(1.5), logits)
    assert not objective.targets.requires_grad
    assert objective(LOGITS.float()).dtype == torch.float32


def test_the_state_goes_round():
    objective = renewed(ExpectationMaximization(1.5, max_iterations=1, tolerance=1e-15))
    assert objective.unsolved == 1
    again = WholeSetLabels(objective.solver, refresh_every=3)
    assert again.is_new
    assert again.state_dict() == {}
    again.load_state_dict(objective.state_dict())
    assert not again.is_new
    assert again.unsolved == 1
    assert torch.equal(again(LOGITS), objective(LOGITS))


def test_the_state_of_a_run_without_labels_takes_away_those_of_another():
    objective = renewed(ExpectationMaximization(1.5))
    objective.load_state_dict({})
    assert objective.is_new
    assert objective.unsolved == 0


def test_before_the_first_renewal_there_are_no_labels():
    with pytest.raises(RuntimeError, match=r"call refresh\(logits of all samples\) first"):
        WholeSetLabels(Sinkhorn(), refresh_every=1)(LOGITS)


@pytest.mark.parametrize("refresh_every", [0, -1, 2.5])
def test_a_number_of_steps_that_is_none_is_refused(refresh_every):
    with pytest.raises(ValueError, match="refresh_every must be a whole number of at least 1"):
        WholeSetLabels(Sinkhorn(), refresh_every=refresh_every)
