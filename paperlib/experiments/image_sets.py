"""The colour image sets of joint training: what SCAN's authors set for each, and synthetic images of their shape."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch

from paperlib.data import Dataset
from paperlib.experiments.image_splits import ImageSplits
from paperlib.models.resnet import Stem

SetName = Literal["cifar10", "cifar100_20", "stl10"]


@dataclass(frozen=True)
class ImageSet:
    """A set and its settings in the code of Van Gansbeke et al. 2020 (SCAN, arXiv 2005.12320).

    Attributes:
        n_clusters: k, the number of classes.
        side: of an image, in pixels.
        n_train: images of the split that steps 2 and 3 train on.
        n_pretrained: images that step 1 trains on; of STL-10 the unlabelled ones, too.
        stem: of ResNet-18.
        mean: of each channel, subtracted from values between 0 and 1.
        std: of each channel, by which they are divided.
        hole: largest side of what is cut out of a strong view, as a share of the image's.
        scan_epochs: of step 2.
        scan_batch: of step 2.
        label_epochs: of step 3.
        label_batch: of step 3.
    """

    n_clusters: int
    side: int
    n_train: int
    n_pretrained: int
    stem: Stem
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    hole: float
    scan_epochs: int
    scan_batch: int
    label_epochs: int
    label_batch: int = 1000


IMAGE_SETS: dict[SetName, ImageSet] = {
    "cifar10": ImageSet(
        n_clusters=10,
        side=32,
        n_train=50_000,
        n_pretrained=50_000,
        stem="cifar",
        mean=(0.4914, 0.4822, 0.4465),
        std=(0.2023, 0.1994, 0.2010),
        hole=1 / 2,
        scan_epochs=50,
        scan_batch=128,
        label_epochs=200,
    ),
    "cifar100_20": ImageSet(
        n_clusters=20,
        side=32,
        n_train=50_000,
        n_pretrained=50_000,
        stem="cifar",
        mean=(0.5071, 0.4867, 0.4408),
        std=(0.2675, 0.2565, 0.2761),
        hole=1 / 2,
        scan_epochs=100,
        scan_batch=512,
        label_epochs=200,
    ),
    "stl10": ImageSet(
        n_clusters=10,
        side=96,
        n_train=5_000,
        n_pretrained=105_000,
        stem="stl",
        mean=(0.485, 0.456, 0.406),
        std=(0.229, 0.224, 0.225),
        hole=1 / 3,
        scan_epochs=100,
        scan_batch=128,
        label_epochs=100,
    ),
}


def synthetic_images(name: SetName, n_samples: int = 256, *, side: int | None = None, seed: int = 0) -> ImageSplits:
    """Random bytes of the shape of a set's images, with random labels: to take steps on, not to learn from.

    Args:
        name: of the set whose shape they have.
        n_samples: of each split.
        side: other than that of the set, for tests.
        seed: of the bytes.

    Returns:
        Both splits the same, and named so that their rows cannot be taken for the set's.
    """
    given, generator = IMAGE_SETS[name], torch.Generator().manual_seed(seed)
    pixels = side or given.side
    x = torch.randint(256, (n_samples, 3, pixels, pixels), generator=generator, dtype=torch.uint8)
    y = torch.randint(given.n_clusters, (n_samples,), generator=generator)
    data = Dataset(x, y, name=f"synthetic_{name}", source="random bytes", license="none needed")
    return ImageSplits(f"synthetic {name}, {n_samples} images of random bytes", data, data)
