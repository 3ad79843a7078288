"""Models of torchvision; the library is stood in for, since it is an extra."""

import sys
import types

import pytest
import torch
from torch import nn

from paperlib.models import torchvision_model


def classifier():
    return nn.Sequential(nn.Flatten(), nn.Linear(12, 8), nn.ReLU(), nn.Sequential(nn.Dropout(0.1), nn.Linear(8, 1000)))


@pytest.fixture
def torchvision(monkeypatch):
    asked = []

    def get_model(name, weights=None):
        asked.append((name, weights))
        return nn.Sequential(nn.Flatten()) if name == "headless" else classifier()

    models = types.SimpleNamespace(get_model=get_model)
    monkeypatch.setitem(sys.modules, "torchvision", types.SimpleNamespace(models=models))
    monkeypatch.setitem(sys.modules, "torchvision.models", models)
    return asked


def test_the_last_layer_gives_clusters_and_the_others_stay(torchvision):
    torch.manual_seed(0)
    model = torchvision_model("resnet50", 7, weights="DEFAULT", generator=torch.Generator().manual_seed(1))
    assert torchvision == [("resnet50", "DEFAULT")]
    assert model(torch.zeros(2, 3, 2, 2)).shape == (2, 7)
    torch.manual_seed(0)
    assert torch.equal(model[1].weight, classifier()[1].weight)


def test_the_same_generator_draws_the_same_head(torchvision):
    heads = [torchvision_model("vgg", 5, generator=torch.Generator().manual_seed(3))[3][1] for _ in range(2)]
    assert torch.equal(heads[0].weight, heads[1].weight)


def test_a_model_without_a_head_is_refused(torchvision):
    with pytest.raises(ValueError, match="headless has no linear layer"):
        torchvision_model("headless", 5)


def test_without_torchvision_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "torchvision.models", None)
    with pytest.raises(ImportError, match=r"pip install 'paperlib\[vision\]'"):
        torchvision_model("resnet50", 5)


def test_a_number_of_clusters_that_is_none_is_refused():
    with pytest.raises(ValueError, match="n_clusters must be"):
        torchvision_model("resnet50", 0)
