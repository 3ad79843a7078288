"""Data: real sets by name, your own images by folder, toy problems by function, frozen features by file.

Each comes as a `Dataset`.

How frozen features are made is in `paperlib.data.features` (images) and `paperlib.data.text_features`. Features of your
own need no loader: any array ``[n, d]`` goes straight into an estimator.
"""

from paperlib.data.dataset import Dataset
from paperlib.data.folder import image_folder
from paperlib.data.frozen import read_features
from paperlib.data.registry import available, load
from paperlib.data.toy import (
    gaussian_blobs,
    gaussians_and_student,
    informative_features,
    scattered_moons,
    two_moons,
    two_strips,
)

__all__ = [
    "Dataset",
    "available",
    "gaussian_blobs",
    "gaussians_and_student",
    "image_folder",
    "informative_features",
    "load",
    "read_features",
    "scattered_moons",
    "two_moons",
    "two_strips",
]
