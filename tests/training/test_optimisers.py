"""Full-batch and mini-batch minimisation."""

import math

import numpy as np
import pytest
import torch

from paperlib.data import gaussian_blobs
from paperlib.estimators.starts import kmeans_start, tune_temperature
from paperlib.models import LinearSoftmax
from paperlib.training import MutualInformation, minimize_full_batch, minimize_mini_batch


def start(x, k=3, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(k, x.shape[1], generator=generator, dtype=torch.float64).to(dtype)
    return LinearSoftmax(weight, torch.zeros(k, dtype=dtype), mean=x.mean(0), scale=float(x.std()))


@pytest.fixture(scope="module")
def x():
    return torch.as_tensor(gaussian_blobs(240, 3, spread=0.5, seed=0).x).double()


def total(model, x, gamma):
    return (MutualInformation()(model(x)) + gamma * model.penalty()).item()


def test_full_batch_ends_where_the_gradient_vanishes(x):
    model = start(x)
    before = total(model, x, 1e-2)
    result = minimize_full_batch(model, MutualInformation(), x, gamma=1e-2, tol=1e-14)
    assert result.converged
    assert result.value == pytest.approx(total(model, x, 1e-2), abs=1e-12)
    assert result.value < before
    value = MutualInformation()(model(x)) + 1e-2 * model.penalty()
    for gradient in torch.autograd.grad(value, list(model.parameters())):
        assert gradient.abs().max() < 1e-5


def test_full_batch_says_when_it_stopped_early(x):
    result = minimize_full_batch(start(x), MutualInformation(), x, gamma=1e-2, max_iter=1, tol=1e-14)
    assert not result.converged
    assert result.n_iterations == 1


def test_full_batch_works_in_float32(x):
    model = start(x.float(), dtype=torch.float32)
    minimize_full_batch(model, MutualInformation(), x.float(), gamma=1e-2)
    double = start(x)
    minimize_full_batch(double, MutualInformation(), x, gamma=1e-2)
    assert model.weight.dtype == torch.float32
    assert total(model.double(), x, 1e-2) == pytest.approx(total(double, x, 1e-2), abs=1e-4)


def test_mini_batches_come_close_to_the_full_batch(x):
    weight, bias = kmeans_start(x.numpy(), 3, prior=None, seed=0)
    full, mini = (LinearSoftmax(weight, bias, mean=x.mean(0), scale=float(x.std())) for _ in range(2))
    for model in (full, mini):
        tune_temperature(model, x, gamma=1e-2, fairness_weight=1.0, prior=None)
    best = minimize_full_batch(full, MutualInformation(), x, gamma=1e-2).value
    generator = torch.Generator().manual_seed(0)
    minimize_mini_batch(mini, MutualInformation(), x, gamma=1e-2, batch_size=80, max_iter=300, generator=generator)
    assert total(mini, x, 1e-2) == pytest.approx(best, abs=0.02)


def test_the_value_of_mini_batches_is_the_mean_over_the_last_epoch(x):
    model = start(x)
    result = minimize_mini_batch(
        model,
        MutualInformation(),
        x,
        gamma=1e-2,
        batch_size=240,
        max_iter=2,
        learning_rate=0.0,
    )
    assert result.value == pytest.approx(total(model, x, 1e-2))
    order = torch.randperm(240, generator=torch.Generator().manual_seed(3))
    generator = torch.Generator().manual_seed(3)
    halves = minimize_mini_batch(
        model, MutualInformation(), x, batch_size=120, max_iter=1, learning_rate=0.0, generator=generator
    )
    assert halves.value == pytest.approx(np.mean([total(model, x[half], 0.0) for half in order.split(120)]))


def test_the_last_steps_of_mini_batches_are_small(x):
    def moved(max_iter, seed):
        model, before = start(x), start(x)
        generator = torch.Generator().manual_seed(seed)
        minimize_mini_batch(model, MutualInformation(), x, batch_size=240, max_iter=max_iter, generator=generator)
        return (model.weight - before.weight).abs().max().item()

    # Adam's first step has the size of the learning rate; along a half cosine of two steps the second has half of it
    assert moved(1, 0) == pytest.approx(0.05, rel=1e-3)
    assert moved(2, 0) <= 0.0751


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_is_never_called_converged(x, bad):
    def broken(logits, index=None):
        return logits.sum() * bad

    assert not minimize_full_batch(start(x), broken, x).converged
    assert not minimize_mini_batch(start(x), broken, x, batch_size=100, max_iter=1).converged


def test_a_parameter_that_plays_no_part_stays_as_it_is(x):
    model = start(x)
    model.unused = torch.nn.Parameter(torch.ones(2, dtype=torch.float64))
    minimize_full_batch(model, MutualInformation(), x, max_iter=3)
    assert torch.equal(model.unused.detach(), torch.ones(2, dtype=torch.float64))


def test_the_same_generator_gives_the_same_weights_and_another_other_weights(x):
    def run(seed):
        model = start(x)
        generator = torch.Generator().manual_seed(seed)
        minimize_mini_batch(model, MutualInformation(), x, batch_size=50, max_iter=2, generator=generator)
        return model.weight.detach()

    assert torch.equal(run(0), run(0))
    assert not torch.equal(run(0), run(1))


def test_a_constant_step_stops_when_the_epochs_stop_improving(x):
    generator = torch.Generator().manual_seed(0)
    options = {"batch_size": 60, "max_iter": 400, "schedule": "constant", "generator": generator}
    stopped = minimize_mini_batch(start(x), MutualInformation(), x, tol=1e-3, patience=5, **options)
    assert stopped.converged
    assert 5 < stopped.n_iterations < 400
    assert not minimize_mini_batch(start(x), MutualInformation(), x, tol=0.0, **options | {"max_iter": 3}).converged


def test_an_optimiser_goes_on_where_it_was(x):
    together, apart = start(x), start(x)
    options = {"batch_size": len(x), "schedule": "constant"}
    minimize_mini_batch(together, MutualInformation(), x, max_iter=6, learning_rate=0.01, **options)
    optimizer = torch.optim.Adam(apart.parameters(), lr=0.01)
    for _ in range(6):
        minimize_mini_batch(apart, MutualInformation(), x, max_iter=1, optimizer=optimizer, **options)
    torch.testing.assert_close(apart.coef, together.coef)
