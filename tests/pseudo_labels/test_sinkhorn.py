"""Sinkhorn's labels: exact proportions, the optimum of a generic optimiser, POT-free limits, and the certificate."""

import math

import numpy as np
import pytest
import torch
from problems import predictions
from scipy.optimize import linprog, minimize
from sklearn.exceptions import ConvergenceWarning

from paperlib.pseudo_labels import Sinkhorn

UNEVEN = torch.tensor([0.4, 0.3, 0.2, 0.1], dtype=torch.float64)


@pytest.mark.parametrize("sharpness", [0.5, 3.0, 25.0])
@pytest.mark.parametrize("prior", [None, UNEVEN])
def test_rows_and_columns_fit_exactly_even_after_one_pair_of_scalings(sharpness, prior):
    sigma = predictions(200, tilt=4.0)
    u = torch.full((4,), 0.25, dtype=torch.float64) if prior is None else prior
    for limit in (1, 10_000):
        found = Sinkhorn(sharpness, max_iterations=limit).solve(sigma, prior=prior, warn=False)
        assert torch.allclose(found.targets.sum(1), torch.ones(200, dtype=torch.float64), rtol=0, atol=1e-12)
        assert torch.allclose(found.targets.mean(0), u, rtol=0, atol=1e-12)
        assert found.targets.min() >= 0


def test_the_value_is_the_definition():
    sigma = predictions()
    found = Sinkhorn(4.0).solve(sigma)
    rows = [
        sum(-y * math.log(s) + y * math.log(y) / 4.0 for y, s in zip(*pair, strict=True))
        for pair in zip(found.targets.tolist(), sigma.tolist(), strict=True)
    ]
    assert found.value == pytest.approx(sum(rows) / 30, rel=1e-12)


@pytest.mark.parametrize("sharpness", [1.0, 6.0])
def test_it_reaches_the_optimum_of_the_dual_by_a_generic_optimiser(sharpness):
    sigma = predictions(40, tilt=2.0)
    scores = sharpness * sigma.log().numpy()

    def negative_dual(shift):
        return np.log(np.exp(scores + shift).sum(1)).mean() - UNEVEN.numpy() @ shift

    best = -minimize(negative_dual, np.zeros(4), method="BFGS", options={"gtol": 1e-9}).fun / sharpness
    found = Sinkhorn(sharpness, tolerance=1e-10).solve(sigma, prior=UNEVEN)
    assert found.value == pytest.approx(best, abs=1e-9)


def test_at_a_great_sharpness_it_is_optimal_transport():
    sigma = predictions(24)
    found = Sinkhorn(200.0, tolerance=1e-4).solve(sigma)
    rows, columns = np.kron(np.eye(24), np.ones(4)), np.kron(np.ones(24), np.eye(4))
    exact = linprog(
        -sigma.log().numpy().ravel() / 24, A_eq=np.vstack((rows, columns)), b_eq=np.r_[np.ones(24), np.full(4, 6)]
    )
    cost = float(-(found.targets * sigma.log()).sum(1).mean())
    assert exact.fun - 1e-9 <= cost <= exact.fun + math.log(4) / 200 + 1e-4
    assert np.bincount(found.targets.argmax(1)).tolist() == [6, 6, 6, 6]


@pytest.mark.parametrize(("scale", "sharpness"), [(5.0, 25.0), (10.0, 10.0), (30.0, 10.0)])
def test_a_few_iterations_do_where_as_many_scalings_are_far_from_the_optimum(scale, sharpness):
    sigma = predictions(1000, 10, scale=scale, tilt=scale)
    found = Sinkhorn(sharpness, tolerance=1e-6, max_iterations=30).solve(sigma)
    shift = torch.zeros(10, dtype=torch.float64)
    scores = sharpness * sigma.log()
    for _ in range(30):  # scalings alone
        shift = math.log(100) - torch.logsumexp(scores - torch.logsumexp(scores + shift, 1, keepdim=True), 0)
    dual = (shift.mean() - torch.logsumexp(scores + shift, 1).mean()) / sharpness
    assert found.converged
    assert found.value - float(dual) > 0.05


@pytest.mark.parametrize("sharpness", [2.0, 20.0])
def test_the_gap_bounds_what_an_early_stop_loses(sharpness):
    sigma = predictions(100, 6, tilt=4.0)
    best = Sinkhorn(sharpness, tolerance=1e-11).solve(sigma).value
    for limit in (1, 2, 4):
        early = Sinkhorn(sharpness, max_iterations=limit, tolerance=1e-14).solve(sigma, warn=False)
        assert -1e-12 <= early.value - best <= early.gap + 1e-12


def test_rows_that_are_one_hot_on_one_cluster_are_spread_to_the_proportions():
    sigma = torch.eye(3)[torch.zeros(9, dtype=torch.long)]
    found = Sinkhorn(1.0).solve(sigma)
    assert torch.allclose(found.targets, torch.full((9, 3), 1 / 3), atol=1e-5)


def test_permuting_clusters_permutes_the_labels():
    sigma, order = predictions(50), torch.tensor([2, 0, 3, 1])
    plain = Sinkhorn(tolerance=1e-11).solve(sigma, prior=UNEVEN).targets
    turned = Sinkhorn(tolerance=1e-11).solve(sigma[:, order], prior=UNEVEN[order]).targets
    assert torch.allclose(plain[:, order], turned, rtol=0, atol=1e-4)


def test_float32_stays_float32_and_is_close_to_float64():
    sigma = predictions(100)
    found = Sinkhorn(5.0, tolerance=1e-5).solve(sigma.float())
    assert found.targets.dtype == torch.float32
    assert torch.allclose(found.targets.double(), Sinkhorn(5.0).solve(sigma).targets, rtol=0, atol=1e-2)


def test_stopping_early_warns_and_names_the_knobs():
    with pytest.warns(ConvergenceWarning, match=r"after 1 iterations .* raise max_iterations or tolerance, or lower"):
        Sinkhorn(25.0, max_iterations=1).solve(predictions(tilt=4.0))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"sharpness": 0}, "sharpness must be a finite number > 0, got 0"),
        ({"tolerance": math.nan}, "tolerance must be a finite number > 0, got nan"),
        ({"max_iterations": 1.5}, r"max_iterations must be a whole number of at least 1, got 1\.5"),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        Sinkhorn(**settings)
