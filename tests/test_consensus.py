"""Matching clusters, and the mean of several clusterings."""

from itertools import pairwise, permutations

import pytest
import torch

from paperlib.consensus import consensus, match_clusters


def predictions(n=40, k=4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return (3 * torch.randn(n, k, generator=generator, dtype=torch.float64)).softmax(1)


def test_the_match_is_the_best_of_all_orders():
    probs, reference = predictions(seed=1), predictions(seed=2)
    best = max(permutations(range(4)), key=lambda order: float((probs[:, list(order)] * reference).sum()))
    assert torch.equal(match_clusters(probs, reference), probs[:, list(best)])


def test_relabelled_clusters_are_matched_back():
    probs = predictions()
    assert torch.equal(match_clusters(probs[:, [2, 0, 3, 1]], probs), probs)


def test_the_consensus_of_relabelled_copies_is_the_first():
    probs = predictions()
    copies = [probs, probs[:, [3, 2, 1, 0]], probs[:, [1, 0, 2, 3]]]
    assert torch.allclose(consensus(copies), probs, atol=1e-15)


def test_different_failures_outvote_each_other():
    truth = torch.arange(60) % 3
    votes = []
    for failing in range(3):  # each puts another ten samples into the wrong cluster, and names clusters its own way
        labels = truth.clone()
        labels[failing * 10 : failing * 10 + 10] = (truth[failing * 10 : failing * 10 + 10] + 1) % 3
        votes.append(torch.nn.functional.one_hot((labels + failing) % 3, 3).double())
    assert torch.equal(consensus(votes).argmax(1), truth)


def test_a_failure_that_all_share_stays():
    wrong = torch.nn.functional.one_hot(torch.zeros(6, dtype=torch.int64), 3).double()
    assert torch.equal(consensus([wrong, wrong.clone()]), wrong)


def test_a_round_does_not_lower_the_agreement():
    votes = [predictions(seed=seed) for seed in range(5)]
    values = []
    for rounds in (1, 2, 3, 10):
        mean = consensus(votes, n_iterations=rounds)
        values.append(sum(float((match_clusters(one, mean) * mean).sum()) for one in votes))
    assert all(later >= earlier - 1e-12 for earlier, later in pairwise(values))


def test_rows_stay_probabilities():
    mean = consensus([predictions(seed=seed) for seed in range(3)])
    assert torch.allclose(mean.sum(1), torch.ones(40, dtype=torch.float64))


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ([], ValueError, "at least one clustering"),
        ([predictions(), predictions(k=3)], ValueError, r"must have one shape, got \[40, 3\] and \[40, 4\]"),
        ([predictions().long(), predictions().long()], TypeError, "floating-point"),
    ],
)
def test_bad_input_is_refused(given, error, message):
    with pytest.raises(error, match=message):
        consensus(given)
