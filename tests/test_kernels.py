"""Kernels and distances against their definitions, scikit-learn, and each other."""

import math

import numpy as np
import pytest
import torch
from sklearn.metrics.pairwise import laplacian_kernel, polynomial_kernel, rbf_kernel

from paperlib.kernels import (
    GramOperator,
    Kernel,
    Nystrom,
    RandomFourierFeatures,
    distances,
    graph_hops,
    squared_distances,
)

NAMES = ("linear", "cosine", "rbf", "laplacian", "polynomial")


def points(n=12, d=3, *, seed=0):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def value(name, x, y, gamma, degree, offset):
    """One value of a kernel by its definition."""
    product = sum(a * b for a, b in zip(x, y, strict=True))
    lengths = math.hypot(*x) * math.hypot(*y)
    return {
        "linear": product,
        "cosine": product / lengths,
        "rbf": math.exp(-gamma * sum((a - b) ** 2 for a, b in zip(x, y, strict=True))),
        "laplacian": math.exp(-gamma * sum(abs(a - b) for a, b in zip(x, y, strict=True))),
        "polynomial": (gamma * product + offset) ** degree,
    }[name]


@pytest.mark.parametrize("name", NAMES)
def test_each_kernel_equals_its_definition(name):
    x, y = points(5), points(4, seed=1)
    expected = [[value(name, a, b, 0.3, 2, 0.5) for b in y.tolist()] for a in x.tolist()]
    found = Kernel(name, gamma=0.3, degree=2, offset=0.5)(x, y)
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64))


def test_kernels_equal_scikit_learns():
    x, y = points(), points(7, seed=1)
    for name, theirs in (("rbf", rbf_kernel), ("laplacian", laplacian_kernel), ("polynomial", polynomial_kernel)):
        ours = Kernel(name, gamma=0.7)(x, y)
        np.testing.assert_allclose(ours, theirs(x.numpy(), y.numpy(), gamma=0.7), rtol=1e-12)


def test_the_default_gamma_makes_a_kernel_independent_of_the_unit_of_the_data():
    x = points()
    here, there = (Kernel("rbf").scaled_to(given)(given, given) for given in (x, 1000 * x))
    torch.testing.assert_close(here, there)
    assert Kernel("rbf", gamma=2.0).scaled_to(x).gamma == 2.0
    assert Kernel("rbf").scaled_to(torch.ones(4, 2)).gamma == 1.0


@pytest.mark.parametrize("name", NAMES)
def test_an_operator_multiplies_as_its_matrix_does(name, monkeypatch):
    x, vectors = points(), points(12, 4, seed=2)
    kernel = Kernel(name).scaled_to(x)
    monkeypatch.setattr("paperlib.kernels._CHUNK", 40)  # three rows at a time
    operator = GramOperator(x, kernel)
    assert operator.shape == (12, 12)
    torch.testing.assert_close(operator @ vectors, kernel(x, x) @ vectors)


@pytest.mark.parametrize("name", NAMES)
def test_nystrom_with_every_sample_as_a_landmark_is_exact(name):
    x = points()
    kernel = Kernel(name).scaled_to(x)
    features = Nystrom(100, kernel).fit(x)(x)
    torch.testing.assert_close(features @ features.T, kernel(x, x), rtol=1e-6, atol=1e-8)


def test_nystrom_of_a_linear_kernel_needs_as_many_landmarks_as_there_are_features():
    x = points(200, 3)
    features = Nystrom(3, Kernel("linear")).fit(x, generator=torch.Generator().manual_seed(0))(x)
    assert features.shape == (200, 3)
    torch.testing.assert_close(features @ features.T, x @ x.T, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", ["rbf", "laplacian"])
def test_fourier_features_approach_their_kernel_as_one_over_the_root_of_their_number(name):
    x = points(30)
    kernel = Kernel(name).scaled_to(x)
    errors = []
    for n_components in (100, 10_000):
        features = RandomFourierFeatures(n_components, kernel).fit(x, generator=torch.Generator().manual_seed(0))(x)
        assert features.shape == (30, 2 * n_components)
        torch.testing.assert_close(features.square().sum(1), torch.ones(30, dtype=torch.float64))
        errors.append(float((features @ features.T - kernel(x, x)).square().mean().sqrt()))
    assert errors[0] < 2 / math.sqrt(100)
    assert 5 < errors[0] / errors[1] < 20


def test_feature_maps_are_drawn_by_their_generator():
    x = points(30)
    for recipe in (RandomFourierFeatures(8), Nystrom(8)):
        one, same, other = (recipe.fit(x, generator=torch.Generator().manual_seed(s))(x) for s in (0, 0, 1))
        torch.testing.assert_close(one, same)
        assert not torch.allclose(one, other)


def test_a_feature_map_is_a_module_that_keeps_its_numbers():
    x = points(30)
    for recipe in (RandomFourierFeatures(8), Nystrom(8)):
        made = recipe.fit(x)
        state = made.state_dict()
        made.float()
        assert all(tensor.dtype == torch.float32 for tensor in made.state_dict().values())
        assert not list(made.parameters())
        assert len(state) >= 1


def test_distances_are_exact_also_far_from_the_origin():
    x = points() + 1e6
    expected = [[math.dist(a, b) for b in x.tolist()] for a in x.tolist()]
    torch.testing.assert_close(distances(x), torch.tensor(expected, dtype=torch.float64))
    torch.testing.assert_close(distances(x, "sqeuclidean"), distances(x).square())
    assert not distances(x).diagonal().any()
    torch.testing.assert_close(squared_distances(x, x[:4]), distances(x, "sqeuclidean")[:, :4], rtol=1e-6, atol=1e-6)


def test_hops_go_along_the_line_and_not_where_there_is_no_way():
    x = torch.tensor([[0.0], [1.0], [2.0], [10.0], [11.0]])
    # Linked are the pairs one apart: 11 of 25 distances are at most 1, so the quantile lies between 1 and 2.
    hops = graph_hops(x, quantile=0.5)
    far = 2.0 * len(x)
    expected = [[0, 1, 2, far, far], [1, 0, 1, far, far], [2, 1, 0, far, far], [far] * 3 + [0, 1], [far] * 3 + [1, 0]]
    torch.testing.assert_close(hops, torch.tensor(expected))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Kernel("gauss"), "kernel must be one of 'linear', 'rbf'"),
        (lambda: Kernel("rbf", gamma=-1.0), "gamma must be a finite number > 0"),
        (lambda: Kernel("polynomial", degree=0), "degree must be a whole number"),
        (lambda: Kernel("polynomial", offset=-1.0), "offset must be a finite number >= 0"),
        (lambda: Kernel("rbf")(points(), points()), "has no gamma yet"),
        (lambda: RandomFourierFeatures(kernel=Kernel("polynomial")), "use Nystrom"),
        (lambda: RandomFourierFeatures(0), "n_components must be a whole number"),
        (lambda: Nystrom(0), "n_components must be a whole number"),
        (lambda: distances(points(), "manhattan"), "metric must be one of 'euclidean'"),
        (lambda: graph_hops(points(), quantile=1.0), "quantile must lie between 0 and 1"),
    ],
)
def test_what_is_out_of_range_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
