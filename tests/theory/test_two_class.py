"""The two-class loss against the library's losses, its gradient against differences, and its tiny values."""

import math

import mpmath
import numpy as np
import pytest
import torch
from scipy.optimize import approx_fprime

from paperlib.information import renyi_entropy
from paperlib.losses import mutual_information_loss
from paperlib.theory.two_class import renyi_of_logit, two_class_loss

ORDERS = (0, 0.3, 0.5, 1, 1.5, 2, 7, math.inf)


@pytest.fixture
def problem():
    rng = np.random.default_rng(0)
    return rng.standard_normal((13, 3)), rng.standard_normal(3), 0.4


def test_with_shannons_entropy_it_is_the_mutual_information_loss_with_half_the_price(problem):
    x, weight, bias = problem
    rows = torch.from_numpy(np.stack([weight / 2, -weight / 2]))
    logits = torch.from_numpy(x) @ rows.T + torch.tensor([bias, 0.0], dtype=torch.float64)
    expected = mutual_information_loss(logits, fairness_weight=1.7) + 2 * 0.03 * rows.square().sum()
    value, _ = two_class_loss(weight, bias, x, 0.03, fairness_weight=1.7)
    assert value == pytest.approx(float(expected), abs=1e-14)


@pytest.mark.parametrize("alpha", ORDERS)
def test_the_entropy_is_renyis_of_the_two_posteriors(alpha):
    f = np.linspace(-6, 6, 41)
    probs = torch.softmax(torch.from_numpy(np.stack([f, 0 * f], 1)), 1)
    assert np.allclose(renyi_of_logit(f, alpha)[0], renyi_entropy(probs, alpha), rtol=0, atol=1e-13)


@pytest.mark.parametrize("alpha", ORDERS)
@pytest.mark.parametrize("size", [0.2, 1.0, 9.0])
def test_the_gradient_is_that_of_differences(problem, alpha, size):
    x, weight, bias = problem
    theta = size * np.append(weight, bias)

    def loss(theta):
        return two_class_loss(theta[:-1], theta[-1], x, 0.03, fairness_weight=1.7, alpha=alpha)[0]

    gradient = two_class_loss(theta[:-1], theta[-1], x, 0.03, fairness_weight=1.7, alpha=alpha)[1]
    assert np.allclose(gradient, approx_fprime(theta, loss, 1e-7), rtol=0, atol=2e-6)


@pytest.mark.parametrize("alpha", [0.5, 1, 2, math.inf])
@pytest.mark.parametrize("norm", [20.0, 150.0, 300.0])
def test_tiny_losses_keep_twelve_digits(alpha, norm):
    x = np.array([[1.0], [1.5], [-1.0], [-1.25]])
    with mpmath.workdps(400):
        shares = [1 / (1 + mpmath.exp(-mpmath.mpf(norm) * mpmath.mpf(point))) for point in x[:, 0]]
        pairs = [(share, 1 - share) for share in shares]
        if alpha == 1:
            entropies = [-sum(p * mpmath.log(p) for p in pair) for pair in pairs]
        elif alpha == math.inf:
            entropies = [-mpmath.log(max(pair)) for pair in pairs]
        else:
            entropies = [mpmath.log(sum(p ** mpmath.mpf(alpha) for p in pair)) / (1 - alpha) for pair in pairs]
        mean = sum(shares) / 4
        exact = sum(entropies) / 4 + mpmath.log(2) + mean * mpmath.log(mean) + (1 - mean) * mpmath.log(1 - mean)
    assert two_class_loss(np.array([norm]), 0.0, x, 0.0, alpha=alpha)[0] == pytest.approx(float(exact), rel=1e-12)


def test_one_class_for_all_costs_log_two_of_fairness():
    value, gradient = two_class_loss(np.zeros(2), 800.0, np.ones((3, 2)), 0.0)
    assert value == pytest.approx(math.log(2))
    assert np.isfinite(gradient).all()


def test_an_order_below_zero_is_refused():
    with pytest.raises(ValueError, match=r"alpha=-1 is not an order of Renyi's entropies; give a number >= 0"):
        renyi_of_logit(np.zeros(2), -1)
