"""Models from inputs to logits; a network is a plain ``torch.nn.Module``."""

from paperlib.models.contrastive_network import ContrastiveNetwork
from paperlib.models.conv_autoencoder import ConvAutoencoder
from paperlib.models.conv_net import ConvNet
from paperlib.models.ensemble import TanhEnsemble
from paperlib.models.features import FreeLogits, Standardize
from paperlib.models.heads import MultiHead
from paperlib.models.lasso_net import LassoNet
from paperlib.models.lenet5 import LeNet5
from paperlib.models.linear import LinearSoftmax, critical_gamma
from paperlib.models.mlp import MLP
from paperlib.models.resnet import ResNet, load_trunk, resnet18, resnet34
from paperlib.models.sparse_linear import SparseLinear
from paperlib.models.vgg4 import VGG4
from paperlib.models.vision import torchvision_model

__all__ = [
    "MLP",
    "VGG4",
    "ContrastiveNetwork",
    "ConvAutoencoder",
    "ConvNet",
    "FreeLogits",
    "LassoNet",
    "LeNet5",
    "LinearSoftmax",
    "MultiHead",
    "ResNet",
    "SparseLinear",
    "Standardize",
    "TanhEnsemble",
    "critical_gamma",
    "load_trunk",
    "resnet18",
    "resnet34",
    "torchvision_model",
]
