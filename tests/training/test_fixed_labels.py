"""Learning from given labels."""

import pytest
import torch

from paperlib.losses import self_labeling_loss
from paperlib.training import FixedLabels


@pytest.mark.parametrize("divergence", ["cross_entropy", "reverse_cross_entropy", "collision_cross_entropy"])
def test_views_share_the_label_of_their_sample(divergence):
    generator = torch.Generator().manual_seed(0)
    targets = torch.rand(9, 4, generator=generator).softmax(1)
    logits = torch.randn(3, 5, 4, generator=generator)
    index = torch.tensor([7, 0, 2, 2, 8])
    each = [self_labeling_loss(view, targets[index], divergence=divergence) for view in logits]
    objective = FixedLabels(targets, divergence)
    assert torch.isclose(objective(logits, index), torch.stack(each).mean())
    assert torch.isclose(objective(logits[1], index), each[1])


def test_without_places_the_labels_are_of_all_samples_in_order():
    targets = torch.eye(3)
    logits = torch.tensor([[2.0, 0.0, 1.0], [0.0, 3.0, 0.0], [1.0, 1.0, 1.0]])
    expected = torch.nn.functional.cross_entropy(logits, torch.arange(3))
    assert torch.isclose(FixedLabels(targets)(logits), expected)
