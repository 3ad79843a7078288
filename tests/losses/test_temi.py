"""TEMI's loss against its sum, its closed forms, its bound and finite differences."""

import math

import pytest
import torch
from view_pairs import confident, pair

from paperlib.losses import critic_matrix, invariant_information_loss, scan_loss, temi_loss

BETAS = [0.5, 0.6, 1.0]
PRIOR = torch.tensor([0.4, 0.3, 0.2, 0.1], dtype=torch.float64)


def the_papers_own_sum(logits, neighbor_logits, prior, beta):
    n, k = logits.shape
    p, q = logits.softmax(1).tolist(), neighbor_logits.softmax(1).tolist()
    pi = [sum(p[i][c] + q[i][c] for i in range(n)) / (2 * n) for c in range(k)] if prior is None else prior.tolist()
    return -sum(math.log(sum((p[i][c] * q[i][c]) ** beta / pi[c] for c in range(k))) for i in range(n)) / n


@pytest.mark.parametrize("beta", BETAS)
@pytest.mark.parametrize("prior", [None, PRIOR])
def test_loss_equals_its_sum(prior, beta):
    logits, neighbors = pair()
    loss = temi_loss(logits, neighbors, prior, beta=beta)
    assert loss.item() == pytest.approx(the_papers_own_sum(logits, neighbors, prior, beta), rel=1e-12)


def test_the_power_left_out_is_the_authors():
    assert torch.equal(temi_loss(*pair()), temi_loss(*pair(), beta=0.6))


@pytest.mark.parametrize("beta", BETAS)
def test_gradients_equal_finite_differences_with_the_prior_held_fixed(beta):
    logits, neighbors = pair()
    assert torch.autograd.gradcheck(
        lambda *given: temi_loss(*given, PRIOR, beta=beta), (logits.requires_grad_(), neighbors.requires_grad_())
    )
    mean = ((logits.softmax(1) + neighbors.softmax(1)) / 2).mean(0).detach()
    found, expected = (
        torch.autograd.grad(temi_loss(logits, neighbors, prior, beta=beta), (logits, neighbors))
        for prior in (None, mean)
    )
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("prior", [None, PRIOR])
def test_at_power_one_it_is_minus_the_corrected_critic_of_the_positives(prior):
    logits, neighbors = pair()
    log_p, log_q = logits.log_softmax(1), neighbors.log_softmax(1)
    pi = torch.cat([log_p, log_q]).exp().mean(0) if prior is None else prior
    critic = critic_matrix(log_p, log_q, "log_dot_prior", pi).diagonal()
    torch.testing.assert_close(temi_loss(logits, neighbors, prior, beta=1.0), -critic.mean())


def test_at_power_one_and_equal_shares_it_is_scans_consistency_less_log_k():
    logits, neighbors = pair()
    found = temi_loss(logits, neighbors, torch.full((4,), 0.25, dtype=torch.float64), beta=1.0)
    torch.testing.assert_close(found, scan_loss(logits, neighbors, entropy_weight=0.0) - math.log(4))


@pytest.mark.parametrize("beta", [0.6, 1.0])
def test_closed_forms(beta):
    shared, collapsed, uniform = confident([0, 0, 0, 1, 1, 2]), confident([2] * 4), confident([0] * 4, size=0.0)
    shares = [1 / 2, 1 / 3, 1 / 6]
    values = [temi_loss(logits, logits, beta=beta).item() for logits in (shared, collapsed, uniform)]
    expected = [sum(share * math.log(share) for share in shares), 0.0, 2 * (beta - 1) * math.log(4)]
    assert values == pytest.approx(expected, abs=1e-12)


def test_a_power_of_one_half_cannot_tell_one_prediction_for_all_from_the_best():
    logits = pair()[0][:1].expand(5, 4)
    assert temi_loss(logits, logits, beta=0.5).item() == pytest.approx(-math.log(4))


def test_agreeing_one_hots_are_worth_what_iic_says():
    logits = confident([0, 0, 0, 1, 1, 2])
    torch.testing.assert_close(temi_loss(logits, logits), invariant_information_loss(logits, logits))


