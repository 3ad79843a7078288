"""LeNet-5, a small convolutional network for images of 32 x 32 pixels."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from paperlib._checks import check_whole
from paperlib.models._initial import convolution, linear


class LeNet5(nn.Module):
    """Three convolutions with filters of 5 x 5 (6, 16, 120 maps), means over 2 x 2 between them, two linear layers.

    Source: LeCun, Bottou, Bengio and Haffner 1998, as Ohl et al. (arXiv 2210.06300, the authors' code) use it: tanh
    after each layer but the last, plain averages, all maps connected.

    Args:
        n_clusters: :math:`k`.
        in_channels: 1 for grey images, 3 for colour.
        n_features: width of the last hidden layer, 84 in the original; the authors' choice for CIFAR-10 is 250.
        generator: CPU generator of the first weights; torch's global one when None.

    Raises:
        ValueError: if a number is no whole number of at least 1.
    """

    def __init__(
        self,
        n_clusters: int,
        *,
        in_channels: int = 1,
        n_features: int = 84,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.in_channels = check_whole(in_channels, "in_channels")
        self.features = nn.Sequential(
            convolution(self.in_channels, 6, 5, generator),
            nn.Tanh(),
            nn.AvgPool2d(2),
            convolution(6, 16, 5, generator),
            nn.Tanh(),
            nn.AvgPool2d(2),
            convolution(16, 120, 5, generator),
            nn.Tanh(),
            nn.Flatten(),
            linear(120, check_whole(n_features, "n_features"), generator),
            nn.Tanh(),
        )
        self.head = linear(n_features, check_whole(n_clusters, "n_clusters"), generator)

    def forward(self, images: Tensor) -> Tensor:
        """Logits of floating-point images.

        Args:
            images: shape ``[n, in_channels, 32, 32]``, or ``[n, 32, 32]`` for one channel. Smaller images, such as
                MNIST's, are padded before.

        Returns:
            Shape ``[n, k]``.

        Raises:
            ValueError: if ``images`` has another shape.
        """
        x = images.unsqueeze(1) if images.ndim == 3 else images
        if x.ndim != 4 or x.shape[1:] != (self.in_channels, 32, 32):
            raise ValueError(
                f"images has shape {list(images.shape)}; [n, {self.in_channels}, 32, 32] is needed: pad smaller images "
                "with the value of their background"
            )
        return self.head(self.features(x))
