"""Clustering metrics against brute force, scikit-learn and known edge cases."""

import itertools

import numpy as np
import pytest
import sklearn.metrics
import torch

from paperlib import metrics

TRUE = np.array([0, 0, 0, 1, 1, 2, 2, 2, 2])
PREDICTED = np.array([2, 2, 0, 0, 0, 1, 1, 1, 0])


def best_over_permutations(y_true, y_pred, k):
    return max(
        np.mean([mapping[cluster] == truth for cluster, truth in zip(y_pred, y_true, strict=True)])
        for mapping in itertools.permutations(range(k))
    )


def test_accuracy_is_the_best_over_all_one_to_one_matchings():
    rng = np.random.default_rng(0)
    for _ in range(20):
        y_true, y_pred = rng.integers(4, size=30), rng.integers(4, size=30)
        assert metrics.clustering_accuracy(y_true, y_pred) == pytest.approx(best_over_permutations(y_true, y_pred, 4))


def test_accuracy_does_not_depend_on_the_names_of_clusters():
    renamed = np.array([7, -3, 100])[PREDICTED]
    assert metrics.clustering_accuracy(TRUE, renamed) == metrics.clustering_accuracy(TRUE, PREDICTED)


def test_the_two_mappings_differ_when_there_are_more_clusters_than_classes():
    every_sample_alone = np.arange(len(TRUE))
    assert metrics.clustering_accuracy(TRUE, every_sample_alone) == pytest.approx(3 / 9)
    assert metrics.many_to_one_accuracy(TRUE, every_sample_alone) == 1.0


def test_best_assignment_reaches_the_accuracy():
    matching = metrics.best_assignment(TRUE, PREDICTED)
    reached = np.mean([matching.get(cluster) == truth for cluster, truth in zip(PREDICTED, TRUE, strict=True)])
    assert reached == pytest.approx(metrics.clustering_accuracy(TRUE, PREDICTED))


def test_information_and_rand_index_are_scikit_learns():
    nmi = sklearn.metrics.normalized_mutual_info_score(TRUE, PREDICTED)
    assert metrics.normalized_mutual_information(TRUE, PREDICTED) == nmi
    assert metrics.adjusted_rand_index(TRUE, PREDICTED) == sklearn.metrics.adjusted_rand_score(TRUE, PREDICTED)


def test_two_single_cluster_labelings_agree_completely():
    ones = np.ones(5, dtype=int)
    assert metrics.normalized_mutual_information(ones, ones) == 1.0
    assert metrics.clustering_accuracy(ones, ones) == 1.0


def test_tensors_lists_and_whole_floats_are_labels_too():
    as_tensor, as_floats = torch.from_numpy(PREDICTED), PREDICTED.astype(float)
    expected = metrics.clustering_accuracy(TRUE, PREDICTED)
    assert metrics.clustering_accuracy(TRUE.tolist(), as_tensor) == expected
    assert metrics.clustering_accuracy(TRUE, as_floats) == expected


def test_clusters_used_counts_those_with_samples():
    assert metrics.clusters_used([0, 5, 5, 9]) == 3


@pytest.mark.parametrize(
    ("y_true", "y_pred", "message"),
    [
        ([0, 1], [0], "of one length, got 2 and 1"),
        ([], [], "at least one label"),
        ([[0, 1]], [0, 1], "must be a vector"),
        ([0, 1], [0.5, 1.0], "must hold whole numbers"),
        ([0, 1], ["a", "b"], "must hold whole numbers"),
        ([0, 1], [np.nan, 1.0], "must hold whole numbers"),
        ([0, 1], [np.inf, 1.0], "must hold whole numbers"),
        ([0, 1], [1e300, 1.0], "must hold whole numbers"),
    ],
)
def test_labels_that_are_none_are_refused(y_true, y_pred, message):
    with pytest.raises(ValueError, match=message):
        metrics.clustering_accuracy(y_true, y_pred)
