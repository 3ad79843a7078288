"""Models from inputs to logits; a network is a plain ``torch.nn.Module``."""

from paperlib.models.ensemble import TanhEnsemble
from paperlib.models.features import FreeLogits, Standardize
from paperlib.models.lasso_net import LassoNet
from paperlib.models.lenet5 import LeNet5
from paperlib.models.linear import LinearSoftmax, critical_gamma
from paperlib.models.mlp import MLP
from paperlib.models.sparse_linear import SparseLinear

__all__ = [
    "MLP",
    "FreeLogits",
    "LassoNet",
    "LeNet5",
    "LinearSoftmax",
    "SparseLinear",
    "Standardize",
    "TanhEnsemble",
    "critical_gamma",
]
