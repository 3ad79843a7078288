"""paperlib.data.image_folder: any folder of images, in order, in one size, and no damaged file passed over."""

import numpy as np
import pytest
import torch
from PIL import Image

from paperlib.data import image_folder


@pytest.fixture
def put(tmp_path):
    """Write an image under a name below the folder."""

    def write(name, image, **options):
        path = tmp_path / "pictures" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(path, **options)
        return tmp_path / "pictures"

    return write


def noise(*shape):
    return np.random.default_rng(0).integers(256, size=shape, dtype=np.uint8)


def plain(value):
    return Image.new("RGB", (4, 4), (value, value, value))


def test_an_image_of_the_right_size_comes_out_as_it_is(put):
    pixels = noise(8, 8, 3)
    data = image_folder(put("a.png", pixels), size=8)
    np.testing.assert_array_equal(data.x, pixels.transpose(2, 0, 1)[None])
    assert (data.x.dtype, data.y, data.name) == (torch.uint8, None, "pictures")


def test_subfolders_are_classes_in_the_order_of_their_names(put):
    folder = put("dog/10.png", plain(3))
    for name, value in (("cat/b.png", 1), ("cat/a.PNG", 0), ("dog/2.bmp", 4), ("cat/more/a.png", 2)):
        put(name, plain(value))
    data = image_folder(folder, size=4)
    assert data.x[:, 0, 0, 0].tolist() == [0, 1, 2, 3, 4]
    assert data.y.tolist() == [0, 0, 0, 1, 1]
    assert data.y.dtype == torch.int64


def test_hidden_names_and_other_files_are_passed_over(put):
    folder = put("a/1.png", plain(5))
    put("a/.thumbnails/1.png", plain(6))
    put(".trash/1.png", plain(7))
    (folder / "readme.txt").write_text("not an image")
    (folder / "a" / ".2.png").write_text("not an image")
    data = image_folder(folder, size=4)
    assert data.x.unique().tolist() == [5]
    assert data.y.tolist() == [0]


def test_the_largest_centred_square_is_cut_out(put):
    tall, wide = np.zeros((12, 4, 3), np.uint8), np.zeros((4, 10, 3), np.uint8)
    tall[4:8], wide[:, 3:7] = noise(4, 4, 3), noise(4, 4, 3)
    put("b.png", tall)
    data = image_folder(put("a.png", wide), size=4)
    for each in data.x:
        np.testing.assert_array_equal(each, noise(4, 4, 3).transpose(2, 0, 1))


def test_a_plain_image_stays_plain_in_any_size(put):
    folder = put("a.png", Image.new("RGB", (50, 31), (10, 200, 90)))
    for size in (1, 7, 64):
        data = image_folder(folder, size=size)
        assert data.x.shape == (1, 3, size, size)
        assert [channel.unique().tolist() for channel in data.x[0]] == [[10], [200], [90]]


def test_a_finer_checkerboard_is_averaged_on_the_way_down(put):
    board = (np.indices((64, 64)).sum(0) % 2 * 255).astype(np.uint8)
    data = image_folder(put("a.png", board), size=8, grey=True)
    assert data.x.shape == (1, 8, 8)
    assert (data.x.int() - 127).abs().max() <= 8


def test_grey_is_the_luma_of_the_colours(put):
    put("b.png", Image.new("RGB", (2, 2), (255, 0, 0)))
    put("c.png", Image.new("RGB", (2, 2), (0, 255, 0)))
    data = image_folder(put("a.png", noise(2, 2)), size=2, grey=True)
    np.testing.assert_array_equal(data.x[0], noise(2, 2))
    assert data.x[1:, 0, 0].tolist() == [round(0.299 * 255), round(0.587 * 255)]


def test_a_grey_image_has_three_equal_channels_in_colour(put):
    data = image_folder(put("a.png", noise(2, 2)), size=2)
    np.testing.assert_array_equal(data.x[0], np.broadcast_to(noise(2, 2), (3, 2, 2)))


@pytest.mark.parametrize(
    "image",
    [
        Image.new("RGBA", (2, 2), (255, 0, 0, 0)),
        Image.new("CMYK", (2, 2), (0, 255, 255, 0)),
        Image.new("RGB", (2, 2), (255, 0, 0)).quantize(2),
    ],
    ids=lambda image: image.mode,
)
def test_other_kinds_of_colour_become_red_green_and_blue(put, image):
    data = image_folder(put("a.tif", image), size=2)
    assert data.x[0, :, 0, 0].tolist() == [255, 0, 0]


def test_a_palette_with_transparency_is_read_without_a_warning(put):
    image = Image.new("RGB", (2, 2), (255, 0, 0)).quantize(2)
    data = image_folder(put("a.png", image, transparency=bytes([128, 255])), size=2)
    assert data.x[0, :, 0, 0].tolist() == [255, 0, 0]


def test_a_photograph_is_turned_upright(put):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held a quarter turn to the left
    pixels = noise(4, 4, 3)
    data = image_folder(put("a.png", pixels, exif=exif), size=4)
    np.testing.assert_array_equal(data.x[0].permute(1, 2, 0), np.rot90(pixels, -1))


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp", "gif", "webp", "tif", "ppm"])
def test_a_damaged_file_is_refused_by_its_name(put, suffix):
    folder = put(f"good.{suffix}", noise(64, 64, 3))
    whole = (folder / f"good.{suffix}").read_bytes()
    broken = folder / f"broken.{suffix}"
    for content in (b"", b"<!DOCTYPE html>", whole[:10], whole[: len(whole) // 2]):
        broken.write_bytes(content)
        with pytest.raises(ValueError, match=rf"broken\.{suffix} is no image that can be read \(.*\); replace it"):
            image_folder(folder, size=8, progress=False)


def test_grey_levels_of_sixteen_bits_are_refused_not_cut_off(put):
    folder = put("deep.png", Image.fromarray(np.full((4, 4), 300, np.uint16)))
    with pytest.raises(ValueError, match=r"deep\.png holds grey levels of more than 8 bits \(mode I;16\); convert it"):
        image_folder(folder, size=4)


def test_an_image_that_would_fill_the_memory_is_refused(put, monkeypatch):
    folder = put("huge.png", plain(0))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 4)
    with pytest.raises(ValueError, match=r"huge\.png is no image that can be read \(Image size"):
        image_folder(folder, size=4)


def test_images_beside_classes_and_classes_without_images_are_refused(put):
    folder = put("cat/a.png", plain(0))
    (folder / "dog").mkdir()
    with pytest.raises(ValueError, match=r"dog holds no images \(\.bmp, .*\); put some there, or remove it"):
        image_folder(folder, size=4)
    put("stray.png", plain(0))
    with pytest.raises(ValueError, match=r"pictures holds images \(stray\.png\) beside folders of classes \(cat\)"):
        image_folder(folder, size=4)


def test_what_is_no_folder_of_images_is_refused(tmp_path):
    with pytest.raises(NotADirectoryError, match=r"path='.*absent' is no folder; give the folder"):
        image_folder(tmp_path / "absent", size=4)
    with pytest.raises(ValueError, match="holds no images"):
        image_folder(tmp_path, size=4)
    with pytest.raises(ValueError, match="size must be a whole number of at least 1, got 0"):
        image_folder(tmp_path, size=0)
