"""paperlib.experiments.frozen_studies: the samples are as unequal as asked, and the arms differ where they should."""

import numpy as np
import pytest

from paperlib.data import gaussian_blobs
from paperlib.experiments.frozen_features import FrozenFeaturesConfig, Task
from paperlib.experiments.frozen_studies import (
    ARMS,
    FACTORS,
    RATIOS,
    SHARES,
    cluster_halves,
    cluster_into,
    cluster_unbalanced,
    imbalance_cells,
    number_cells,
    price_cells,
    unbalanced,
)

CONFIG = FrozenFeaturesConfig(n_seeds=1, n_init=2)


@pytest.fixture(scope="module")
def blobs():
    data = gaussian_blobs(800, 4, spread=1.0, seed=5)
    return Task("blobs/all", data.x.numpy(), data.y.numpy(), 4)


@pytest.mark.parametrize("ratio", [1, 3, 10])
def test_class_sizes_fall_geometrically_with_the_ratio_asked_for(blobs, ratio):
    kept = unbalanced(blobs.y, ratio, seed=0)
    sizes = np.sort(np.unique(blobs.y[kept], return_counts=True)[1])[::-1]
    np.testing.assert_allclose(sizes, 200 * ratio ** (-np.arange(4) / 3), atol=0.5)
    assert len(set(kept)) == len(kept)


def test_another_seed_draws_other_samples_and_another_order_of_classes(blobs):
    first, again, other = (unbalanced(blobs.y, 10, seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert set(first) != set(other)
    assert len({unbalanced(blobs.y, 10, seed).size for seed in range(4)}) == 1


def test_the_true_prior_helps_where_classes_are_unequal_and_overlap():
    data = gaussian_blobs(2000, 4, spread=3.0, seed=5)
    task = Task("blobs/all", data.x.numpy(), data.y.numpy(), 4)
    uniform, true = (cluster_unbalanced(task, 10, arm, n_init=2, seed=0)[0] for arm in ("uniform prior", "true prior"))
    assert true["accuracy"] > uniform["accuracy"]


def test_each_arm_and_ratio_is_a_cell(blobs):
    cells = list(imbalance_cells(CONFIG, [blobs]))
    assert len({cell.key for cell in cells}) == len(cells) == len(ARMS) * len(RATIOS)
    assert list(imbalance_cells(CONFIG, [Task("mine", blobs.x, None, 4)])) == []


def test_each_number_of_clusters_is_a_cell_of_either_method(blobs):
    cells = list(number_cells(CONFIG, [blobs]))
    assert len({cell.key for cell in cells}) == len(cells) == 2 * len(FACTORS)
    assert {int(cell.method.split()[1]) for cell in cells} == {2, 3, 4, 6, 8}


def test_twice_as_many_clusters_as_classes_are_judged_many_to_one(blobs):
    measured, _ = cluster_into(blobs, "mutual_information", 8, n_init=2, seed=0)
    assert "accuracy" not in measured
    assert measured["many_to_one_accuracy"] > 0.95
    assert cluster_into(blobs, "k-means", 2, n_init=2, seed=0)[0]["many_to_one_accuracy"] == pytest.approx(
        0.5, abs=0.01
    )


def test_models_of_two_halves_agree_on_clear_clusters_and_not_on_noise(blobs):
    assert cluster_halves(blobs, 30, n_init=2, seed=0)[0]["agreement"] > 0.99
    noise = Task("noise", np.random.default_rng(0).standard_normal((400, 10)), None, 4)
    measured, _ = cluster_halves(noise, 30, n_init=1, seed=0)
    assert measured["agreement"] < 0.5
    assert "accuracy" not in measured


def test_each_price_is_a_cell(blobs):
    assert len({cell.key for cell in price_cells(CONFIG, [blobs])}) == len(SHARES)
