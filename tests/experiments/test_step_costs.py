"""paperlib.experiments.step_costs: counts against sums by hand."""

import pytest
import torch
from torch import nn

from paperlib.experiments.step_costs import ACCELERATORS, ViewCost, training_bytes, training_hours, view_cost
from paperlib.models import resnet18


def test_a_perceptron_costs_two_operations_a_weight_forward_and_twice_that_backward():
    model = nn.Sequential(nn.Linear(30, 20, bias=False), nn.ReLU(), nn.Linear(20, 5, bias=False))
    cost = view_cost(model, (30,))
    assert cost.parameters == 30 * 20 + 20 * 5
    assert cost.forward == 2 * cost.parameters
    assert cost.training == 3 * cost.forward - 2 * 30 * 20  # no gradient is needed of the inputs


def test_a_convolution_costs_its_weights_at_every_pixel():
    cost = view_cost(nn.Conv2d(3, 8, 3, padding=1, bias=False), (3, 16, 16))
    assert cost.forward == 2 * (3 * 8 * 9) * 16 * 16


def test_what_is_kept_is_counted_once_and_without_the_parameters():
    model = nn.Sequential(nn.Linear(30, 20), nn.Tanh(), nn.Linear(20, 5))
    assert view_cost(model, (30,)).kept_bytes == 4 * (30 + 20)  # inputs of the two layers; tanh keeps its output


def test_resnet_18_for_small_images_is_what_its_layers_sum_up_to():
    maps = {64: 32 * 32, 128: 16 * 16, 256: 8 * 8, 512: 4 * 4}
    forward = 3 * 64 * 9 * maps[64] + 512 * 10 + 4 * 64 * 64 * 9 * maps[64]
    for wide in (128, 256, 512):
        half = wide // 2
        forward += (half * wide * 9 + 3 * wide * wide * 9 + half * wide) * maps[wide]
    cost = view_cost(resnet18(10), (3, 32, 32))
    assert cost.forward == 2 * forward
    assert 2.9 < cost.training / cost.forward < 3
    assert resnet18(10)(torch.rand(2, 3, 32, 32)).shape == (2, 10)


def test_counting_leaves_no_gradients():
    model = nn.Linear(3, 2)
    view_cost(model, (3,))
    assert model.weight.grad is None


def test_hours_and_bytes_are_their_formulas():
    cost = ViewCost(1e9, 3e9, 4e6, 10**7)
    assert training_hours(cost, 1.2e6, 1e12) == pytest.approx(1.0)
    assert training_bytes(cost, 100) == pytest.approx(16e7 + 4e8)
    assert training_bytes(cost, 100, half=True) == pytest.approx(16e7 + 2e8)


def test_newer_accelerators_are_faster():
    peaks = [accelerator.peak for accelerator in ACCELERATORS]
    assert peaks == sorted(peaks)
