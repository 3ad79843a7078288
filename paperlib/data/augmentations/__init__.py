"""Augmentations: random changes of whole batches of images, on the device where the images are.

Each is a small object of settings, called on images ``[n, c, h, w]``; `Compose` chains them, and `digits`, `iic_mnist`,
`simclr`, `strong` and `weak` are ready-made chains.
"""

from paperlib.data.augmentations.affine import RandomAffine
from paperlib.data.augmentations.base import Augmentation, Compose, Identity, RandomApply
from paperlib.data.augmentations.blur import GaussianBlur
from paperlib.data.augmentations.color import ColorJitter, RandomGrayscale
from paperlib.data.augmentations.crop import CenterCrop, CropOfSizes, RandomCrop, RandomResizedCrop
from paperlib.data.augmentations.cutout import Cutout
from paperlib.data.augmentations.draws import Draws
from paperlib.data.augmentations.flip import RandomHorizontalFlip
from paperlib.data.augmentations.normalize import Normalize
from paperlib.data.augmentations.presets import digits, iic_mnist, simclr, strong, weak

__all__ = [
    "Augmentation",
    "CenterCrop",
    "ColorJitter",
    "Compose",
    "CropOfSizes",
    "Cutout",
    "Draws",
    "GaussianBlur",
    "Identity",
    "Normalize",
    "RandomAffine",
    "RandomApply",
    "RandomCrop",
    "RandomGrayscale",
    "RandomHorizontalFlip",
    "RandomResizedCrop",
    "digits",
    "iic_mnist",
    "simclr",
    "strong",
    "weak",
]
