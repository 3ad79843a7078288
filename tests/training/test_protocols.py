"""What an objective may offer beside its value."""

import pytest
import torch
from training_runs import blobs, labels_of_the_whole_set, mlp

from paperlib.pseudo_labels import ExpectationMaximization, Sinkhorn
from paperlib.training import (
    DeepSoftKMeans,
    EachHead,
    FixedLabels,
    MutualInformation,
    Reconstruction,
    SelfLabeling,
    VirtualAdversarial,
    WholeSetLabels,
)
from paperlib.training.protocols import Predicting, Refreshed, refuse_refreshed

RENEWED = [WholeSetLabels(Sinkhorn(), 5), DeepSoftKMeans(3, 5)]
OTHERS = [MutualInformation(), SelfLabeling(ExpectationMaximization()), FixedLabels(torch.eye(3)), Reconstruction()]
OWNERS = {
    "EachHead": EachHead,
    "VirtualAdversarial": lambda objective: VirtualAdversarial(objective, mlp(), blobs()),
}


def test_objectives_are_told_apart_by_what_they_offer():
    assert all(isinstance(objective, Refreshed) for objective in RENEWED)
    staged = [labels_of_the_whole_set(), EachHead(MutualInformation())]  # a staged one is renewed in its present form
    assert not any(isinstance(objective, Refreshed) for objective in [*OTHERS, *staged])
    predicting = [objective for objective in [*RENEWED, *OTHERS, *staged] if isinstance(objective, Predicting)]
    assert [type(objective) for objective in predicting] == [DeepSoftKMeans, Reconstruction]


@pytest.mark.parametrize("owner", OWNERS)
@pytest.mark.parametrize("objective", RENEWED, ids=lambda objective: type(objective).__name__)
def test_what_train_renews_is_refused_inside_another_objective(owner, objective):
    name = type(objective).__name__
    with pytest.raises(TypeError, match=rf"{owner} cannot hold a {name}, which train\(\) renews; give it to train\(\)"):
        OWNERS[owner](objective)


@pytest.mark.parametrize("objective", OTHERS, ids=lambda objective: type(objective).__name__)
def test_all_others_may_be_inside(objective):
    refuse_refreshed(objective, "anything")
    for owner in OWNERS.values():
        assert owner(objective).objective is objective
