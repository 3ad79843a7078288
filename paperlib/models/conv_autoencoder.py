"""The convolutional autoencoder under soft regularised K-means."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import dropout, leaky_relu, mse_loss
from torch.nn.utils import skip_init

from paperlib._checks import check_whole
from paperlib.models._images import Images

_WIDTH = 50  # channels of both convolutions
_NOISE = 0.1  # share of entries that dropout removes before each convolution
_HIDDEN_WEIGHT = 0.1  # weight of the error of each hidden layer


class ConvAutoencoder(nn.Module):
    """Two convolutions of stride 2 and a linear layer to a code between -1 and 1, and their mirror image.

    Leaky ReLU (slope 0.01) after each layer, tanh after the code and after the reconstruction; first weights uniform
    as Glorot and Bengio 2010 have them, no first biases. Dropout before each convolution of the encoder makes it
    noisy while the module is in training mode; its masks come from torch's global generator.

    Source: Jabi et al. (arXiv 1810.04246), whose published code builds the network of DEPICT (Ghasedi Dizaji et al.
    2017). There the kernels and paddings are (4, 5) and (0, 2) for MNIST (28 pixels) and USPS (16), (4, 5) and (2, 2)
    for faces of 32 pixels, (5, 4) and (2, 0) for faces of 55, and the code has one entry a cluster.

    Args:
        latent: number of entries of the code.
        in_channels: 1 for grey images, 3 for colour.
        image_size: side of the images in pixels.
        kernels: sides of the filters of the first and the second convolution.
        paddings: zeros beyond each border before the first and the second convolution.
        generator: CPU generator of the first weights; torch's global one when None.

    Raises:
        ValueError: if a number is no whole number of at least 1 (of at least 0 for a padding), there are not two
            kernels and two paddings, or a filter is larger than what it is applied to.
    """

    def __init__(
        self,
        latent: int,
        *,
        in_channels: int = 1,
        image_size: int = 28,
        kernels: tuple[int, int] = (4, 5),
        paddings: tuple[int, int] = (0, 2),
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        check_whole(latent, "latent")
        self.images = Images(in_channels, image_size)
        if len(kernels) != 2 or len(paddings) != 2:
            raise ValueError(f"kernels and paddings must hold two numbers each, got {kernels!r} and {paddings!r}")
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        channels, side = in_channels, image_size
        for size, padding in zip(kernels, paddings, strict=True):
            check_whole(size, "a kernel"), check_whole(padding, "a padding", least=0)
            room = side + 2 * padding - size
            if room < 0:
                raise ValueError(
                    f"a kernel of {size} is larger than a map of {side} with a padding of {padding}; give smaller "
                    "kernels or larger images"
                )
            self.down.append(skip_init(nn.Conv2d, channels, _WIDTH, size, stride=2, padding=padding))
            # An odd room leaves a last row and column that no filter reaches: output padding brings them back.
            options = {"stride": 2, "padding": padding, "output_padding": room % 2}
            self.up.insert(0, skip_init(nn.ConvTranspose2d, _WIDTH, channels, size, **options))
            channels, side = _WIDTH, room // 2 + 1
        n_hidden = _WIDTH * side**2
        self.to_code = skip_init(nn.Linear, n_hidden, latent)
        self.from_code = nn.Sequential(skip_init(nn.Linear, latent, n_hidden), nn.Unflatten(1, (_WIDTH, side, side)))
        for name, parameter in self.named_parameters():
            if name.endswith("bias"):
                nn.init.zeros_(parameter)
            else:
                nn.init.xavier_uniform_(parameter, generator=generator)

    def encode(self, images: Tensor) -> Tensor:
        """The code of ``images``, noisy in training mode.

        Args:
            images: shape ``[n, in_channels, image_size, image_size]``, or ``[n, image_size, image_size]`` for one
                channel, scaled to lie between -1 and 1.

        Returns:
            Shape ``[n, latent]``, between -1 and 1.

        Raises:
            TypeError: if ``images`` does not hold floating-point numbers.
            ValueError: if it has another shape.
        """
        return self._encode(self.images(images), noisy=self.training)[-1]

    def decode(self, code: Tensor) -> Tensor:
        """Images of a code, shape ``[n, latent]`` to ``[n, in_channels, image_size, image_size]``."""
        return self._decode(code)[-1]

    def forward(self, images: Tensor) -> Tensor:
        """Reconstructions of ``images``, which are taken as by :meth:`encode`."""
        return self.decode(self.encode(images))

    def reconstruction_loss(self, images: Tensor) -> Tensor:
        """Error of the reconstruction and of the two hidden maps on the way to it, a scalar to minimise.

        The decoder starts from the noisy code. Its output is held against the clean images, and its two hidden maps
        against those of the clean encoder: the mean squared error of the images plus 0.1 times that of each map. As in
        the published code, gradients also flow through the clean maps. In evaluation mode there is no noise.

        Cost: two encodings and one decoding in training mode.
        """
        return self.code_and_loss(images)[1]

    def code_and_loss(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """What :meth:`encode` and :meth:`reconstruction_loss` return, for one draw of the noise.

        The published code's loss of the clusters takes this code, the noisy one.
        """
        x = self.images(images)
        *hidden, code = self._encode(x, noisy=self.training)
        if self.training:
            hidden = self._encode(x, noisy=False)[:2]
        second, first, reconstruction = self._decode(code)
        loss = mse_loss(reconstruction, x)
        return code, loss + _HIDDEN_WEIGHT * (mse_loss(first, hidden[0]) + mse_loss(second, hidden[1]))

    def _encode(self, x: Tensor, *, noisy: bool) -> list[Tensor]:
        """The two hidden maps and the code; the first map is the one before the dropout that follows it."""
        maps = []
        for layer in self.down:
            x = leaky_relu(layer(dropout(x, _NOISE, training=noisy)))
            maps.append(x)
        return [*maps, self.to_code(x.flatten(1)).tanh()]

    def _decode(self, code: Tensor) -> list[Tensor]:
        """Maps of the shapes of the encoder's second and first, then the images."""
        second = leaky_relu(self.from_code(code))
        first = leaky_relu(self.up[0](second))
        return [second, first, self.up[1](first).tanh()]
