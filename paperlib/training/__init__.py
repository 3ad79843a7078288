"""How objectives are optimised: full batch (L-BFGS) and mini-batch (Adam); any model, any objective, any device."""

from paperlib.training.full_batch import minimize_full_batch
from paperlib.training.gemini_objective import Gemini, VirtualAdversarial
from paperlib.training.mini_batch import minimize_mini_batch
from paperlib.training.objectives import (
    MutualInformation,
    Objective,
    PseudoLabelSolver,
    SelfLabeling,
    pseudo_label_loss,
)
from paperlib.training.result import TrainingResult
from paperlib.training.sparse_path import SparseModel, SparseStep, sparse_path, sparsest_step

__all__ = [
    "Gemini",
    "MutualInformation",
    "Objective",
    "PseudoLabelSolver",
    "SelfLabeling",
    "SparseModel",
    "SparseStep",
    "TrainingResult",
    "VirtualAdversarial",
    "minimize_full_batch",
    "minimize_mini_batch",
    "pseudo_label_loss",
    "sparse_path",
    "sparsest_step",
]