@pytest.mark.parametrize("beta", BETAS)
def test_from_one_half_on_no_predictions_are_below_minus_log_k_and_balanced_agreement_reaches_it(beta):
    for seed in range(20):
        for scale in (0.1, 1.0, 10.0):
            assert temi_loss(*pair(seed=seed, scale=scale), beta=beta).item() >= -math.log(4)
    balanced = confident([0, 1, 2, 3])
    assert temi_loss(balanced, balanced, beta=beta).item() == pytest.approx(-math.log(4))


@pytest.mark.parametrize(("beta", "sign"), [(0.4, 1), (0.5, 0), (0.6, -1), (1.0, -1)])
def test_the_power_decides_whether_agreeing_predictions_should_be_sure(beta, sign):
    """In balanced clusters: below one half doubt is worth more, at one half it is all one, above it sureness is."""
    softer, surer = (temi_loss(x, x, beta=beta) for x in (confident([0, 1, 2, 3], size=size) for size in (1.0, 3.0)))
    assert torch.sign((surer - softer).round(decimals=12)) == sign


@pytest.mark.parametrize("beta", BETAS)
def test_swapping_relabelling_shifting_repeating_and_an_empty_cluster_change_nothing(beta):
    logits, neighbors = pair()
    loss = temi_loss(logits, neighbors, beta=beta)
    order, shift = [2, 0, 3, 1], torch.arange(7.0, dtype=torch.float64)[:, None]
    changes = [
        lambda given: given[:, order],
        lambda given: given + shift,
        lambda given: given.repeat(3, 1),
        lambda given: torch.cat([given, torch.full((7, 1), -math.inf, dtype=torch.float64)], 1),
    ]
    torch.testing.assert_close(temi_loss(neighbors, logits, beta=beta), loss)
    for change in changes:
        torch.testing.assert_close(temi_loss(change(logits), change(neighbors), beta=beta), loss)


def test_relabelling_takes_the_prior_along():
    logits, neighbors = pair()
    order = [2, 0, 3, 1]
    torch.testing.assert_close(
        temi_loss(logits[:, order], neighbors[:, order], PRIOR[order]), temi_loss(logits, neighbors, PRIOR)
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("size", [80.0, 2000.0])
def test_sure_disagreement_costs_what_the_logits_say_and_still_teaches(size, dtype):
    logits = confident([0, 1, 2, 3], size=size).to(dtype).requires_grad_()
    neighbors = confident([1, 2, 3, 0], size=size).to(dtype).requires_grad_()
    loss = temi_loss(logits, neighbors, beta=1.0)
    assert loss.item() == pytest.approx(size - math.log(2) - math.log(4))
    loss.backward()
    pulled = torch.tensor([0.5, -0.5, 0.0, 0.0], dtype=dtype) / 4
    torch.testing.assert_close(logits.grad[0], pulled)
    torch.testing.assert_close(neighbors.grad[0], -pulled)


def test_an_impossible_cluster_passes_no_gradient():
    logits, neighbors = (torch.cat([x, torch.full((7, 1), -math.inf).double()], 1).requires_grad_() for x in pair())
    temi_loss(logits, neighbors).backward()
    assert bool(logits.grad.isfinite().all())
    assert not logits.grad[:, 4].any()
    assert logits.grad[:, :4].any()


def test_float32_agrees_with_float64():
    single = temi_loss(*pair(scale=8.0, dtype=torch.float32))
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), temi_loss(*pair(scale=8.0)), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"logits": [[0.0, 1.0]]}, TypeError, "logits must be a torch tensor, got list"),
        ({"neighbor_logits": torch.zeros(2, 4)}, ValueError, r"neighbor_logits must have one shape, got \[2, 3\] and"),
        ({"prior": [0.5, 0.5]}, ValueError, "one entry for each of the 3 clusters"),
        ({"prior": [0.5, 0.5, 0.0]}, ValueError, "prior must be positive in every entry"),
        ({"beta": 0.0}, ValueError, "beta must be a number with 0 < beta <= 1, got 0.0"),
        ({"beta": 1.5}, ValueError, "got 1.5"),
        ({"beta": math.nan}, ValueError, "got nan"),
        ({"beta": None}, ValueError, "got None"),
    ],
)
def test_bad_input_is_refused_with_what_was_given(change, error, message):
    arguments = {"logits": torch.zeros(2, 3), "neighbor_logits": torch.zeros(2, 3), **change}
    with pytest.raises(error, match=message):
        temi_loss(**arguments)
