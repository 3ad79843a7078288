"""Objectives of two views: each is its loss, of the views in their order."""

import pytest
import torch

from paperlib.losses import (
    cluster_contrastive_loss,
    confident_cross_entropy,
    invariant_information_loss,
    scan_loss,
    temi_loss,
)
from paperlib.training import (
    ClusterContrast,
    ConfidentLabels,
    EachHead,
    InvariantInformation,
    RunningPrior,
    Scan,
    Temi,
    TrainingConfig,
    Views,
    train,
)

LOGITS = 3 * torch.randn(2, 12, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
FIRST, SECOND = LOGITS

CASES = [
    (InvariantInformation(), invariant_information_loss(FIRST, SECOND)),
    (InvariantInformation(1.5), invariant_information_loss(FIRST, SECOND, marginal_weight=1.5)),
    (Scan(), scan_loss(FIRST, SECOND)),
    (Scan(2.0), scan_loss(FIRST, SECOND, entropy_weight=2.0)),
    (ClusterContrast(), cluster_contrastive_loss(FIRST, SECOND)),
    (ClusterContrast(0.5), cluster_contrastive_loss(FIRST, SECOND, temperature=0.5)),
    (ConfidentLabels(0.5), confident_cross_entropy(FIRST, SECOND, threshold=0.5)),
    (ConfidentLabels(0.7, balanced=False), confident_cross_entropy(FIRST, SECOND, threshold=0.7, balanced=False)),
]


@pytest.mark.parametrize(("objective", "expected"), CASES)
def test_each_is_its_loss_whatever_samples_they_are(objective, expected):
    assert expected != 0
    assert torch.equal(objective(LOGITS), expected)
    assert torch.equal(objective(LOGITS, torch.arange(12)), expected)


def test_settings_that_are_left_out_are_those_of_the_losses():
    sure = 4 * LOGITS
    assert torch.equal(ConfidentLabels()(sure), confident_cross_entropy(*sure))
    assert confident_cross_entropy(*sure) != 0


@pytest.mark.parametrize(
    ("objective", "both_ways"),
    [
        (InvariantInformation(), True),
        (ClusterContrast(), True),
        (Temi(prior=RunningPrior(0)), True),
        (Scan(), False),
        (ConfidentLabels(0.5), False),
    ],
)
def test_the_order_of_the_views_counts_where_they_differ_in_kind(objective, both_ways):
    assert torch.isclose(objective(LOGITS), objective(LOGITS.flip(0))) == both_ways


def test_the_weak_view_teaches_and_does_not_learn():
    logits = LOGITS.clone().requires_grad_()
    ConfidentLabels(0.5)(logits).backward()
    weak, strong = logits.grad
    assert not weak.any()
    assert strong.any()


@pytest.mark.parametrize("objective", [InvariantInformation(), Scan(), ClusterContrast()])
def test_both_views_learn(objective):
    logits = LOGITS.clone().requires_grad_()
    assert torch.autograd.gradcheck(objective, logits)
    objective(logits).backward()
    assert all(view.any() for view in logits.grad)


def test_heads_are_averaged():
    logits = torch.stack([LOGITS, LOGITS.flip(1, 2), 2 * LOGITS], dim=2)
    expected = sum(Scan()(logits[:, :, head]) for head in range(3)) / 3
    torch.testing.assert_close(EachHead(Scan())(logits, torch.arange(12)), expected)


@pytest.mark.parametrize("objective", [InvariantInformation(), Scan(), ClusterContrast(), ConfidentLabels()])
@pytest.mark.parametrize("shape", [(12, 4), (1, 12, 4), (3, 12, 4), (2, 12, 3, 4)])
def test_another_number_of_views_is_refused(objective, shape):
    with pytest.raises(ValueError, match=r"\[2, b, k\] is needed: give Views two augmentations"):
        objective(torch.zeros(shape))


@pytest.mark.parametrize("shape", [(12, 4), (1, 12, 4), (3, 12, 4), (3, 12, 3, 4)])
def test_temi_refuses_another_number_of_views(shape):
    for call in (Temi(), Temi().per_head):
        with pytest.raises(ValueError, match=r"\[2, b, h, k\] with b >= 2 is needed: give Views two augmentations"):
            call(torch.zeros(shape))


@pytest.mark.parametrize("beta", [0.6, 1.0])
def test_temi_without_memory_is_its_loss_and_both_views_learn(beta):
    logits = LOGITS.clone().requires_grad_()
    objective = Temi(beta, RunningPrior(0))
    torch.testing.assert_close(objective(logits, torch.arange(12)), temi_loss(*logits, beta=beta))
    found, expected = (
        torch.autograd.grad(loss, logits)[0] for loss in (objective(logits), temi_loss(*logits, beta=beta))
    )
    torch.testing.assert_close(found, expected)
    assert all(view.any() for view in found)


def test_temi_knows_the_shares_of_earlier_batches_and_each_head_its_own():
    objective = Temi(prior=RunningPrior(0.75))
    first = torch.stack([LOGITS, LOGITS.flip(1, 2), 2 * LOGITS], dim=2)
    second = torch.roll(first, 1, -1)
    means = [batch.softmax(-1).mean((0, 1)) for batch in (first, second)]
    for batch, prior in ((first, means[0]), (second, 0.75 * means[0] + 0.25 * means[1])):
        found = objective(batch)
        losses = [temi_loss(*batch[:, :, head], prior[head]) for head in range(3)]
        torch.testing.assert_close(found, torch.stack(losses).mean())
        torch.testing.assert_close(objective.per_head(batch), torch.stack(losses))


def test_temi_judges_heads_by_their_own_shares_before_the_first_batch():
    heads = torch.stack([LOGITS, 2 * LOGITS], dim=2)
    torch.testing.assert_close(Temi().per_head(heads), torch.stack([temi_loss(*LOGITS), temi_loss(*(2 * LOGITS))]))


def test_a_running_prior_survives_a_checkpoint_and_a_new_run_forgets_it(tmp_path):
    data = Views(torch.randn(32, 3, generator=torch.Generator().manual_seed(0)), (None, None))
    torch.manual_seed(0)
    start = torch.nn.Linear(3, 4).state_dict()

    def run(epochs, folder=None, objective=None):
        model = torch.nn.Linear(3, 4)
        model.load_state_dict(start)
        objective = objective or Temi()
        config = TrainingConfig(epochs, 16, schedule="constant")
        train(model, objective, data, config, folder=folder, checkpoint_every=1)
        return model.weight.detach(), objective

    whole, objective = run(3)
    again, _ = run(3, objective=objective)
    assert torch.equal(again, whole)
    state = objective.state_dict()
    other = Temi()
    other.load_state_dict(state)
    assert torch.equal(other.prior.value, objective.prior.value)
    _, kept = run(3, tmp_path)
    _, resumed = run(3, tmp_path)
    assert torch.equal(resumed.prior.value, kept.prior.value)


def test_temi_refuses_a_power_out_of_range():
    with pytest.raises(ValueError, match="beta must be a number with 0 < beta <= 1, got 2"):
        Temi(2)
