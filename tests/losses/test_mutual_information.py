"""The mutual information loss against its sums, its closed forms and finite differences."""

import math

import pytest
import torch

from paperlib.information import mutual_information
from paperlib.losses import mutual_information_loss


def logits_of(n=8, k=4, *, seed=0, dtype=torch.float64):
    return 2 * torch.randn(n, k, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def the_papers_own_sum(logits, weight, prior):
    n, k = logits.shape
    sigma = [[math.exp(v) / sum(math.exp(u) for u in row) for v in row] for row in logits.tolist()]
    mean_entropy = -sum(p * math.log(p) for row in sigma for p in row) / n
    marginal = [sum(row[c] for row in sigma) / n for c in range(k)]
    return mean_entropy + weight * sum(m * math.log(m / u) for m, u in zip(marginal, prior, strict=True))


@pytest.mark.parametrize("weight", [0.0, 1.0, 3.5])
@pytest.mark.parametrize("prior", [None, [0.4, 0.3, 0.2, 0.1]])
def test_loss_equals_its_sum(weight, prior):
    logits = logits_of()
    given = None if prior is None else torch.tensor(prior, dtype=torch.float64)
    expected = the_papers_own_sum(logits, weight, prior or [0.25] * 4)
    assert mutual_information_loss(logits, fairness_weight=weight, prior=given).item() == pytest.approx(expected)


def test_with_weight_one_it_is_log_k_less_the_mutual_information():
    logits = logits_of()
    torch.testing.assert_close(mutual_information_loss(logits), math.log(4) - mutual_information(logits))


def test_balanced_one_hots_cost_nothing_and_uniform_rows_log_k():
    assert mutual_information_loss(1e4 * torch.eye(5)).item() == pytest.approx(0, abs=1e-7)
    assert mutual_information_loss(torch.zeros(3, 5)).item() == pytest.approx(math.log(5))


def test_collapse_to_one_cluster_costs_as_much_as_knowing_nothing():
    one_cluster = torch.zeros(6, 5)
    one_cluster[:, 2] = 1e4
    assert mutual_information_loss(one_cluster).item() == pytest.approx(math.log(5))


def test_relabelling_shifting_and_repeating_change_nothing():
    logits, loss = logits_of(), mutual_information_loss(logits_of())
    torch.testing.assert_close(mutual_information_loss(logits[:, [2, 0, 3, 1]]), loss)
    torch.testing.assert_close(mutual_information_loss(logits + torch.arange(8.0, dtype=torch.float64)[:, None]), loss)
    torch.testing.assert_close(mutual_information_loss(logits.repeat(3, 1)), loss)


def test_relabelling_moves_the_prior_along():
    prior = torch.tensor([0.4, 0.3, 0.2, 0.1], dtype=torch.float64)
    order = [2, 0, 3, 1]
    torch.testing.assert_close(
        mutual_information_loss(logits_of()[:, order], prior=prior[order]),
        mutual_information_loss(logits_of(), prior=prior),
    )


@pytest.mark.parametrize("weight", [0.0, 1.0, 10.0])
def test_gradient_equals_finite_differences(weight):
    prior = torch.tensor([0.1, 0.2, 0.3, 0.4], dtype=torch.float64)
    logits = logits_of().requires_grad_()
    assert torch.autograd.gradcheck(
        lambda given: mutual_information_loss(given, fairness_weight=weight, prior=prior), logits
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_an_empty_cluster_gives_a_finite_gradient(dtype):
    logits = torch.tensor([[3.0, 0.0, -1e30], [0.0, 2.0, -math.inf]], dtype=dtype, requires_grad=True)
    mutual_information_loss(logits).backward()
    assert bool(logits.grad.isfinite().all())
    assert logits.grad[:, 2].abs().max() == 0


def test_float32_agrees_with_float64():
    single = mutual_information_loss(logits_of().float())
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), mutual_information_loss(logits_of()), rtol=0, atol=1e-6)


def test_a_great_fairness_weight_does_not_amplify_rounding_in_float32():
    logits = 5 * torch.eye(4, dtype=torch.float64).repeat(250, 1)
    double, single = (mutual_information_loss(given, fairness_weight=1e4) for given in (logits, logits.float()))
    assert single.item() == pytest.approx(double.item(), abs=1e-5)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"logits": [[0.0, 1.0]]}, TypeError, "must be a torch tensor, got list"),
        ({"logits": torch.zeros(2, 3, dtype=torch.int64)}, TypeError, "floating-point numbers, got torch.int64"),
        ({"logits": torch.zeros(3)}, ValueError, r"shape \[n >= 1, k >= 1\], got \[3\]"),
        ({"logits": torch.zeros(0, 3)}, ValueError, r"got \[0, 3\]"),
        ({"fairness_weight": -1.0}, ValueError, "fairness_weight must be a finite number >= 0, got -1.0"),
        ({"fairness_weight": math.nan}, ValueError, "got nan"),
        ({"fairness_weight": None}, ValueError, "got None"),
        ({"prior": "uniform"}, ValueError, "prior must be None or 3 numbers, got 'uniform'"),
        ({"prior": torch.tensor([0.5, 0.5])}, ValueError, "one entry for each of the 3 clusters"),
        ({"prior": torch.tensor([0.5, 0.5, 0.0])}, ValueError, "positive in every entry"),
        ({"prior": torch.tensor([0.5, 0.5, 0.5])}, ValueError, "must sum to one, got 1.5"),
    ],
)
def test_bad_input_is_refused_with_what_was_given(change, error, message):
    arguments = {"logits": torch.zeros(2, 3), **change}
    with pytest.raises(error, match=message):
        mutual_information_loss(arguments.pop("logits"), **arguments)
