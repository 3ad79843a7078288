"""Solvers for pseudo-labels: given predictions, the soft targets that are close to them and fair."""

from paperlib.pseudo_labels.em import ExpectationMaximization
from paperlib.pseudo_labels.result import PseudoLabels

__all__ = ["ExpectationMaximization", "PseudoLabels"]
