"""The scikit-learn face of the library: thin, validated, no mathematics of its own."""

from paperlib.estimators.entropy_clustering import EntropyClustering
from paperlib.estimators.gemini_clustering import GeminiClustering
from paperlib.estimators.neighbor_clustering import NeighborClustering
from paperlib.estimators.soft_regularized_kmeans import SoftRegularizedKMeans
from paperlib.estimators.sparse_gemini_clustering import SparseGeminiClustering

__all__ = [
    "EntropyClustering",
    "GeminiClustering",
    "NeighborClustering",
    "SoftRegularizedKMeans",
    "SparseGeminiClustering",
]
