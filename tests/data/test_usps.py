"""paperlib.data.usps: lines of LIBSVM's format become grey images, from small files in the true format."""

import bz2
import dataclasses

import numpy as np
import pytest
import torch

from paperlib.data.usps import USPS_SETS, load_usps, read_usps


def line(label, values):
    return f"{label} " + " ".join(f"{i}:{value:.6g}" for i, value in enumerate(values, 1)) + " \n"


def grey_levels(pixels):
    return 2 * np.asarray(pixels, dtype=np.float64).ravel() / 255 - 1


@pytest.fixture
def write(tmp_path):
    def write_file(text):
        path = tmp_path / "usps.bz2"
        path.write_bytes(bz2.compress(text.encode()))
        return path

    return write_file


def test_the_256_levels_come_back_and_pixels_lie_row_by_row(write):
    image = np.random.default_rng(0).permutation(256).astype(np.uint8).reshape(16, 16)
    x, y = read_usps(write(line(10, grey_levels(image)) + line(1, grey_levels(image.T))), 2)
    np.testing.assert_array_equal(x, [image, image.T])
    assert y.tolist() == [9, 0]
    assert (x.dtype, y.dtype) == (np.uint8, np.int64)


def test_any_level_moves_to_the_nearest_of_the_256(write):
    values = np.random.default_rng(0).uniform(-1, 1, 256).round(3)  # the files have three or more decimals
    x, _ = read_usps(write(line(1, values)), 1)
    assert np.abs(grey_levels(x) - values).max() <= 1 / 255
    x, _ = read_usps(write(line(1, [-1, 1, *[0] * 254])), 1)
    assert x.ravel()[:2].tolist() == [0, 255]


def test_a_pixel_that_is_left_out_is_grey_level_zero(write):
    written, _ = read_usps(write(line(3, [0, 0.5] + [0] * 254)), 1)
    left_out, _ = read_usps(write("3 2:0.5\n"), 1)
    np.testing.assert_array_equal(left_out, written)
    assert left_out[0, 0, 1] == 191


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0 1:0\n", r"holds the labels \[0\.\], expected 1 to 10"),
        ("11 1:0\n", r"holds the labels \[11\.\], expected 1 to 10"),
        ("1.5 1:0\n", r"holds the labels \[1\.5\], expected 1 to 10"),
        ("1 1:1.01\n", r"holds values from 0\.0 to 1\.01, expected -1 to 1"),
        ("1 1:-1.01\n", r"holds values from -1\.01 to 0\.0, expected -1 to 1"),
        ("1 1:nan\n", r"holds values from nan to nan, expected -1 to 1"),
        ("1 0:1\n", r"is not a whole bzip2 file of 16x16 pixels \(Invalid index 0"),
        ("1 257:1\n", r"is not a whole bzip2 file of 16x16 pixels \(.* contains 257 features"),
        ("<html>\n", r"is not a whole bzip2 file of 16x16 pixels \(could not convert"),
        ("", r"holds 0 images, expected 1;"),
        ("1 1:0\n2 1:0\n", r"holds 2 images, expected 1;"),
    ],
)
def test_what_is_out_of_range_is_refused(write, text, message):
    with pytest.raises(ValueError, match=rf"usps\.bz2 {message}.*delete it, then load again"):
        read_usps(write(text), 1)


def test_a_file_cut_anywhere_is_refused_by_name(write):
    path = write(line(1, np.linspace(-1, 1, 256)))
    whole = path.read_bytes()
    for length in range(0, len(whole), 11):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"usps\.bz2 (is not a whole bzip2 file|holds 0 images).*; delete it"):
            read_usps(path, 1)


def test_a_file_that_is_not_packed_is_refused(tmp_path):
    (tmp_path / "usps.bz2").write_text("1 1:0\n")
    with pytest.raises(ValueError, match=r"usps\.bz2 is not a whole bzip2 file of 16x16 pixels \(Invalid data stream"):
        read_usps(tmp_path / "usps.bz2", 1)


def test_splits_are_files_and_all_is_train_then_test(tmp_path, publish):
    texts = {"train": "1 1:1\n2 1:0.5\n", "test": "10 1:-1\n"}
    files = {
        split: (publish(f"{split}.bz2", bz2.compress(text.encode())), text.count("\n")) for split, text in texts.items()
    }
    images = dataclasses.replace(USPS_SETS["usps"], files=files)
    train, test, whole = (load_usps(images, split, tmp_path) for split in ("train", "test", "all"))
    assert [train.y.tolist(), test.y.tolist(), whole.y.tolist()] == [[0, 1], [9], [0, 1, 9]]
    assert torch.equal(whole.x, torch.cat((train.x, test.x)))
    assert (whole.x.shape, whole.x.dtype, whole.y.dtype) == ((3, 16, 16), torch.uint8, torch.int64)


def test_the_set_is_described_in_its_published_size():
    assert [n for _, n in USPS_SETS["usps"].files.values()] == [7_291, 2_007]
    assert len({file.sha256 for file, _ in USPS_SETS["usps"].files.values()}) == 2
