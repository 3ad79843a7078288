"""Any folder of images."""

from __future__ import annotations

import os
import struct
import warnings
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from paperlib._checks import check_whole
from paperlib.data.dataset import Dataset

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")


def image_folder(
    path: str | os.PathLike[str], *, size: int, grey: bool = False, license: str = "not stated", progress: bool = True
) -> Dataset:
    """Images of a folder, all brought to one size; its subfolders, where there are any, are the classes.

    Classes are counted from 0 in the order of their folders' names, and images within a class (or within the folder,
    where there are no classes) are in the order of their paths, as strings: ``10.png`` comes before ``2.png``. A class
    may have folders of its own. Names that begin with a dot are passed over, and files whose suffix is not that of an
    image (``paperlib.data.folder.SUFFIXES``). Pillow reads the images (the first frame of an animation), turns them
    upright by their EXIF entry and drops transparency; then the largest centred square is resized with its bicubic
    filter, which averages on the way down. All images are held in memory, each with ``3 * size * size`` bytes, a third
    of that if grey.

    Args:
        path: the folder.
        size: side of the images that come out, in pixels.
        grey: whether to make them grey (ITU-R 601 luma).
        license: the terms the images come under.
        progress: whether to draw a progress bar on standard error.

    Returns:
        Images ``[n, 3, size, size]`` (uint8, RGB) or, with ``grey``, ``[n, size, size]``; labels ``[n]``, or None.

    Raises:
        NotADirectoryError: if ``path`` is no folder.
        ValueError: if ``size`` is no whole number of at least 1; if there are no images, or a class has none, or images
            lie beside the classes; if a file cannot be read, is truncated, or holds grey levels of more than 8 bits.
    """
    check_whole(size, "size")
    folder = Path(path)
    if not folder.is_dir():
        raise NotADirectoryError(f"path={str(path)!r} is no folder; give the folder that holds the images")
    inside = sorted((each for each in folder.iterdir() if not each.name.startswith(".")), key=Path.as_posix)
    classes = [each for each in inside if each.is_dir()]
    beside = [each for each in inside if _is_image(each, folder)]
    if classes and beside:
        raise ValueError(
            f"{folder} holds images ({beside[0].name}) beside folders of classes ({classes[0].name}); "
            "move them into a class, or give a folder without subfolders"
        )
    files, labels = [], []
    for label, parent in enumerate(classes or [folder]):
        found = sorted((each for each in parent.rglob("*") if _is_image(each, folder)), key=Path.as_posix)
        if not found:
            raise ValueError(f"{parent} holds no images ({', '.join(SUFFIXES)}); put some there, or remove it")
        files += found
        labels += [label] * len(found)
    x = np.empty((len(files), *(() if grey else (3,)), size, size), dtype=np.uint8)
    for target, file in zip(x, tqdm(files, desc=folder.name, disable=not progress, leave=False), strict=True):
        target[:] = _read(file, size, grey)
    return Dataset(
        x=torch.from_numpy(x),
        y=torch.tensor(labels) if classes else None,
        name=folder.resolve().name,
        source=str(folder),
        license=license,
    )


def _is_image(file: Path, folder: Path) -> bool:
    """Whether ``file`` is an image by its suffix, and neither it nor a folder on the way from ``folder`` is hidden."""
    is_hidden = any(part.startswith(".") for part in file.relative_to(folder).parts)
    return file.suffix.lower() in SUFFIXES and not is_hidden and file.is_file()


def _read(file: Path, size: int, grey: bool) -> NDArray[np.uint8]:
    """One image as ``[3, size, size]``, or ``[size, size]`` where it is grey."""
    from PIL import Image, ImageOps

    try:
        # Pillow warns of side information that it cannot use.
        with warnings.catch_warnings(action="ignore", category=UserWarning), Image.open(file) as opened:
            mode = opened.mode
            image = ImageOps.exif_transpose(opened).convert("L" if grey else "RGB")
    except (OSError, SyntaxError, EOFError, ValueError, struct.error, Image.DecompressionBombError) as error:
        raise ValueError(f"{file} is no image that can be read ({error}); replace it, or remove it") from error
    if mode.startswith(("I", "F")):  # Pillow cuts their values off at 255
        raise ValueError(f"{file} holds grey levels of more than 8 bits (mode {mode}); convert it to 8 bits first")
    pixels = np.asarray(ImageOps.fit(image, (size, size), Image.Resampling.BICUBIC))
    return pixels if grey else pixels.transpose(2, 0, 1)  # [h, w, 3] -> [3, h, w]
