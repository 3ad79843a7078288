"""The scikit-learn face of the library: thin, validated, no mathematics of its own."""

from paperlib.estimators.entropy_clustering import EntropyClustering

__all__ = ["EntropyClustering"]
