"""The quickstart experiment at a small size."""

import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans

from paperlib.data import Dataset, gaussian_blobs
from paperlib.experiments import quickstart
from paperlib.metrics import clustering_accuracy


@pytest.fixture
def blobs(monkeypatch):
    parts = {split: gaussian_blobs(150, 3, spread=1.0, seed=3) for split in ("train", "test")}
    monkeypatch.setattr(quickstart, "load", lambda name, split: parts[split])
    return parts


def test_every_method_seed_split_and_metric_is_a_row(blobs):
    config = quickstart.QuickstartConfig(
        n_seeds=2, n_init=1, methods=("k-means", "mutual_information", "self_labeling")
    )
    rows = list(quickstart.run(config))
    keys = {(row.method, row.seed, row.dataset, row.metric) for row in rows}
    assert len(keys) == len(rows) == 3 * 2 * (2 + 2 * len(quickstart.METRICS))
    assert {row.seed for row in rows} == {0, 1}
    assert all(row.seconds > 0 for row in rows)


def test_the_numbers_are_those_of_the_fitted_model(blobs):
    rows = list(quickstart.run(quickstart.QuickstartConfig(n_seeds=1, n_init=2, methods=("k-means",))))
    found = {(row.dataset.split("/")[1], row.metric): row.value for row in rows}
    x, y = np.asarray(blobs["train"].x), blobs["train"].y
    model = KMeans(3, n_init=2, random_state=0).fit(x)
    assert found["train", "loss"] == pytest.approx(model.inertia_ / len(x))
    assert found["test", "accuracy"] == clustering_accuracy(y, model.predict(x))
    assert found["train", "clusters_used"] == 3


def test_data_without_labels_are_refused(monkeypatch):
    unlabelled = Dataset(torch.zeros(4, 2), None, name="plain", source="none", license="none", split="train")
    monkeypatch.setattr(quickstart, "load", lambda name, split: unlabelled)
    with pytest.raises(ValueError, match="has no labels to judge a clustering by"):
        next(quickstart.run(quickstart.QuickstartConfig()))
