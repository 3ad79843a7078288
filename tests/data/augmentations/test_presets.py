"""Ready-made chains: what is in them, and what comes out."""

import pytest
import torch

from paperlib.data.augmentations import (
    Augmentation,
    ColorJitter,
    Compose,
    CropOfSizes,
    Cutout,
    RandomAffine,
    RandomApply,
    RandomCrop,
    RandomGrayscale,
    RandomHorizontalFlip,
    RandomResizedCrop,
    digits,
    iic_mnist,
    simclr,
    strong,
    weak,
)


def test_each_preset_is_the_chain_that_its_source_describes():
    jitter = RandomApply(ColorJitter(0.4, 0.4, 0.4, 0.1), 0.8)
    colours = Compose(RandomResizedCrop(32, (0.2, 1.0)), RandomHorizontalFlip(0.5), jitter, RandomGrayscale(0.2))
    assert digits() == Compose(RandomAffine(15.0, 0.1, (0.85, 1.15), 10.0))
    assert iic_mnist() == Compose(
        RandomApply(RandomAffine(25.0), 0.5), CropOfSizes((16, 20, 24), 24), ColorJitter(0.4, 0.4)
    )
    assert simclr(32) == colours
    assert strong(32) == Compose(colours, Cutout(16))
    assert weak(32) == Compose(RandomCrop(32, 4), RandomHorizontalFlip(0.5))


def test_every_number_can_be_changed():
    assert digits(degrees=1, translate=0.2, scale=(1, 2), shear=3, isotropic=False) == Compose(
        RandomAffine(1, 0.2, (1, 2), 3, isotropic=False)
    )
    assert iic_mnist(degrees=5, rotated=1, sides=(8,), size=9, jitter=0) == Compose(
        RandomApply(RandomAffine(5), 1), CropOfSizes((8,), 9), ColorJitter(0, 0)
    )
    assert simclr(8, scale=(0.5, 1), jitter=(0, 0, 0, 0.2), jittered=0.1, grey=0.3) == Compose(
        RandomResizedCrop(8, (0.5, 1)),
        RandomHorizontalFlip(),
        RandomApply(ColorJitter(hue=0.2), 0.1),
        RandomGrayscale(0.3),
    )
    assert strong(8, hole=3, scale=(0.5, 1)) == Compose(simclr(8, scale=(0.5, 1)), Cutout(3))
    assert weak(8, padding=1) == Compose(RandomCrop(8, 1), RandomHorizontalFlip())


@pytest.mark.parametrize(
    ("preset", "channels", "size"),
    [(digits(), 1, 28), (iic_mnist(), 1, 24), (simclr(20), 3, 20), (strong(20), 3, 20), (weak(24), 3, 24)],
    ids=["digits", "iic_mnist", "simclr", "strong", "weak"],
)
def test_a_preset_gives_two_different_views_within_zero_and_one(preset: Augmentation, channels, size, pictures):
    images, generator = pictures(4, channels, 28, 28).float(), torch.Generator().manual_seed(0)
    first, second = preset(images, generator=generator), preset(images, generator=generator)
    assert first.shape == second.shape == (4, channels, size, size)
    assert not torch.equal(first, second)
    assert first.min() >= 0
    assert first.max() <= 1 + 1e-6
