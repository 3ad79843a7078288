"""The bound of a contrast against sums over all candidates, simulation, and the theorems of the chapter on critics."""

import itertools
import math

import numpy as np
import pytest
import torch
from scipy.special import logsumexp
from scipy.stats import binom

from paperlib.losses import scan_loss, temi_loss
from paperlib.losses.contrastive import CRITICS, critic_matrix, smoothed
from paperlib.theory.finite_worlds import SIX_SYMBOLS, FiniteWorld
from paperlib.theory.information_bounds import batch_information, information_bound, sampled_information_bound

SKEWED = FiniteWorld((0.7, 0.2, 0.1), SIX_SYMBOLS)
BALANCED = FiniteWorld((1 / 3, 1 / 3, 1 / 3), SIX_SYMBOLS)
BOUNDED = {"dot": 1.0, "negative_l2": 2.0, "negative_js": math.log(2)}  # how far apart two of its values can be


def random_case(seed, m=3, scale=3.0):
    rng = np.random.default_rng(seed)
    return rng.dirichlet(np.full(m * m, 0.3)).reshape(m, m), scale * rng.standard_normal((m, m))


def by_enumeration(joint, scores, n):
    """The definition: every symbol in the place of every candidate."""
    bound = 0.0
    for a, b, *others in itertools.product(range(len(joint)), repeat=n + 1):
        chance = joint[a, b] * np.prod(joint.sum(0)[others])
        if chance > 0:
            bound += chance * (scores[a, b] - logsumexp(scores[a, [b, *others]]) + math.log(n))
    return bound


@pytest.mark.parametrize("n", [2, 3, 5])
@pytest.mark.parametrize("scale", [0.1, 3.0, 60.0])
def test_the_exact_bound_is_the_sum_over_all_candidates(n, scale):
    for seed in range(4):
        joint, scores = random_case(seed, scale=scale)
        assert information_bound(joint, scores, n) == pytest.approx(by_enumeration(joint, scores, n), abs=1e-12)


def test_it_is_so_where_scores_are_minus_infinity_and_pairs_never_occur():
    world = FiniteWorld((0.5, 0.3, 0.2), np.eye(3))
    scores = world.critic("log_dot")
    assert np.isneginf(scores).any()
    with np.errstate(invalid="ignore"):
        expected = by_enumeration(world.joint, scores, 4)
    assert information_bound(world.joint, scores, 4) == pytest.approx(expected, abs=1e-12)
    assert information_bound(np.full((2, 2), 0.25), [[0.0, -np.inf], [0.0, 0.0]], 4) == -math.inf


@pytest.mark.parametrize("leak", np.arange(1, 10) / 20)
def test_rounding_in_the_sum_of_the_joint_does_no_harm(leak):
    emission = np.full((3, 6), leak / 4)
    emission[range(3), range(0, 6, 2)] = emission[range(3), range(1, 6, 2)] = (1 - leak) / 2
    world = FiniteWorld((0.7, 0.2, 0.1), emission)
    bounds = [information_bound(world.joint, world.log_ratio, n) for n in (2, 64, 10**6)]
    assert 0 <= bounds[0] < bounds[1] < bounds[2] <= world.information


@pytest.mark.parametrize("shift", [1e3, -1e3])
def test_a_constant_a_row_changes_nothing(shift):
    joint, scores = random_case(0)
    shifted = scores + shift * np.array([[1.0], [0.5], [0.0]])
    assert information_bound(joint, shifted, 7) == pytest.approx(information_bound(joint, scores, 7), abs=1e-11)


def test_a_million_candidates_reach_the_limit_of_many():
    joint, scores = random_case(1)
    limit = (joint * (scores - logsumexp(scores, b=joint.sum(0), axis=1, keepdims=True))).sum()
    errors = [abs(information_bound(joint, scores, n) - limit) for n in (10**3, 10**6)]
    assert errors[1] < 2e-3 * errors[0] < 1e-3


