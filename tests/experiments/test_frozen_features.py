"""paperlib.experiments.frozen_features and frozen_run: the table and its diagnosis on small data."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from paperlib.data import Dataset, gaussian_blobs, load
from paperlib.data.frozen import write_features
from paperlib.estimators import EntropyClustering
from paperlib.experiments import frozen_features, frozen_run, read_rows
from paperlib.experiments.frozen_features import (
    FrozenFeaturesConfig,
    Task,
    cluster,
    diagnosis_cells,
    information_from,
    information_from_kmeans,
    kmeans_from,
    load_task,
    prepare,
    probe,
    table_cells,
)
from paperlib.metrics import clustering_accuracy

CONFIG = FrozenFeaturesConfig(methods=("k-means", "mutual_information", "sela"), n_seeds=2, n_init=2, n_init_more=4)


@pytest.fixture(scope="module")
def blobs():
    data = gaussian_blobs(150, 3, seed=3)
    return Task("blobs/all", data.x.float().numpy(), data.y.numpy(), 3)


@pytest.fixture(scope="module")
def touching():
    """Blobs that touch, so that clusters and classes differ."""
    data = gaussian_blobs(300, 4, spread=4.0, seed=3)
    return Task("touching/all", data.x.numpy(), data.y.numpy(), 4)


def test_the_table_has_every_method_and_seed_and_the_probe(blobs):
    cells = list(table_cells(CONFIG, [blobs]))
    names = [cell.method for cell in cells]
    assert names[::2] == names[1::2]  # two seeds of each
    assert names[::2] == [
        "k-means, 2 starts",
        "mutual_information, 2 starts",
        "sela, 1 starts",
        "k-means, 4 starts",
        "mutual_information, 4 starts",
        frozen_features.PROBE,
    ]
    assert len({cell.key for cell in cells}) == len(cells)


def test_more_starts_are_run_only_where_they_are_more(blobs):
    same = replace(CONFIG, n_init_more=CONFIG.n_init)
    assert len(list(table_cells(CONFIG, [blobs]))) - len(list(table_cells(same, [blobs]))) == 4


def test_a_cell_measures_what_the_estimator_finds(blobs):
    measured, _ = cluster(blobs, "mutual_information", n_init=2, seed=1)
    model = EntropyClustering(3, n_init=2, random_state=1).fit(blobs.x)
    assert measured["loss"] == pytest.approx(model.loss_)
    assert measured["start_loss_spread"] == pytest.approx(model.start_losses_.std(), abs=1e-6)
    assert measured["accuracy"] == clustering_accuracy(blobs.y, model.labels_)
    assert measured["clusters_used"] == 3


def test_the_same_seed_measures_the_same(touching):
    first, second = (cluster(touching, "self_labeling", n_init=1, seed=5)[0] for _ in range(2))
    assert first == second


@pytest.mark.parametrize("method", frozen_features.OPTIONS)
def test_every_method_of_the_table_solves_blobs(blobs, method):
    assert cluster(blobs, method, n_init=2, seed=0)[0]["accuracy"] > 0.95


def test_own_features_need_no_labels(blobs):
    mine = Task("mine", blobs.x, None, 3)
    cells = list(table_cells(CONFIG, [mine]))
    assert frozen_features.PROBE not in {cell.method for cell in cells}
    assert {row.metric for row in cells[0].run()} == {"loss", "clusters_used"}
    assert list(diagnosis_cells(CONFIG, [mine])) == []


def test_the_probe_is_judged_on_samples_that_it_was_not_trained_on(touching):
    random = np.random.default_rng(0)
    noise = Task("noise", random.standard_normal((200, 50)), random.integers(2, size=200), 2)
    assert probe(noise, seed=0)[0]["accuracy"] < 0.65  # trained on all, it would be near one
    assert probe(touching, seed=0)[0]["accuracy"] > 0.5


def test_the_labels_own_k_means_loss_is_the_scatter_about_the_class_means(touching):
    measured, _ = kmeans_from(touching, touching.y)
    means = np.array([touching.x[touching.y == label].mean(0) for label in touching.y])
    assert measured["loss_of_start"] == pytest.approx(np.square(touching.x - means).sum(1).mean())
    assert measured["loss"] < measured["loss_of_start"]


def test_descent_from_the_labels_lowers_the_information_loss(touching):
    measured, _ = information_from(touching, touching.y)
    assert measured["loss"] < measured["loss_of_start"]


def test_where_clusters_are_clear_descent_from_k_means_ends_where_the_estimator_does(blobs):
    measured, _ = information_from_kmeans(blobs, n_init=2, seed=0)
    assert measured["loss"] == pytest.approx(
        cluster(blobs, "mutual_information", n_init=2, seed=0)[0]["loss"], rel=1e-4
    )


def test_prepared_rows_are_principal_components_of_rows_of_unit_length():
    random = torch.Generator().manual_seed(0)
    data = Dataset(
        1 + torch.rand(40, 3, 2, generator=random), torch.arange(40) % 4, "pictures", "none", "none", "train"
    )
    task = prepare(data, 40)
    rows = data.x.flatten(1).double().numpy()
    expected = PCA(6).fit_transform(rows / np.linalg.norm(rows, axis=1, keepdims=True))
    np.testing.assert_allclose(np.abs(task.x), np.abs(expected), atol=1e-5)
    assert (task.name, task.n_clusters) == ("pictures/train", 4)


def test_a_set_that_is_too_large_is_drawn_once_and_for_all():
    first, second = (load_task("digits", max_samples=100) for _ in range(2))
    assert first.name == "digits/all, 100 drawn"
    np.testing.assert_array_equal(first.x, second.x)
    assert len(np.unique(first.y)) == 10


def test_the_shipped_features_are_taken_as_they_are():
    task = load_task("fashion_mnist_mobilenet_v2", max_samples=10_000)
    np.testing.assert_array_equal(task.x, load("fashion_mnist_mobilenet_v2").x)


def test_the_file_of_bbc_news_is_read(tmp_path):
    x, y = np.random.default_rng(0).standard_normal((10, 4)), np.arange(10) % 2
    names = {"name": "bbc_news_minilm", "source": "none", "license": "none"}
    path = write_features(tmp_path / "z.npz", {"x_train": x, "y_train": y, "x_test": x, "y_test": y}, names)
    task = load_task("bbc_news_minilm", max_samples=100, bbc_news=path)
    assert (task.name, task.x.shape) == ("bbc_news_minilm/all", (20, 4))


def test_unknown_data_and_a_missing_file_are_refused():
    with pytest.raises(ValueError, match="dataset 'imagenet' is unknown; choose one of digits, mnist"):
        load_task("imagenet", max_samples=10)
    with pytest.raises(ValueError, match="bbc_news_minilm needs the file that `paperlib features bbc_news` makes"):
        load_task("bbc_news_minilm", max_samples=10)


def test_data_without_labels_are_refused_by_name():
    with pytest.raises(ValueError, match="plain has no labels to judge a clustering by"):
        prepare(Dataset(torch.zeros(4, 2), None, "plain", "none", "none"), 10)


def test_the_command_measures_what_is_missing_and_nothing_twice(tmp_path, capsys):
    path = tmp_path / "rows.csv"
    command = ["--out", str(path), "--size", "smoke", "--datasets", "digits", "--methods", "k-means"]
    frozen_run.main([*command, "--parts", "table"])
    content = path.read_bytes()
    rows = read_rows(path)
    assert {row.method for row in rows} == {"k-means, 3 starts", "k-means, 10 starts", frozen_features.PROBE}
    assert {row.dataset for row in rows} == {"digits/all, 600 drawn"}
    frozen_run.main([*command, "--parts", "table"])
    assert path.read_bytes() == content
