"""Entropies and divergences against their definitions, closed forms and finite differences."""

import math

import pytest
import scipy.stats
import torch
from hypothesis import given
from hypothesis import strategies as st

from paperlib import information as info

ORDERS = [0.0, 0.3, 0.999999, 1.0, 1.000001, 1.4, 2.0, 7.0, math.inf]


def random_probs(n=7, k=5, *, seed=0, scale=2.0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return (scale * torch.randn(n, k, generator=generator, dtype=torch.float64)).softmax(1).to(dtype)


def renyi_by_its_sum(row, order):
    if order == 0:
        return math.log(sum(p > 0 for p in row))
    if order == 1:
        return -sum(p * math.log(p) for p in row if p > 0)
    if order == math.inf:
        return -math.log(max(row))
    return math.log(sum(p**order for p in row if p > 0)) / (1 - order)


def test_entropy_equals_scipy():
    probs = random_probs()
    expected = torch.from_numpy(scipy.stats.entropy(probs.numpy(), axis=1))
    torch.testing.assert_close(info.entropy(probs), expected)
    torch.testing.assert_close(info.entropy_from_logits(probs.log() + 3.7), expected)


@pytest.mark.parametrize("order", ORDERS)
def test_renyi_entropy_equals_its_sum(order):
    probs = random_probs()
    probs[0] = torch.tensor([0.5, 0.5, 0.0, 0.0, 0.0])
    expected = torch.tensor([renyi_by_its_sum(row, order) for row in probs.tolist()], dtype=torch.float64)
    # near order one the plain sum itself loses digits: log(sum) / 1e-6 carries an error of about 1e-10
    torch.testing.assert_close(info.renyi_entropy(probs, order), expected, rtol=0, atol=2e-9)
    torch.testing.assert_close(info.renyi_entropy_from_logits(probs.log(), order), expected, rtol=0, atol=2e-9)


def test_renyi_entropy_is_smooth_through_order_one():
    probs = random_probs()
    shannon = info.entropy(probs)
    for step in (1e-9, -1e-9, 1e-13):
        torch.testing.assert_close(info.renyi_entropy(probs, 1 + step), shannon, rtol=0, atol=1e-8)


@given(st.integers(2, 30), st.sampled_from(ORDERS))
def test_uniform_has_entropy_log_k_and_one_hot_zero_at_every_order(k, order):
    uniform, one_hot = torch.full((1, k), 1 / k, dtype=torch.float64), torch.eye(k, dtype=torch.float64)[:1]
    assert info.renyi_entropy(uniform, order).item() == pytest.approx(math.log(k))
    assert info.renyi_entropy(one_hot, order).item() == 0.0


def test_renyi_entropy_falls_as_the_order_grows():
    values = torch.stack([info.renyi_entropy(random_probs(), order) for order in ORDERS])
    assert bool((values.diff(dim=0) <= 1e-12).all())


def test_divergences_equal_their_sums():
    p, q = random_probs(seed=1), random_probs(seed=2)
    kl = [
        sum(a * math.log(a / b) for a, b in zip(*rows, strict=True))
        for rows in zip(p.tolist(), q.tolist(), strict=True)
    ]
    torch.testing.assert_close(info.kl_divergence(p, q), torch.tensor(kl, dtype=torch.float64))
    torch.testing.assert_close(info.kl_divergence_from_logits(p.log() - 1, q.log() + 5), info.kl_divergence(p, q))
    torch.testing.assert_close(info.cross_entropy(p, q), info.entropy(p) + info.kl_divergence(p, q))
    torch.testing.assert_close(info.collision_cross_entropy(p, q), -torch.einsum("nk,nk->n", p, q).log())


def test_kl_is_zero_for_equal_and_infinite_for_missed_mass():
    p = torch.tensor([0.5, 0.5, 0.0], dtype=torch.float64)
    assert info.kl_divergence(p, p).item() == 0.0
    assert info.kl_divergence(p, torch.tensor([1.0, 0.0, 0.0], dtype=torch.float64)).item() == math.inf
    assert info.kl_divergence(torch.tensor([1.0, 0.0, 0.0], dtype=torch.float64), p).item() == pytest.approx(
        math.log(2)
    )


def test_kl_from_logits_survives_underflow():
    kl = info.kl_divergence_from_logits(torch.tensor([0.0, 0.0]), torch.tensor([0.0, 1000.0]))
    assert kl.item() == pytest.approx(500 - math.log(2))


def test_mutual_information_of_balanced_one_hots_is_log_k_and_of_a_constant_zero():
    assert info.mutual_information(1e4 * torch.eye(6)).item() == pytest.approx(math.log(6))
    assert info.mutual_information(torch.randn(1, 6).repeat(9, 1)).item() == pytest.approx(0, abs=1e-6)


FUNCTIONS_OF_LOGITS = {
    "entropy": lambda logits: info.entropy_from_logits(logits).sum(),
    "renyi 0.7": lambda logits: info.renyi_entropy_from_logits(logits, 0.7).sum(),
    "renyi 2": lambda logits: info.renyi_entropy_from_logits(logits, 2).sum(),
    "mutual information": info.mutual_information,
    "kl": lambda logits: info.kl_divergence_from_logits(logits, logits.flip(0)).sum(),
}


@pytest.mark.parametrize("function", FUNCTIONS_OF_LOGITS.values(), ids=FUNCTIONS_OF_LOGITS)
def test_gradients_equal_finite_differences(function):
    logits = torch.randn(4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0), requires_grad=True)
    assert torch.autograd.gradcheck(function, logits)


