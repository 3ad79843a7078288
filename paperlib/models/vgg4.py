"""VGG4, the four-layer convolutional network of IIC."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from paperlib._checks import check_whole
from paperlib.models._images import Images


class VGG4(nn.Module):
    """Four convolutions with filters of 5 x 5 (64, 128, 256, 512 maps), max-pooling after the first three, one head.

    Each convolution keeps height and width, has no bias, and is followed by batch normalisation and ReLU.

    Source: the trunk named ClusterNet6c in the authors' code of IIC (Ji, Henriques and Vedaldi, arXiv 1807.06653),
    which Zhang and Boykov (arXiv 2301.11405) call VGG4. First weights as in that code: normal with variance 2 / m in a
    convolution, m being the inputs of one output; normal with standard deviation 0.01 and no bias in the head. IIC
    trains five heads at once: see :class:`paperlib.models.MultiHead`.

    Args:
        n_clusters: :math:`k`.
        in_channels: 1 for grey images, 3 for colour.
        image_size: side of the images in pixels, 24 in the source; three poolings halve it and drop the remainder.
        generator: CPU generator of the first weights; torch's global one when None.

    Attributes:
        features: from images to ``[n, n_features]``.
        head: the linear layer from ``n_features`` to ``k``.
        n_features: entries of the last feature map, 512 * 3 * 3 for images of 24 pixels.

    Raises:
        ValueError: if a number is no whole number of at least 1, or ``image_size`` is below 8.
    """

    def __init__(
        self,
        n_clusters: int,
        *,
        in_channels: int = 1,
        image_size: int = 24,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        check_whole(image_size, "image_size, for three halvings,", least=8)
        layers: list[nn.Module] = [Images(in_channels, image_size)]
        n_in = in_channels
        for n_out in (64, 128, 256, 512):
            layer = nn.utils.skip_init(nn.Conv2d, n_in, n_out, 5, padding=2, bias=False)
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu", generator=generator)
            layers += [layer, nn.BatchNorm2d(n_out), nn.ReLU(inplace=True), nn.MaxPool2d(2)]
            n_in = n_out
        layers[-1] = nn.Flatten()  # no pooling after the last convolution
        self.features = nn.Sequential(*layers)
        self.n_features = n_in * (image_size // 8) ** 2
        self.head = nn.utils.skip_init(nn.Linear, self.n_features, check_whole(n_clusters, "n_clusters"))
        nn.init.normal_(self.head.weight, std=0.01, generator=generator)
        nn.init.zeros_(self.head.bias)

    def forward(self, images: Tensor) -> Tensor:
        """Logits of floating-point images.

        Args:
            images: shape ``[n, in_channels, image_size, image_size]``, or ``[n, image_size, image_size]`` for one
                channel.

        Returns:
            Shape ``[n, k]``.

        Cost: each convolution takes its number of weights times the pixels of its map, an image. The last three take
        about the same, as weights grow fourfold where pixels shrink to a quarter.

        Raises:
            TypeError: if ``images`` does not hold floating-point numbers.
            ValueError: if it has another shape.
        """
        return self.head(self.features(images))
