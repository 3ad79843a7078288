"""MobileNetV2 at width 1.0 without its classifier: a frozen extractor of 1280 features an image."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

N_FEATURES = 1280

# Sandler et al. 2018, table 2: expansion t, output channels c, repeats n, stride s of the first of the n blocks.
_STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))


def _convolution(n_in: int, n_out: int, size: int, *, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    padding = size // 2  # keeps the resolution at stride 1
    return [nn.Conv2d(n_in, n_out, size, stride, padding, groups=groups, bias=False), nn.BatchNorm2d(n_out)]


class InvertedResidual(nn.Module):
    """Expand by 1x1, filter each channel by 3x3, project by 1x1 with no non-linearity after it.

    Source: Sandler et al. 2018, table 1 and figure 4; the input is added where stride and width allow it.
    """

    def __init__(self, n_in: int, n_out: int, *, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = n_in * expansion
        expand = [*_convolution(n_in, hidden, 1), nn.ReLU6(inplace=True)] if expansion > 1 else []
        depthwise = [*_convolution(hidden, hidden, 3, stride=stride, groups=hidden), nn.ReLU6(inplace=True)]
        self.conv = nn.Sequential(*expand, *depthwise, *_convolution(hidden, n_out, 1))
        self.is_residual = stride == 1 and n_in == n_out

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[n, n_in, h, w]`` to ``[n, n_out, h / stride, w / stride]``."""
        return x + self.conv(x) if self.is_residual else self.conv(x)


class MobileNetV2(nn.Module):
    """MobileNetV2 x1.0 up to the global average pooling.

    Source: Sandler, Howard, Zhu, Zhmoginov and Chen, MobileNetV2: Inverted Residuals and Linear Bottlenecks,
    CVPR 2018, table 2.
    """

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Sequential(*_convolution(3, 32, 3, stride=2), nn.ReLU6(inplace=True))]
        n_in = 32
        for expansion, n_out, repeats, first_stride in _STAGES:
            for repeat in range(repeats):
                stride = first_stride if repeat == 0 else 1
                layers.append(InvertedResidual(n_in, n_out, stride=stride, expansion=expansion))
                n_in = n_out
        layers.append(nn.Sequential(*_convolution(n_in, N_FEATURES, 1), nn.ReLU6(inplace=True)))
        self.features = nn.Sequential(*layers)

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Tensor]) -> MobileNetV2:
        """Frozen network in evaluation mode that holds the weights ``state``.

        Raises:
            ValueError: if a key is missing, not known, or holds a tensor of the wrong shape.
        """
        model = cls()
        expected = model.state_dict()
        missing, unknown = sorted(expected.keys() - state.keys()), sorted(state.keys() - expected.keys())
        misshapen = [
            f"{key} {list(state[key].shape)} instead of {list(value.shape)}"
            for key, value in expected.items()
            if key in state and state[key].shape != value.shape
        ]
        faults = {"missing keys": missing, "unknown keys": unknown, "wrong shapes": misshapen}
        if any(faults.values()):
            found = "; ".join(f"{len(keys)} {what}: {', '.join(keys[:3])}" for what, keys in faults.items() if keys)
            raise ValueError(
                f"these are not weights of a headless MobileNetV2 x1.0 ({found}); a state dict with the "
                f"{len(expected)} keys of MobileNetV2().state_dict() is needed"
            )
        model.load_state_dict(state)
        return model.eval().requires_grad_(False)

    def forward(self, images: Tensor) -> Tensor:
        """Features of normalised RGB images.

        Args:
            images: shape ``[n, 3, h, w]``, sides of at least 32 pixels (the network halves them five times).

        Returns:
            Means over the last feature map, shape ``[n, 1280]``, between 0 and 6 (after ReLU6).

        Raises:
            ValueError: if ``images`` has another shape.
        """
        if images.ndim != 4 or images.shape[1] != 3 or min(images.shape[2:]) < 32:
            raise ValueError(f"images has shape {list(images.shape)}; [n, 3, h, w] with h and w >= 32 is needed")
        return torch.mean(self.features(images), dim=(2, 3))