@pytest.mark.parametrize("name", [name for name in FUNCTIONS_OF_LOGITS if name != "kl"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_gradients_stay_finite_at_zero_probability(name, dtype):
    inf = math.inf
    logits = torch.tensor([[0, 1e4, -inf], [1e4, 0, -inf], [0, 0, -inf]], dtype=dtype, requires_grad=True)
    value = FUNCTIONS_OF_LOGITS[name](logits)
    (gradient,) = torch.autograd.grad(value, logits)
    assert bool(value.isfinite())
    assert bool(gradient.isfinite().all())


def test_divergences_of_close_distributions_keep_their_digits():
    q = random_probs(seed=3)
    p = q * (1 + 1e-9 * torch.tensor([1.0, -1, 1, -1, 1], dtype=torch.float64))
    second_order = ((p - q) ** 2 / (2 * q)).sum(1)
    torch.testing.assert_close(info.kl_divergence(p, q), second_order + 0 * q.sum(1), rtol=1e-5, atol=0)
    assert bool((info.kl_divergence(random_probs(dtype=torch.float32), random_probs(dtype=torch.float32)) >= 0).all())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_large_order_tends_to_the_min_entropy(dtype):
    probs = random_probs(dtype=dtype)
    for order in (1e6, 1e39, 1e300):
        torch.testing.assert_close(
            info.renyi_entropy(probs, order), info.renyi_entropy(probs, math.inf), rtol=1e-4, atol=0
        )


def test_an_impossible_cluster_changes_nothing():
    logits = torch.randn(6, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    padded = torch.cat([logits, torch.full((6, 1), -math.inf, dtype=torch.float64)], dim=1)
    torch.testing.assert_close(info.mutual_information(padded), info.mutual_information(logits))
    for order in (0.5, 1, 2, math.inf):
        torch.testing.assert_close(
            info.renyi_entropy_from_logits(padded, order), info.renyi_entropy_from_logits(logits, order)
        )


@pytest.mark.parametrize("order", [-0.1, math.nan])
def test_an_order_out_of_range_is_refused(order):
    with pytest.raises(ValueError, match="order must be a number from 0 to infinity"):
        info.renyi_entropy(random_probs(), order)
