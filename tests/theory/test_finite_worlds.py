"""Finite worlds by loops, the density ratio as a critic of posteriors, and what one-hot predictions make of it."""

import itertools
import math

import numpy as np
import pytest
import torch
from scipy.special import logsumexp

from paperlib.losses.contrastive import CRITICS, critic_matrix
from paperlib.theory.finite_worlds import SIX_SYMBOLS, FiniteWorld
from paperlib.theory.information_bounds import information_bound

SKEWED, BALANCED = (0.7, 0.2, 0.1), (1 / 3, 1 / 3, 1 / 3)
HARD = np.repeat(np.eye(3), 2, axis=1) / 2  # each cluster has two symbols of its own


def random_world(seed, k=3, m=6):
    rng = np.random.default_rng(seed)
    return FiniteWorld(rng.dirichlet(np.ones(k)), rng.dirichlet(np.ones(m), size=k))


def close(a, b):
    return np.allclose(a, b, rtol=0, atol=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_joint_posteriors_and_information_are_the_sums_of_their_definitions(seed):
    world = random_world(seed)
    information = 0.0
    for x, y in itertools.product(range(6), repeat=2):
        pair = sum(p * row[x] * row[y] for p, row in zip(world.prior, world.emission, strict=True))
        assert world.joint[x, y] == pytest.approx(pair, abs=1e-15)
        information += pair * math.log(pair / world.joint[x].sum() / world.joint[:, y].sum())
        for c in range(3):
            assert world.posteriors[x, c] == pytest.approx(
                world.prior[c] * world.emission[c, x] / world.marginal[x], abs=1e-15
            )
    assert world.information == pytest.approx(information, abs=1e-13)
    assert close(world.joint.sum(0), world.marginal)
    assert close(world.marginal @ world.posteriors, world.prior)


@pytest.mark.parametrize("world", [random_world(0), random_world(1, k=5), FiniteWorld(SKEWED, SIX_SYMBOLS)])
def test_the_density_ratio_is_the_critic_with_the_prior(world):
    assert close(world.critic("log_dot_prior"), world.log_ratio)
    assert world.information == pytest.approx((world.joint * world.critic("log_dot_prior")).sum(), abs=1e-12)


def test_log_dot_is_a_constant_off_where_clusters_are_balanced_and_only_there():
    for prior, spread in ((BALANCED, 0), (SKEWED, 1)):
        world = FiniteWorld(prior, SIX_SYMBOLS)
        off = world.log_ratio - world.critic("log_dot")
        assert (np.ptp(off) > 0.5) == spread
        assert spread or close(off, math.log(3))


def test_pairs_that_never_occur_have_a_ratio_of_minus_infinity_and_add_no_information():
    world = FiniteWorld(SKEWED, HARD)
    assert np.isneginf(world.log_ratio[0, 2])
    assert np.isneginf(world.critic("log_dot_prior")[0, 2])
    assert world.information == pytest.approx(-sum(p * math.log(p) for p in SKEWED), abs=1e-14)


def test_pairs_are_drawn_from_the_joint():
    world = FiniteWorld(SKEWED, SIX_SYMBOLS)
    x, y = world.sample((100, 400), np.random.default_rng(0))
    found = np.bincount(6 * x.ravel() + y.ravel(), minlength=36) / x.size
    error = np.sqrt(world.joint.ravel() * (1 - world.joint.ravel()) / x.size)
    assert (np.abs(found - world.joint.ravel()) < 4 * error).all()
    assert x.shape == (100, 400)


# What the division by the prior does, for predictions of any model


@pytest.mark.parametrize("seed", range(5))
def test_for_any_predictions_the_critic_is_a_normalized_ratio_if_the_prior_is_their_mean_and_only_then(seed):
    rng = np.random.default_rng(seed)
    probs, marginal, wrong = rng.dirichlet(np.ones(3), size=6), rng.dirichlet(np.ones(6)), rng.dirichlet(np.ones(3))
    log_probs = torch.from_numpy(probs).log()
    means = [
        np.exp(critic_matrix(log_probs, log_probs, "log_dot_prior", torch.from_numpy(prior)).numpy()) @ marginal
        for prior in (marginal @ probs, wrong)
    ]
    assert close(means[0], 1)
    assert np.abs(means[1] - 1).max() > 0.01


def test_on_a_one_hot_anchor_the_prior_cancels_in_every_row():
    rng = np.random.default_rng(0)
    anchors, candidates = torch.eye(3, dtype=torch.float64).log(), torch.from_numpy(rng.dirichlet(np.ones(3), 50)).log()
    with_prior = critic_matrix(anchors, candidates, "log_dot_prior", torch.tensor(SKEWED, dtype=torch.float64)).numpy()
    without = critic_matrix(anchors, candidates, "log_dot").numpy()
    assert close(with_prior, without - np.log(SKEWED)[:, None])
    rows = [one - logsumexp(one, axis=1, keepdims=True) for one in (with_prior, without)]
    assert close(*rows), "so every softmax over candidates is the same"


def test_a_soft_anchor_feels_the_prior():
    world = FiniteWorld(SKEWED, SIX_SYMBOLS)
    rows = [world.critic(name) for name in ("log_dot_prior", "log_dot")]
    rows = [one - logsumexp(one, axis=1, keepdims=True) for one in rows]
    assert np.abs(rows[0] - rows[1]).max() > 0.1


def test_hard_clusters_give_both_critics_one_bound_and_it_tends_to_their_entropy():
    world = FiniteWorld(SKEWED, HARD)
    for n in (2, 64, 4096):
        with_prior, without = (
            information_bound(world.joint, world.critic(name), n) for name in ("log_dot_prior", "log_dot")
        )
        assert with_prior == pytest.approx(without, abs=1e-12)
    entropy = -sum(p * math.log(p) for p in SKEWED)
    assert with_prior == pytest.approx(entropy, abs=1e-3)


def test_both_critics_prefer_equal_clusters_to_true_ones_where_the_views_agree_on_either():
    joint = np.eye(10) / 10  # ten symbols; a view is the symbol itself
    true, equal = np.repeat([0, 1, 2], (7, 2, 1)), np.repeat([0, 1, 2], (4, 3, 3))
    bounds = {}
    for name, labels in itertools.product(("log_dot", "log_dot_prior"), (true, equal)):
        probs = torch.eye(3, dtype=torch.float64)[torch.from_numpy(labels)]
        scores = critic_matrix(probs.log(), probs.log(), name, probs.mean(0)).numpy()
        bounds[name, labels[4]] = information_bound(joint, scores, 64)
    assert bounds["log_dot", 0] == pytest.approx(bounds["log_dot_prior", 0], abs=1e-12)
    assert bounds["log_dot", 1] == pytest.approx(bounds["log_dot_prior", 1], abs=1e-12)
    assert bounds["log_dot_prior", 1] > bounds["log_dot_prior", 0] + 0.2


@pytest.mark.parametrize("critic", CRITICS)
def test_relabelling_clusters_changes_no_critic(critic):
    world, order = random_world(3), [2, 0, 1]
    other = FiniteWorld(world.prior[order], world.emission[order])
    assert close(world.critic(critic), other.critic(critic))


def test_what_is_no_world_is_refused():
    with pytest.raises(ValueError, match=r"emission must have rows of probabilities"):
        FiniteWorld((0.5, 0.5), [[0.5, 0.4], [0.5, 0.5]])
    with pytest.raises(ValueError, match=r"prior must have one entry for each of the 2 clusters"):
        FiniteWorld((0.5, 0.3, 0.2), np.full((2, 4), 0.25))
    with pytest.raises(ValueError, match=r"prior must be positive in every entry"):
        FiniteWorld((1.0, 0.0), np.full((2, 4), 0.25))
    with pytest.raises(ValueError, match=r"symbols that no cluster emits, columns \[1\]"):
        FiniteWorld((0.5, 0.5), [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