@pytest.mark.parametrize("world", [SKEWED, BALANCED])
@pytest.mark.parametrize("critic", CRITICS)
@pytest.mark.parametrize("n", [2, 64])
def test_simulation_agrees_within_four_standard_errors(world, critic, n):
    scores = world.critic(critic)
    found = sampled_information_bound(world.joint, scores, n)
    assert abs(found.mean - information_bound(world.joint, scores, n)) < 4 * found.standard_error
    assert found.standard_error < 0.01


@pytest.mark.parametrize("n", [2, 10, 1000])
def test_no_critic_passes_the_oracle_and_the_oracle_passes_neither_information_nor_log_n(n):
    for world in (SKEWED, BALANCED):
        best = information_bound(world.joint, world.log_ratio, n)
        assert best <= min(world.information, math.log(n))
        for seed in range(20):
            noise = np.random.default_rng(seed).standard_normal((6, 6))
            for size in (1e-3, 0.1, 1.0):
                assert information_bound(world.joint, world.log_ratio + size * noise, n) < best


def test_the_oracle_falls_short_by_the_chi_square_over_twice_the_candidates():
    for world in (SKEWED, BALANCED):
        chi_square = (world.joint * np.exp(world.log_ratio)).sum() - 1
        gap = world.information - information_bound(world.joint, world.log_ratio, 10_000)
        assert gap == pytest.approx(chi_square / 20_000, rel=1e-3)


def test_balanced_log_dot_is_the_oracle_and_skewed_it_falls_short_of_the_corrected_one_which_is():
    bounds = {
        (name, world): information_bound(world.joint, world.critic(name), 64)
        for name in CRITICS
        for world in (SKEWED, BALANCED)
    }
    oracle = {world: information_bound(world.joint, world.log_ratio, 64) for world in (SKEWED, BALANCED)}
    assert bounds["log_dot", BALANCED] == pytest.approx(oracle[BALANCED], abs=1e-12)
    assert bounds["log_dot_prior", SKEWED] == pytest.approx(oracle[SKEWED], abs=1e-12)
    assert bounds["log_dot", SKEWED] < oracle[SKEWED] - 0.03
    for name, world in itertools.product(BOUNDED, (SKEWED, BALANCED)):
        assert bounds[name, world] < min(bounds["log_dot", world], oracle[world]) - 0.03


@pytest.mark.parametrize("name", BOUNDED)
@pytest.mark.parametrize("n", [2, 64, 10**6])
def test_a_critic_of_a_narrow_range_certifies_little_however_much_there_is(name, n):
    world = FiniteWorld(np.full(50, 0.02), np.eye(50))  # fifty clusters that the views agree on
    scores, spread = world.critic(name), BOUNDED[name]
    assert np.ptp(scores) == pytest.approx(spread, abs=1e-12)
    most = math.log(n) - math.log1p((n - 1) * math.exp(-spread))
    assert information_bound(world.joint, scores, n) <= most < spread
    assert information_bound(world.joint, scores, 10**6) > 0.9 * spread
    assert information_bound(world.joint, world.critic("log_dot"), 10**6) == pytest.approx(math.log(50), abs=1e-4)


