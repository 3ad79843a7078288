"""paperlib.experiments.fits: names, losses and scores are those of the estimators and metrics themselves."""

import numpy as np
import pytest
from sklearn.cluster import KMeans

from paperlib.data import gaussian_blobs
from paperlib.estimators import EntropyClustering, SoftRegularizedKMeans
from paperlib.experiments.fits import clusterer, fit, judge
from paperlib.metrics import clustering_accuracy, normalized_mutual_information

BLOBS = gaussian_blobs(90, 3, seed=1)


@pytest.mark.parametrize(
    ("method", "kind"),
    [("k-means", KMeans), ("soft_regularized_kmeans", SoftRegularizedKMeans), ("self_labeling", EntropyClustering)],
)
def test_a_method_is_found_by_its_name_with_its_arguments(method, kind):
    model = clusterer(method, 3, n_init=4, seed=7)
    assert isinstance(model, kind)
    assert (model.n_clusters, model.n_init, model.random_state) == (3, 4, 7)
    assert getattr(model, "method", method) == method


def test_options_reach_the_estimator():
    assert clusterer("mutual_information", 3, n_init=1, seed=0, fairness_weight=0.5).fairness_weight == 0.5


def test_the_loss_of_k_means_is_the_squared_distance_a_sample():
    found = fit(clusterer("k-means", 3, n_init=2, seed=0), BLOBS.x.numpy())
    x, model = BLOBS.x.numpy(), found.model
    assert found.loss == pytest.approx(np.square(x - model.cluster_centers_[model.labels_]).sum(1).mean())
    assert found.circumstances["seconds"] > 0
    assert found.circumstances["device"] == "cpu"


def test_a_clustering_is_judged_by_the_library_s_metrics():
    labels = np.roll(BLOBS.y.numpy(), 5)
    scores = judge(BLOBS.y, labels)
    assert list(scores) == ["accuracy", "nmi", "ari"]
    assert scores["accuracy"] == clustering_accuracy(BLOBS.y, labels)
    assert scores["nmi"] == normalized_mutual_information(BLOBS.y, labels)
