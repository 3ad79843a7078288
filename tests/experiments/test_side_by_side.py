"""paperlib.experiments.side_by_side, its tables and its command, on small data."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score

from paperlib.data import gaussian_blobs
from paperlib.experiments import read_rows, side_by_side_run
from paperlib.experiments.frozen_features import PROBE, Task
from paperlib.experiments.results import Row, write_rows
from paperlib.experiments.side_by_side import (
    AGREEMENT,
    METHODS,
    TABLE,
    Labellings,
    SideBySideConfig,
    agreement_with,
    cells,
    label,
)
from paperlib.experiments.side_by_side_tables import (
    CLASSES,
    agreement_matrix,
    from_pixels,
    shares,
    similar_together,
)

THREE = ("K-means", "mutual information", "SCAN")
STAMP = {"seconds": 1.0, "peak_memory": 1.0, "device": "cpu", "versions": "none", "commit": "none"}


@pytest.fixture(scope="module")
def blobs():
    data = gaussian_blobs(60, 3, seed=3)
    return Task("blobs/all", data.x.float().numpy(), data.y.numpy(), 3)


@pytest.fixture(scope="module")
def touching():
    """Blobs that touch, so that seeds and methods differ."""
    data = gaussian_blobs(200, 6, spread=4.0, seed=3)
    return Task("touching/all", data.x.float().numpy(), data.y.numpy(), 6)


@pytest.fixture(scope="module")
def rows(touching):
    return [row for cell in cells(SideBySideConfig(methods=THREE, n_seeds=3), [touching]) for row in cell.run()]


@pytest.mark.parametrize("method", METHODS)
def test_every_method_labels_every_sample_and_uses_no_cluster_that_is_not_there(blobs, method):
    labels = label(blobs, method, 0, max_starts=1)
    assert labels.shape == (60,)
    assert set(np.unique(labels)) <= {0, 1, 2}
    assert adjusted_rand_score(blobs.y, labels) > (0.3 if "Wasserstein" in method else 0.5)


def test_k_means_is_that_of_scikit_learn_and_has_ten_starts_unless_told_fewer(touching):
    for starts, told in ((10, None), (10, 20), (2, 2)):
        expected = KMeans(6, n_init=starts, random_state=4).fit_predict(touching.x)
        assert np.array_equal(label(touching, "K-means", 4, told), expected)


def test_unit_rows_do_not_see_how_long_a_row_is(touching):
    lengths = np.random.default_rng(0).uniform(0.5, 2, size=(200, 1)).astype(np.float32)
    longer = replace(touching, x=touching.x * lengths)
    one, other = (label(task, "K-means, unit rows", 0) for task in (touching, longer))
    assert adjusted_rand_score(one, other) > 0.99
    assert adjusted_rand_score(label(longer, "K-means", 0), other) < 0.99


def test_the_table_has_every_method_and_seed_and_the_probe_and_then_the_pairs(touching):
    config = SideBySideConfig(methods=THREE, n_seeds=3)
    found = list(cells(config, [touching, replace(touching, name="no labels/all", y=None)]))
    assert len({cell.key for cell in found}) == len(found)
    assert sum(cell.method == PROBE for cell in found) == 3
    assert [cell.table for cell in found[:12]] == [TABLE] * 12
    assert [cell.method for cell in found[12:21]] == list(THREE) * 3


def test_agreement_is_the_mean_over_the_other_seeds(touching, rows):
    labels = {(method, seed): label(touching, method, seed, 1) for method in THREE for seed in range(3)}
    found = {(row.method, row.metric, row.seed): row.value for row in rows if row.table == AGREEMENT}
    assert len(found) == 3 * (1 + 2 + 3)
    for (method, metric, seed), value in found.items():
        other = metric.removeprefix("agreement with ")
        pairs = [adjusted_rand_score(labels[method, seed], labels[other, t]) for t in range(3) if t != seed]
        assert value == pytest.approx(sum(pairs) / 2, abs=1e-12)


def test_the_matrix_is_symmetric_and_ends_with_the_classes(touching, rows):
    matrix = agreement_matrix(rows, touching.name, THREE)
    assert matrix.shape == (4, 4)
    assert np.array_equal(matrix, matrix.T)
    assert matrix[3, 3] == 1
    kmeans = [row.value for row in rows if (row.table, row.method, row.metric) == (TABLE, "K-means", "ari")]
    assert matrix[0, 3] == pytest.approx(np.mean(kmeans))
    # The order of the names is that of the reader.
    assert np.array_equal(agreement_matrix(rows, touching.name, THREE[::-1])[0, 2], matrix[0, 2])


def test_a_pair_that_was_not_measured_is_named(touching, rows):
    with pytest.raises(ValueError, match="agreement of 'SeLa' with 'K-means'"):
        agreement_matrix(rows, touching.name, ("K-means", "SeLa"))


def test_a_share_is_one_for_one_method_that_scatters_and_less_for_two():
    """Two methods of one centre, one of another; scatter multiplies agreement by a factor for each of the two."""
    centres, scatter = np.array([[1.0, 1.0, 0.4], [1.0, 1.0, 0.4], [0.4, 0.4, 1.0]]), np.array([0.9, 0.5, 0.8])
    found = shares(centres * np.outer(scatter, scatter))
    assert np.allclose(found, centres)


def test_chance_above_one_is_no_distance():
    similarity = np.array([[1.0, 1.02, 0.1], [1.02, 1.0, 0.1], [0.1, 0.1, 1.0]])
    assert similar_together(similarity)[1] != 2


def test_like_stands_beside_like():
    agreement = np.full((5, 5), 0.2)
    for i, j in ((0, 3), (1, 4)):
        agreement[i, j] = agreement[j, i] = 0.9
    order = similar_together(agreement)
    assert sorted(order) == list(range(5))
    assert abs(order.index(0) - order.index(3)) == abs(order.index(1) - order.index(4)) == 1


def test_labels_have_no_part_in_a_fit(touching):
    shuffled = replace(touching, y=touching.y[::-1].copy())
    for method in ("self-labelling", "TEMI"):
        assert np.array_equal(label(touching, method, 0, 1), label(shuffled, method, 0, 1))


def test_kept_labels_are_read_and_a_fit_anew_replaces_them(touching, tmp_path):
    first = Labellings(1, tmp_path)
    first.scores(touching, "K-means", 0)
    (file,) = tmp_path.iterdir()
    np.save(file, np.zeros(200, dtype=int))
    again = Labellings(1, tmp_path)
    assert not again.labels(touching, "K-means", 0).any()
    again.scores(touching, "K-means", 0)
    assert again.labels(touching, "K-means", 0).any()
    # Other starts are another run.
    assert Labellings(2, tmp_path).labels(touching, "K-means", 0).any()


def test_fewer_than_two_seeds_or_no_start_are_refused():
    with pytest.raises(ValueError, match="n_seeds"):
        SideBySideConfig(n_seeds=1)
    with pytest.raises(ValueError, match="max_starts"):
        SideBySideConfig(max_starts=0)


def test_runs_from_pixels_are_read_from_the_files_that_are_there(tmp_path):
    assert from_pixels(tmp_path) == []

    def row(table, method, **other):
        columns = {"paper": "none", "dataset": "mnist/test", "size": "laptop", "seed": 0, "metric": "accuracy"}
        return Row(**columns | {"table": table, "method": method, "value": 0.5} | other, **STAMP)

    wanted = [row("contrastive", "crlc"), row("MNIST", "mmd_ova, lenet5, K=10, VAT 1")]
    write_rows(
        tmp_path / "contrastive.csv", [wanted[0], row("critics", "crlc, dot"), row("contrastive", "b", metric="nmi")]
    )
    write_rows(tmp_path / "gemini_images.csv", [wanted[1], row("MNIST", "mmd_ova, lenet5, K=15, VAT 1")])
    assert sorted(from_pixels(tmp_path), key=lambda one: one.table) == sorted(wanted, key=lambda one: one.table)


def test_the_command_measures_what_is_missing_and_nothing_twice(tmp_path):
    out, labels = tmp_path / "rows.csv", tmp_path / "labels"
    command = ["--size", "smoke", "--methods", "K-means", "MMD OvA", "--out", str(out), "--labels", str(labels)]
    side_by_side_run.main(command)
    before = out.read_bytes()
    side_by_side_run.main(command)
    assert out.read_bytes() == before
    found = read_rows(out)
    matrix = agreement_matrix(found, "digits/all, 600 drawn", ("K-means", "MMD OvA"))
    assert 0.3 < matrix[0, 1] < 1
    assert {row.metric for row in found if row.method == "MMD OvA" and row.table == AGREEMENT} == {
        agreement_with("K-means"),
        agreement_with("MMD OvA"),
    }
    assert CLASSES not in {row.method for row in found}
    assert len(list(labels.iterdir())) == 4