def test_smoothing_makes_log_dot_a_bounded_critic():
    k, gamma = 10, 0.01
    one_hot = smoothed(torch.eye(k, dtype=torch.float64).log(), gamma)
    spread = np.ptp(critic_matrix(one_hot, one_hot, "log_dot").numpy())
    floor = gamma * (2 - gamma) / k
    assert spread == pytest.approx(math.log1p((1 - gamma) ** 2 / floor), abs=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_with_many_candidates_the_corrected_contrast_is_temi_and_the_published_one_is_scan_or_more(seed):
    rng = np.random.default_rng(seed)
    joint = rng.dirichlet(np.ones(36)).reshape(6, 6)
    joint = (joint + joint.T) / 2
    probs = torch.from_numpy(rng.dirichlet(np.full(3, 0.5), size=6))
    prior = torch.from_numpy(joint.sum(0)) @ probs
    pair = torch.from_numpy(joint)

    def limit(name, log_probs):
        scores = critic_matrix(log_probs, log_probs, name, prior).numpy()
        return information_bound(joint, scores, 10**9)

    def mean_over_pairs(loss):
        rows = [loss(probs[x].log()[None], probs[y].log()[None]) for x, y in itertools.product(range(6), repeat=2)]
        return float((pair.flatten() * torch.stack(rows)).sum())

    temi = mean_over_pairs(lambda a, b: temi_loss(a, b, prior=prior, beta=1.0))
    assert limit("log_dot_prior", probs.log()) == pytest.approx(-temi, abs=1e-7)
    agreement = mean_over_pairs(lambda a, b: scan_loss(a, b, entropy_weight=0.0))
    entropy = -float((prior * prior.log()).sum())
    assert limit("log_dot", probs.log()) < entropy - agreement
    with_limit = -agreement - float(torch.from_numpy(joint.sum(1)) @ (probs @ prior).log())
    assert limit("log_dot", probs.log()) == pytest.approx(with_limit, abs=1e-7)
    assert max(limit(name, probs.log()) for name in ("log_dot", "log_dot_prior")) < math.log(3)


@pytest.mark.parametrize("critic", ["log_dot", "log_dot_prior"])
def test_sure_equal_clusters_that_agree_reach_log_k_and_any_departure_less(critic):
    joint, sure = np.eye(6) / 6, torch.eye(3, dtype=torch.float64).repeat_interleave(2, 0)
    unequal, unsure = sure[[0, 1, 2, 3, 4, 0]], 0.999 * sure + 0.001 / 3
    values = []
    for probs in (sure, unequal, unsure):
        scores = critic_matrix(probs.log(), probs.log(), critic, probs.mean(0)).numpy()
        values.append(information_bound(joint, scores, 10**9))
    disagreeing = np.roll(joint, 1, axis=0) / 2 + joint / 2
    scores = critic_matrix(sure.log().clamp_min(-9), sure.log().clamp_min(-9), critic, sure.mean(0)).numpy()
    values.append(information_bound(disagreeing, scores, 10**9))
    assert values[0] == pytest.approx(math.log(3), abs=1e-7)
    assert max(values[1:]) < math.log(3) - 1e-3


@pytest.mark.parametrize("critic", CRITICS)
def test_with_many_pairs_a_batch_comes_to_the_same_as_independent_candidates(critic):
    found = batch_information(SKEWED, critic, 128, n_batches=150)
    expected = information_bound(SKEWED.joint, SKEWED.critic(critic), 255)
    assert abs(found.mean - expected) < 4 * found.standard_error + 1e-3


def one_hot_batch(prior, n):
    """The mean of a batch's estimate on one-hot predictions that agree, from binomial counts of whole pairs."""
    others = np.arange(n)
    loss = sum(p * (binom.pmf(others, n - 1, p) * np.log1p(2 * others)).sum() for p in prior)
    return math.log(2 * n - 1) - loss


@pytest.mark.parametrize("critic", ["log_dot", "log_dot_prior"])
def test_the_mean_of_a_batch_may_lie_above_the_information(critic):
    world = FiniteWorld((0.5, 0.5), np.eye(2))
    exact = one_hot_batch((0.5, 0.5), 8)
    found = batch_information(world, critic, 8, n_batches=1000)
    assert abs(found.mean - exact) < 4 * found.standard_error
    assert exact > math.log(2) + 0.003
    assert information_bound(world.joint, world.critic(critic), 15) < math.log(2) - 0.02


def test_what_is_no_bound_is_refused():
    joint, scores = random_case(0)
    with pytest.raises(ValueError, match=r"matrices of one shape.* got \[3, 3\] and \[2, 3\]"):
        information_bound(joint, scores[:2], 4)
    with pytest.raises(ValueError, match=r"probabilities that sum to one; .* its sum 2"):
        information_bound(2 * joint, scores, 4)
    with pytest.raises(ValueError, match=r"got NaN or infinity"):
        sampled_information_bound(joint, np.full((3, 3), np.nan), 4)
    with pytest.raises(ValueError, match=r"n_candidates must be"):
        information_bound(joint, scores, 1)
