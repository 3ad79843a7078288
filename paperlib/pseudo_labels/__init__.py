"""Solvers for pseudo-labels: given predictions, the soft targets that are close to them and fair."""

from paperlib.pseudo_labels.alternating_direction import AlternatingDirection, ClosedFormAlternatingDirection
from paperlib.pseudo_labels.dual_newton import DualNewton
from paperlib.pseudo_labels.em import ExpectationMaximization
from paperlib.pseudo_labels.projected_gradient import ProjectedGradient
from paperlib.pseudo_labels.result import PseudoLabels
from paperlib.pseudo_labels.sinkhorn import Sinkhorn

__all__ = [
    "AlternatingDirection",
    "ClosedFormAlternatingDirection",
    "DualNewton",
    "ExpectationMaximization",
    "ProjectedGradient",
    "PseudoLabels",
    "Sinkhorn",
]
