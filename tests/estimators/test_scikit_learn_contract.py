"""scikit-learn's own estimator checks, with no expected failures."""

import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.estimator_checks import parametrize_with_checks

from paperlib.estimators import (
    EntropyClustering,
    GeminiClustering,
    NeighborClustering,
    SoftRegularizedKMeans,
    SparseGeminiClustering,
)

# The checks fit noise and a handful of samples, where using fewer clusters than asked is right and is warned of.
pytestmark = pytest.mark.filterwarnings(f"ignore::{ConvergenceWarning.__module__}.{ConvergenceWarning.__name__}")

ESTIMATORS = [
    EntropyClustering(n_init=2, max_iter=30),
    EntropyClustering(3, method="self_labeling", n_init=2, max_iter=30),
    EntropyClustering(3, method="collision_self_labeling", n_init=1, max_iter=20),
    EntropyClustering(3, method="mi_adm", n_init=1, max_iter=20, init="continuation"),
    EntropyClustering(3, method="sela", n_init=1, max_iter=20),
    SoftRegularizedKMeans(n_init=2, max_iter=50),
    EntropyClustering(3, init="random", n_init=2, max_iter=30, batch_size=16),
    GeminiClustering(n_init=2, max_iter=50),
    GeminiClustering(3, objective="wasserstein_ovo", batch_size=16, n_init=1, max_iter=5),
    GeminiClustering(3, objective="kl_ova", model="mlp", batch_size=16, n_init=1, max_iter=60, adversarial_weight=0.1),
    GeminiClustering(3, objective="mmd_ovo", model="kernel", kernel="rbf", n_init=1, max_iter=20),
    NeighborClustering(n_heads=2, epochs=5),
    NeighborClustering(3, objective="crlc_prior", metric="euclidean", n_heads=1, epochs=60, batch_size=16),
    SparseGeminiClustering(n_init=1, max_iter=4, learning_rate=0.2),
    SparseGeminiClustering(3, objective="mmd_ovo", model="mlp", batch_size=40, dynamic=True, max_iter=3),
]


@parametrize_with_checks(ESTIMATORS)
def test_scikit_learns_checks_pass(estimator, check):
    check(estimator)
