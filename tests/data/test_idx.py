"""paperlib.data.idx: what was written is read back, and no damaged or hostile file is believed."""

import gzip
import hashlib
import math
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paperlib.data.idx import parse_idx, read_idx, read_unpacked


def digest(content):
    return hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "int32", "float32", "float64"])
@pytest.mark.parametrize("shape", [(5,), (2, 3), (2, 3, 4)])
def test_every_type_and_shape_is_read_back_in_native_order(to_idx, dtype, shape):
    array = np.arange(math.prod(shape)).reshape(shape).astype(dtype)
    read = parse_idx(to_idx(array), origin="it")
    np.testing.assert_array_equal(read, array)
    assert read.dtype == array.dtype
    assert read.dtype.isnative


def test_bytes_are_read_without_a_copy(to_idx):
    content = bytearray(to_idx(np.zeros(4, dtype=np.uint8)))
    read = parse_idx(content, origin="it")
    content[-1] = 7
    assert read[-1] == 7
    assert read.flags.writeable


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["raw", "gzipped"])
@pytest.mark.parametrize("name", ["a", "a.gz"])
def test_a_file_is_unpacked_by_its_content_not_by_its_name(tmp_path, to_idx, pack, name):
    array = np.arange(12, dtype=np.uint8).reshape(3, 4)
    (tmp_path / name).write_bytes(pack(to_idx(array)))
    read = read_idx(tmp_path / name, shape=(3, 4), sha256=digest(to_idx(array)))
    np.testing.assert_array_equal(read, array)
    assert read.flags.writeable


def test_another_compression_of_the_same_data_agrees(tmp_path, to_idx):
    content = to_idx(np.zeros(2000, dtype=np.uint8))
    packed = [gzip.compress(content, level, mtime=level) for level in (1, 9)]
    assert packed[0] != packed[1]
    for each in packed:
        (tmp_path / "a").write_bytes(each)
        assert len(read_idx(tmp_path / "a", shape=(2000,), sha256=digest(content))) == 2000


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["raw", "gzipped"])
def test_a_file_cut_anywhere_is_refused_by_name(tmp_path, to_idx, pack):
    content = to_idx(np.arange(40, dtype=np.uint8))
    whole = pack(content)
    path = tmp_path / "cut-idx1-ubyte"
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"cut-idx1-ubyte .*delete it, then load again"):
            read_idx(path, shape=(40,), sha256=digest(content))


def test_a_flipped_bit_anywhere_is_refused(tmp_path, to_idx):
    content = to_idx(np.arange(20, dtype=np.uint8))
    for pack in (bytes, gzip.compress):
        whole = pack(content)
        for position in range(len(whole)):
            broken = bytearray(whole)
            broken[position] ^= 1
            (tmp_path / "a").write_bytes(broken)
            try:
                read = read_idx(tmp_path / "a", shape=(20,), sha256=digest(content))
            except ValueError as error:
                assert str(tmp_path / "a") in str(error)  # noqa: PT017 - a bit of gzip's own header may be harmless
            else:
                np.testing.assert_array_equal(read, np.arange(20))


def test_wrong_content_of_the_right_shape_is_refused_with_both_hashes(tmp_path, to_idx):
    right, wrong = (to_idx(np.full(5, value, dtype=np.uint8)) for value in (0, 1))
    (tmp_path / "a").write_bytes(wrong)
    with pytest.raises(ValueError, match=rf"SHA-256 {digest(wrong)} once unpacked, expected {digest(right)}"):
        read_idx(tmp_path / "a", shape=(5,), sha256=digest(right))


def test_another_shape_or_type_is_refused_with_both(tmp_path, to_idx):
    (tmp_path / "shape").write_bytes(to_idx(np.zeros((2, 3), dtype=np.uint8)))
    with pytest.raises(ValueError, match=r"shape holds uint8 \[2, 3\], expected uint8 \[3, 2\]: it is another file"):
        read_idx(tmp_path / "shape", shape=(3, 2), sha256="")
    (tmp_path / "type").write_bytes(to_idx(np.zeros((3, 2), dtype=np.int8)))
    with pytest.raises(ValueError, match=r"type holds int8 \[3, 2\], expected uint8 \[3, 2\]"):
        read_idx(tmp_path / "type", shape=(3, 2), sha256="")


def test_a_gzip_bomb_is_unpacked_no_further_than_the_limit(tmp_path):
    (tmp_path / "bomb").write_bytes(gzip.compress(bytes(10_000_000)))
    with pytest.raises(ValueError, match=r"bomb holds more than the expected 1000 bytes"):
        read_unpacked(tmp_path / "bomb", limit=1000)


def test_trailing_bytes_are_refused(to_idx):
    with pytest.raises(ValueError, match=r"it holds 11 bytes, expected 10 .* too long"):
        parse_idx(to_idx(np.zeros(2, dtype=np.uint8)) + b"0", origin="it")


@pytest.mark.parametrize(
    "content", [b"", b"\0\0\x08", b"\x1f\x8b\x08\x00", b"<!DOCTYPE html>", b"\0\0\x0a\x01\0\0\0\0"]
)
def test_what_is_no_idx_file_is_refused(content):
    with pytest.raises(ValueError, match=r"it is not an idx file: it begins with the bytes .* expected 00 00"):
        parse_idx(content, origin="it")


@pytest.mark.parametrize("n_dimensions", [0, 9, 255])
def test_an_absurd_number_of_dimensions_is_refused(n_dimensions):
    content = struct.pack(">HBB", 0, 8, n_dimensions) + bytes(4 * n_dimensions)
    with pytest.raises(ValueError, match=rf"it announces {n_dimensions} dimensions in {len(content)} bytes"):
        parse_idx(content, origin="it")


@pytest.mark.parametrize("shape", [(2**32 - 1,), (2**31, 2**31, 4), (2**16, 2**16, 2**16, 2**16)])
def test_dimensions_that_overflow_or_look_negative_are_refused(shape):
    content = struct.pack(f">HBB{len(shape)}I", 0, 8, len(shape), *shape)
    with pytest.raises(ValueError, match=rf"expected {len(content) + math.prod(shape)} for the shape .*truncated"):
        parse_idx(content, origin="it")


def test_an_empty_array_is_refused():
    with pytest.raises(ValueError, match="it is empty"):
        parse_idx(struct.pack(">HBB3I", 0, 8, 3, 0, 2**32 - 1, 2**32 - 1), origin="it")


@given(st.binary(max_size=40) | st.binary(max_size=40).map(lambda tail: b"\0\0\x08\x01\0\0\0\x04" + tail))
def test_any_bytes_are_read_exactly_or_refused(content):
    try:
        array = parse_idx(content, origin="it")
    except ValueError:
        return
    assert content[-array.nbytes :] == array.astype(array.dtype.newbyteorder(">")).tobytes()


def test_an_absent_file_is_an_error_of_the_system(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_unpacked(tmp_path / "absent", limit=1)
