"""The first layer of a network for images: what does not fit is refused there."""

from __future__ import annotations

from torch import Tensor, nn

from paperlib._checks import check_whole


class Images(nn.Module):
    """Give floating-point images the shape ``[n, in_channels, h, w]``, and refuse others.

    It holds no parameters, and stands first in a trunk so that the trunk alone takes what the network takes.

    Args:
        in_channels: 1 for grey images, whose channel axis may be left out; 3 for colour.
        image_size: the side in pixels; any size when None.

    Raises:
        ValueError: if a number is no whole number of at least 1.
    """

    def __init__(self, in_channels: int, image_size: int | None = None) -> None:
        super().__init__()
        self.in_channels = check_whole(in_channels, "in_channels")
        self.image_size = None if image_size is None else check_whole(image_size, "image_size")

    def forward(self, images: Tensor) -> Tensor:
        """Map ``[n, in_channels, h, w]``, or ``[n, h, w]`` for one channel, to ``[n, in_channels, h, w]``.

        Raises:
            TypeError: if ``images`` does not hold floating-point numbers.
            ValueError: if it has another shape.
        """
        if not images.is_floating_point():
            raise TypeError(
                f"images must hold floating-point numbers, got {images.dtype}; bytes from 0 to 255 become such by "
                "images.float() / 255"
            )
        x = images.unsqueeze(1) if images.ndim == 3 else images
        side = self.image_size
        if x.ndim != 4 or x.shape[1] != self.in_channels or (side is not None and x.shape[2:] != (side, side)):
            height, width = ("h", "w") if side is None else (side, side)
            raise ValueError(
                f"images has shape {list(images.shape)}; [n, {self.in_channels}, {height}, {width}] is needed: resize "
                "or pad the images, or make the network with other in_channels"
                + ("" if side is None else " or image_size")
            )
        return x

    def extra_repr(self) -> str:
        """What torch prints of this layer."""
        return f"in_channels={self.in_channels}, image_size={self.image_size}"
