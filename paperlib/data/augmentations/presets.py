"""Chains of augmentations with the settings of papers; every number is an argument.

None of them normalises: append `Normalize`, as in ``Compose(simclr(32), Normalize(mean, std))``.
"""

from __future__ import annotations

from collections.abc import Sequence

from paperlib.data.augmentations._settings import Range
from paperlib.data.augmentations.affine import RandomAffine
from paperlib.data.augmentations.base import Compose, RandomApply
from paperlib.data.augmentations.color import ColorJitter, RandomGrayscale
from paperlib.data.augmentations.crop import CropOfSizes, RandomCrop, RandomResizedCrop
from paperlib.data.augmentations.cutout import Cutout
from paperlib.data.augmentations.flip import RandomHorizontalFlip


def digits(
    *,
    degrees: float = 15.0,
    translate: float = 0.1,
    scale: Range = (0.85, 1.15),
    shear: float = 10.0,
    isotropic: bool = True,
) -> Compose:
    """For written digits: one small affine map, which leaves a digit the digit that it is. No mirror image.

    Source: none; these numbers are this library's.

    Args:
        degrees: of `RandomAffine`, as are all others.
        translate: largest shift as a share of the side.
        scale: range of the factors.
        shear: largest shear in degrees.
        isotropic: one factor for both axes.
    """
    return Compose(RandomAffine(degrees, translate, scale, shear, isotropic=isotropic))


def iic_mnist(
    *,
    degrees: float = 25.0,
    rotated: float = 0.5,
    sides: Sequence[int] = (16, 20, 24),
    size: int = 24,
    jitter: float = 0.4,
) -> Compose:
    """IIC's changed view of MNIST: half of the images rotated, crops of several sides resized to one, then jitter.

    The other view of IIC's pair is not changed but for its crop, ``CropOfSizes((20,), 24)``, every second time taken
    from the middle. The authors' jitter has saturation and hue as well, which do nothing to grey images.

    Source: Ji, Henriques and Vedaldi 2019 (IIC, arXiv 1807.06653), and the settings of the authors' code.

    Args:
        degrees: largest rotation either way.
        rotated: probability of a rotation.
        sides: sides of the crops.
        size: side of the result.
        jitter: largest relative change of brightness, and of contrast.
    """
    rotation = RandomApply(RandomAffine(degrees), rotated)
    return Compose(rotation, CropOfSizes(sides, size), ColorJitter(jitter, jitter))


def simclr(
    size: int,
    *,
    scale: Range = (0.2, 1.0),
    jitter: Sequence[float] = (0.4, 0.4, 0.4, 0.1),
    jittered: float = 0.8,
    grey: float = 0.2,
) -> Compose:
    """SimCLR's view of small colour images: resized crop, mirror image, jitter, and sometimes no colour.

    Source: Chen, Kornblith, Norouzi and Hinton 2020 (SimCLR, arXiv 2002.05709); the numbers are those that Van
    Gansbeke et al. 2020 (SCAN, arXiv 2005.12320, the authors' code) take for CIFAR-10: half the strength of SimCLR's
    jitter, no blur, and crops from a fifth of the area instead of 0.08. For large images add
    ``RandomApply(GaussianBlur(..), 0.5)``.

    Args:
        size: side of the result.
        scale: range of the crop's share of the area.
        jitter: brightness, contrast, saturation and hue of `ColorJitter`.
        jittered: probability of the jitter.
        grey: probability of losing the colour.
    """
    return Compose(
        RandomResizedCrop(size, scale),
        RandomHorizontalFlip(),
        RandomApply(ColorJitter(*jitter), jittered),
        RandomGrayscale(grey),
    )


def strong(size: int, *, hole: int | None = None, scale: Range = (0.2, 1.0)) -> Compose:
    """A view that hides much, for SCAN's self-labelling step: `simclr`, then one square cut out.

    Source: the idea is that of Van Gansbeke et al. 2020 (SCAN, arXiv 2005.12320), who shift and mirror the image, apply
    four changes of RandAugment and cut out a square (DeVries and Taylor 2017, arXiv 1708.04552). Here SimCLR's changes
    take the place of RandAugment's, and the side of the square is fixed, where their code draws it up to half the
    image. They fill it with the mean, after normalising: for that, put `Cutout` behind `Normalize` yourself.

    Args:
        size: side of the result.
        hole: side of the square; half of ``size`` (rounded down) when None.
        scale: range of the crop's share of the area.
    """
    return Compose(simclr(size, scale=scale), Cutout(size // 2 if hole is None else hole))


def weak(size: int, *, padding: int = 4) -> Compose:
    """A small shift and the mirror image, the usual augmentation of CIFAR.

    Source: He, Zhang, Ren and Sun 2016 (arXiv 1512.03385), section 4.2. SCAN's self-labelling step takes its labels
    from images that are not changed at all, which is `Identity`.

    Args:
        size: side of the result.
        padding: pixels added on each side before the crop.
    """
    return Compose(RandomCrop(size, padding), RandomHorizontalFlip())
