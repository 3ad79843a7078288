"""What both kinds of transport share: types, no gradient, and refusals."""

import math

import pytest
import torch
from transports import costs, random_measures, values

from paperlib.transport import all_pairs, transport_potentials

PAIR = torch.tensor([[0], [1]])
GOOD = {"measures": random_measures(3, 5), "pairs": PAIR, "cost": costs(5)["euclidean"]}


@pytest.mark.parametrize("entropic", [None, 0.1])
def test_float32_stays_float32_and_is_close_to_float64(entropic):
    measures, pairs, cost = random_measures(4, 30, zeros=True), all_pairs(4), costs(30)["euclidean"]
    single = transport_potentials(measures.float(), pairs, cost.float(), entropic=entropic)
    double = transport_potentials(measures, pairs, cost, entropic=entropic)
    assert single.f.dtype == single.g.dtype == torch.float32
    assert double.f.dtype == double.g.dtype == torch.float64
    found = values(single, measures.float(), pairs).double()
    assert torch.allclose(found, values(double, measures, pairs), rtol=1e-4)


@pytest.mark.parametrize("entropic", [None, 0.1])
def test_no_gradient_flows_and_no_input_changes(entropic):
    measures, cost = GOOD["measures"].clone().requires_grad_(), GOOD["cost"].clone().requires_grad_()
    f, g = transport_potentials(measures, PAIR, cost, entropic=entropic)
    assert f.shape == g.shape == (1, 5)
    assert not f.requires_grad
    assert not g.requires_grad
    assert torch.equal(measures, GOOD["measures"])
    assert torch.equal(cost, GOOD["cost"])


@pytest.mark.parametrize("entropic", [None, 0.1])
def test_no_pairs_give_no_potentials(entropic):
    f, g = transport_potentials(GOOD["measures"][:1], all_pairs(1), GOOD["cost"], entropic=entropic)
    assert f.shape == g.shape == (0, 5)


@pytest.mark.parametrize("entropic", [None, 0.1])
def test_each_pair_is_on_its_own(entropic):
    measures, cost = random_measures(3, 10), costs(10)["euclidean"]
    pairs = torch.tensor([[0, 2, 1, 1], [1, 0, 2, 1]])
    together = transport_potentials(measures, pairs, cost, entropic=entropic, tolerance=1e-11)
    for p in range(4):
        alone = transport_potentials(measures, pairs[:, [p]], cost, entropic=entropic, tolerance=1e-11)
        expected = values(alone, measures, pairs[:, [p]]).item()
        assert values(together, measures, pairs)[p].item() == pytest.approx(expected, rel=1e-9, abs=1e-13)


@pytest.mark.parametrize("entropic", [None, 0.1])
def test_measures_that_are_only_nearly_of_mass_one_are_scaled_to_it(entropic):
    measures = GOOD["measures"]
    exact = transport_potentials(measures, PAIR, GOOD["cost"], entropic=entropic)
    scaled = transport_potentials(measures * (1 + 5e-7), PAIR, GOOD["cost"], entropic=entropic)
    assert torch.allclose(exact.f, scaled.f, rtol=0, atol=1e-9)


@pytest.mark.parametrize("entropic", [None, 0.1])
def test_a_cost_that_is_symmetric_but_for_rounding_is_made_so(entropic):
    off = 1e-8 * torch.rand(5, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    one, other = (
        transport_potentials(GOOD["measures"], PAIR, GOOD["cost"] + error, entropic=entropic) for error in (off, off.T)
    )
    assert torch.equal(one.f, other.f)
    assert torch.equal(one.g, other.g)


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"measures": [[1.0]]}, TypeError, "measures must be a torch tensor"),
        ({"measures": torch.eye(5).long()}, TypeError, "measures must hold floating-point numbers"),
        ({"measures": torch.ones(3, 5) / 4}, ValueError, "measures must have rows of probabilities"),
        ({"measures": torch.tensor([[1.5, -0.5]])}, ValueError, "measures must have rows of probabilities"),
        ({"measures": torch.full((3, 5), math.nan)}, ValueError, "measures must have rows of probabilities"),
        ({"cost": torch.zeros(5, 5, dtype=torch.int64)}, TypeError, "cost must hold floating-point numbers"),
        ({"cost": torch.zeros(4, 4)}, ValueError, r"cost must have shape \[5, 5\].*got \[4, 4\]"),
        ({"cost": torch.full((5, 5), -1.0)}, ValueError, "cost must be finite and at least zero, got entries from -1"),
        ({"cost": torch.full((5, 5), math.nan)}, ValueError, "cost must be finite and at least zero"),
        ({"cost": torch.full((5, 5), math.inf)}, ValueError, "give points that cannot be reached from each other a"),
        ({"cost": torch.ones(5, 5).triu()}, ValueError, r"cost must be symmetric, but is off .* by 1; use \(cost"),
        ({"pairs": [[0], [1]]}, ValueError, r"pairs must be an int64 tensor of shape \[2, p\], got list"),
        ({"pairs": PAIR.int()}, ValueError, r"pairs must be an int64 .* got torch\.int32 \[2, 1\]; see all_pairs"),
        ({"pairs": torch.tensor([[0, 1, 2]])}, ValueError, r"pairs must be an int64 .* got torch\.int64 \[1, 3\]"),
        ({"pairs": PAIR + 2}, ValueError, "pairs must name rows of measures, 0 to 2, got 2 to 3"),
        ({"pairs": PAIR - 1}, ValueError, "pairs must name rows of measures, 0 to 2, got -1 to 0"),
        ({"entropic": 0.0}, ValueError, "entropic must be a finite number > 0, got 0"),
        ({"entropic": -1.0}, ValueError, r"entropic must be a finite number > 0, got -1\.0"),
        ({"entropic": math.inf}, ValueError, "entropic must be a finite number > 0, got inf"),
        ({"tolerance": 0}, ValueError, "tolerance must be a finite number > 0, got 0"),
        ({"max_iterations": 0}, ValueError, "max_iterations must be a whole number of at least 1, got 0"),
    ],
)
def test_bad_input_is_refused(changed, error, message):
    with pytest.raises(error, match=message):
        transport_potentials(**(GOOD | changed))
