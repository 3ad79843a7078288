"""What an augmentation is, and how several become one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from paperlib.data.augmentations._settings import check_probability
from paperlib.data.augmentations.draws import Draws


class Augmentation(ABC):
    """A random change of each image of a batch, on the device where the images are.

    A subclass is a frozen dataclass of settings that writes `apply`. The type of the numbers and the memory format of
    the images are kept; arithmetic on 16-bit images is done in float32. Nothing waits for the device, and no sample
    is looped over. Gradients flow to the images; training loops that do not want them call under ``torch.no_grad``.
    """

    @abstractmethod
    def apply(self, images: Tensor, draws: Draws) -> Tensor:
        """The changed images, with the random numbers from ``draws``; nothing is checked.

        Args:
            images: floating-point, shape ``[b, c, h, w]``.
            draws: for a batch of which these are the local rows, ``len(draws) == b``.

        Returns:
            Shape ``[b, c, h', w']``.
        """

    def __call__(self, images: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """The changed images.

        Args:
            images: floating-point, shape ``[n, c, h, w]``, values nominally from 0 to 1 (this is not verified, since
                that would wait for the device; colour changes clip to it).
            generator: of the random numbers, on any device; the global one of the images' device when None.

        Returns:
            Shape ``[n, c, h', w']``.

        Raises:
            TypeError: if ``images`` is not a floating-point tensor.
            ValueError: if its shape is another one, or does not fit the settings.
        """
        check_images(images)
        return self.apply(images, Draws(len(images), generator, device=images.device))


@dataclass(frozen=True)
class Identity(Augmentation):
    """The images as they are; draws nothing."""

    def apply(self, images: Tensor, draws: Draws) -> Tensor:
        """The images themselves, no copy."""
        return images


@dataclass(frozen=True, init=False)
class Compose(Augmentation):
    """One augmentation after the other, in the order given.

    Args:
        augmentations: any number of them; none at all changes nothing.

    Raises:
        TypeError: if one of them is no `Augmentation`.
    """

    augmentations: tuple[Augmentation, ...]

    def __init__(self, *augmentations: Augmentation) -> None:
        for augmentation in augmentations:
            check_augmentation(augmentation)
        object.__setattr__(self, "augmentations", augmentations)

    def apply(self, images: Tensor, draws: Draws) -> Tensor:
        """The images after all of them."""
        for augmentation in self.augmentations:
            images = augmentation.apply(images, draws)
        return images


@dataclass(frozen=True)
class RandomApply(Augmentation):
    """An augmentation applied to each image with some probability, by a coin of its own.

    Cost: the augmentation of the whole batch, whatever the probability: to pick the chosen images out would wait for
    the device, and the numbers drawn would depend on the coins.

    Args:
        augmentation: must leave the size of the images as it is.
        probability: of each image to be changed.

    Raises:
        TypeError: if ``augmentation`` is no `Augmentation`.
        ValueError: if ``probability`` is outside ``[0, 1]``; on use, if the size of the images changes.
    """

    augmentation: Augmentation
    probability: float = 0.5

    def __post_init__(self) -> None:
        check_augmentation(self.augmentation)
        check_probability(self.probability, "probability")

    def apply(self, images: Tensor, draws: Draws) -> Tensor:
        """The images, some of them changed; shape as given."""
        chosen = draws.coin(self.probability)
        changed = self.augmentation.apply(images, draws)
        if changed.shape != images.shape:
            raise ValueError(
                f"augmentation must keep the shape {list(images.shape)}, got {list(changed.shape)}; images that are "
                "changed and images that are not share a batch, so apply it to all, or resize first"
            )
        return torch.where(chosen[:, None, None, None], changed, images)


def check_augmentation(augmentation: Augmentation) -> None:
    """Refuse what is no augmentation.

    Raises:
        TypeError: if it is none.
    """
    if not isinstance(augmentation, Augmentation):
        raise TypeError(
            f"expected an Augmentation, got {augmentation!r}; give each as an argument of its own, "
            "such as Compose(RandomHorizontalFlip(), RandomCrop(32, padding=4))"
        )


def check_images(images: Tensor) -> None:
    """Refuse what is no batch of floating-point images.

    Raises:
        TypeError: if it is not a floating-point tensor.
        ValueError: if its shape is not ``[n, c, h, w]``, each at least one.
    """
    if not isinstance(images, Tensor):
        raise TypeError(f"images must be a torch tensor, got {type(images).__name__}; use torch.as_tensor")
    if not images.is_floating_point():
        raise TypeError(
            f"images must hold floating-point numbers from 0 to 1, got {images.dtype}; scale uint8 by 1/255"
        )
    if images.ndim != 4 or 0 in images.shape:
        raise ValueError(
            f"images must have shape [n, c, h, w], each at least 1, got {list(images.shape)}; add a channel axis to "
            "grey images [n, h, w] by images[:, None], a sample axis to one image [c, h, w] by images[None]"
        )


def wide(images: Tensor) -> Tensor:
    """The images in the type to compute in: float64 as given, all others float32."""
    return images if images.dtype == torch.float64 else images.float()


def as_given(result: Tensor, images: Tensor) -> Tensor:
    """``result`` with the type of the numbers and the memory format of ``images``; no copy where it has both."""
    last = images.is_contiguous(memory_format=torch.channels_last) and not images.is_contiguous()
    return result.to(images.dtype).contiguous(memory_format=torch.channels_last if last else torch.contiguous_format)
