"""Objectives of two views: each is its loss, of the views in their order."""

import pytest
import torch

from paperlib.losses import confident_cross_entropy, invariant_information_loss, scan_loss
from paperlib.training import ConfidentLabels, EachHead, InvariantInformation, Scan

LOGITS = 3 * torch.randn(2, 12, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
FIRST, SECOND = LOGITS

CASES = [
    (InvariantInformation(), invariant_information_loss(FIRST, SECOND)),
    (InvariantInformation(1.5), invariant_information_loss(FIRST, SECOND, marginal_weight=1.5)),
    (Scan(), scan_loss(FIRST, SECOND)),
    (Scan(2.0), scan_loss(FIRST, SECOND, entropy_weight=2.0)),
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
    ("objective", "both_ways"), [(InvariantInformation(), True), (Scan(), False), (ConfidentLabels(0.5), False)]
)
def test_the_order_of_the_views_counts_where_they_differ_in_kind(objective, both_ways):
    assert torch.isclose(objective(LOGITS), objective(LOGITS.flip(0))) == both_ways


def test_the_weak_view_teaches_and_does_not_learn():
    logits = LOGITS.clone().requires_grad_()
    ConfidentLabels(0.5)(logits).backward()
    weak, strong = logits.grad
    assert not weak.any()
    assert strong.any()


@pytest.mark.parametrize("objective", [InvariantInformation(), Scan()])
def test_both_views_learn(objective):
    logits = LOGITS.clone().requires_grad_()
    assert torch.autograd.gradcheck(objective, logits)
    objective(logits).backward()
    assert all(view.any() for view in logits.grad)


def test_heads_are_averaged():
    logits = torch.stack([LOGITS, LOGITS.flip(1, 2), 2 * LOGITS], dim=2)
    expected = sum(Scan()(logits[:, :, head]) for head in range(3)) / 3
    torch.testing.assert_close(EachHead(Scan())(logits, torch.arange(12)), expected)


@pytest.mark.parametrize("objective", [InvariantInformation(), Scan(), ConfidentLabels()])
@pytest.mark.parametrize("shape", [(12, 4), (1, 12, 4), (3, 12, 4), (2, 12, 3, 4)])
def test_another_number_of_views_is_refused(objective, shape):
    with pytest.raises(ValueError, match=r"\[2, b, k\] is needed: give Views two augmentations"):
        objective(torch.zeros(shape))
