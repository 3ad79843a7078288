"""First values of a linear softmax."""

import numpy as np
import pytest
import torch
from scipy.special import softmax
from sklearn.cluster import KMeans

from paperlib.data import gaussian_blobs
from paperlib.estimators.starts import kmeans_start, path_to, random_start, tune_temperature
from paperlib.losses import mutual_information_loss
from paperlib.models import LinearSoftmax

X = np.asarray(gaussian_blobs(200, 3, spread=1.5, seed=2).x) + 40.0


def test_the_k_means_start_is_a_soft_assignment_to_its_centres():
    weight, bias = kmeans_start(X, 3, prior=None, seed=0)
    found = KMeans(3, n_init=1, random_state=0).fit(X)
    distances = ((X[:, None] - found.cluster_centers_) ** 2).sum(2)
    expected = softmax(-distances / (found.inertia_ / len(X)), axis=1)
    np.testing.assert_allclose(softmax(X @ weight.numpy().T + bias.numpy(), axis=1), expected, atol=1e-9)


@pytest.mark.parametrize("start", [kmeans_start, random_start])
def test_rows_of_a_start_sum_to_zero(start):
    weight, _ = start(X, 3, prior=None, seed=0)
    np.testing.assert_allclose(weight.sum(0), 0, atol=1e-9)


def test_a_prior_gives_the_larger_cluster_the_larger_proportion():
    blobs = np.asarray(gaussian_blobs(300, 2, spread=0.5, weights=[0.9, 0.1], seed=0).x)
    for prior in ([0.2, 0.8], [0.8, 0.2]):
        weight, bias = kmeans_start(blobs, 2, prior=torch.tensor(prior), seed=0)
        sizes = np.bincount((blobs @ weight.numpy().T + bias.numpy()).argmax(1), minlength=2)
        assert sizes.argmax() == np.argmax(prior)


@pytest.mark.parametrize("gamma", [1e-4, 1e-2, 1.0])
def test_the_temperature_is_the_best_of_its_grid(gamma):
    x = torch.from_numpy(X)
    weight, bias = random_start(X, 3, prior=None, seed=1)
    tuned = LinearSoftmax(weight, bias)
    tune_temperature(tuned, x, gamma=gamma, fairness_weight=2.0, prior=None)

    def total(factor):
        logits = factor * (x @ weight.T + bias)
        return (mutual_information_loss(logits, fairness_weight=2.0) + gamma * (factor * weight).square().sum()).item()

    best = min((2.0**power for power in range(-4, 11)), key=total)
    torch.testing.assert_close(tuned.coef.detach(), best * weight)


def test_a_path_halves_gamma_and_ends_at_the_one_asked_for():
    path = path_to(0.3, 10.0)
    assert path == [10.0, 5.0, 2.5, 1.25, 0.625, 0.3125, 0.3]
    assert path_to(0.25, 1.0) == [1.0, 0.5, 0.25]
    assert path_to(2.0, 1.0) == [2.0]
    assert path_to(0.0, 1.0) == [0.0]
