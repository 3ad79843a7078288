"""A small convolutional network, made to be quick on a CPU."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from paperlib._checks import check_whole
from paperlib.models._images import Images
from paperlib.models._initial import convolution, linear


class ConvNet(nn.Module):
    r"""Blocks of convolution, 2 x 2 max-pooling, batch normalisation and ReLU, then one linear layer.

    The usual order is convolution, batch normalisation, ReLU, pooling. Pooling first leaves a quarter of the entries
    to the two layers after it. ReLU is increasing, so it commutes with a maximum. Batch normalisation is one map
    :math:`x \mapsto a x + b` a channel, which commutes with a maximum if :math:`a \ge 0`. In evaluation, both orders
    are therefore the same function of the same parameters and statistics when no scale is negative (scales start at
    one). For a negative scale the usual order would keep the smallest of four entries, and this one keeps the largest.
    In training the orders differ: here mean and variance are those of the maxima, not of all entries.

    Convolutions keep height and width (zeros beyond the border) and have no bias, which the normalisation would remove.
    First weights are torch's own for these layers.

    Args:
        n_clusters: :math:`k`.
        in_channels: 1 for grey images, 3 for colour.
        image_size: side of the images in pixels; each block halves it and drops the remainder.
        widths: channels after each block.
        kernel_size: side of the filters, odd.
        generator: CPU generator of the first weights; torch's global one when None.

    Attributes:
        features: from images to ``[n, n_features]``.
        head: the linear layer from ``n_features`` to ``k``.
        n_features: entries of the last feature map.

    Raises:
        ValueError: if a number is no whole number of at least 1, ``widths`` is empty, ``kernel_size`` is even, or
            ``image_size`` too small to be halved by each block.
    """

    def __init__(
        self,
        n_clusters: int,
        *,
        in_channels: int = 1,
        image_size: int = 28,
        widths: Sequence[int] = (32, 64, 128),
        kernel_size: int = 3,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        if len(widths) == 0:
            raise ValueError("widths must name the channels of at least one block, got none")
        check_whole(image_size, f"image_size, for {len(widths)} halvings,", least=2 ** len(widths))
        if check_whole(kernel_size, "kernel_size") % 2 == 0:
            raise ValueError(f"kernel_size must be odd, so that height and width are kept, got {kernel_size}")
        layers: list[nn.Module] = [Images(in_channels, image_size)]
        n_in = in_channels
        for n_out in widths:
            check_whole(n_out, "a width in widths")
            layers += [
                convolution(n_in, n_out, kernel_size, generator, padding=kernel_size // 2, bias=False),
                nn.MaxPool2d(2),
                nn.BatchNorm2d(n_out),
                nn.ReLU(inplace=True),
            ]
            n_in = n_out
        self.features = nn.Sequential(*layers, nn.Flatten())
        self.n_features = n_in * (image_size // 2 ** len(widths)) ** 2
        self.head = linear(self.n_features, check_whole(n_clusters, "n_clusters"), generator)

    def forward(self, images: Tensor) -> Tensor:
        """Logits of floating-point images.

        Args:
            images: shape ``[n, in_channels, image_size, image_size]``, or ``[n, image_size, image_size]`` for one
                channel.

        Returns:
            Shape ``[n, k]``.

        Cost: each convolution takes its number of weights times the pixels of its map, an image.

        Raises:
            TypeError: if ``images`` does not hold floating-point numbers.
            ValueError: if it has another shape.
        """
        return self.head(self.features(images))
