"""Objectives of models with several heads."""

import pytest
import torch

from paperlib.training import EachHead, MutualInformation

LOGITS = torch.randn(2, 9, 3, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
INDEX = torch.arange(9)


@pytest.mark.parametrize("logits", [LOGITS, LOGITS[0]])
def test_each_head_is_given_its_own_logits_of_all_views_and_the_places(logits):
    given = []

    def objective(one, index):
        given.append((one, index))
        return one.sum()

    values = EachHead(objective).per_head(logits, INDEX)
    assert len(given) == 3
    for head, (one, index) in enumerate(given):
        assert torch.equal(one, logits[..., head, :])
        assert index is INDEX
    torch.testing.assert_close(values, logits.sum(-1).flatten(0, -2).sum(0))


def test_one_head_is_the_objective_itself():
    one = LOGITS[:, :, :1]
    assert torch.equal(EachHead(MutualInformation())(one, INDEX), MutualInformation()(one[:, :, 0]))


def test_the_best_head_is_found_without_labels():
    sure = torch.stack([LOGITS[0, :, 0], 50 * torch.eye(4, dtype=torch.float64)[INDEX % 4]], dim=1)
    assert EachHead(MutualInformation()).per_head(sure).argmin() == 1


@pytest.mark.parametrize("shape", [(9, 4), (2, 9, 4)])
def test_logits_without_heads_are_refused(shape):
    """Views ``[v, b, k]`` of a model with one head would pass for ``[b, h, k]``, but for the number of samples."""
    with pytest.raises(ValueError, match=r"\[b, h, k\] or \[v, b, h, k\] is needed"):
        EachHead(MutualInformation())(torch.zeros(shape), INDEX)
