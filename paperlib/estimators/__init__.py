"""The scikit-learn face of the library: thin, validated, no mathematics of its own."""

from paperlib.estimators.entropy_clustering import EntropyClustering
from paperlib.estimators.soft_regularized_kmeans import SoftRegularizedKMeans

__all__ = ["EntropyClustering", "SoftRegularizedKMeans"]
