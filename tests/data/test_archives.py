"""paperlib.data.archives: a published file is the one that was published, and only what is wanted is read out of it."""

import dataclasses
import io
import os
import tarfile

import numpy as np
import pytest

from paperlib.data.archives import check_labels, read_members

CONTENT = bytes(range(256)) * 10


def target(n_bytes):
    return np.zeros(n_bytes, dtype=np.uint8)


def test_a_file_is_fetched_once_and_found_afterwards(tmp_path, publish):
    file = publish("a.bin", CONTENT)
    path = file.find("toys", tmp_path / "root")
    assert path == tmp_path / "root" / "toys" / "a.bin"
    offline = dataclasses.replace(file, url="http://127.0.0.1:9/a.bin")
    assert offline.find("toys", tmp_path / "root").read_bytes() == CONTENT
    assert os.listdir(path.parent) == ["a.bin"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (CONTENT[:-1], r"a\.bin has 2559 bytes, expected 2560: it is truncated; delete it, then load again"),
        (CONTENT + b"!", r"a\.bin has 2561 bytes, expected 2560: it is another file; delete it"),
        (CONTENT[:-1] + b"!", r"a\.bin has SHA-256 [0-9a-f]{64}, expected [0-9a-f]{64}: it is corrupted; delete it"),
    ],
)
def test_a_file_that_is_not_the_published_one_is_refused(tmp_path, publish, content, message):
    file = publish("a.bin", CONTENT)
    (tmp_path / "toys").mkdir()
    (tmp_path / "toys" / "a.bin").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        file.find("toys", tmp_path)
    (tmp_path / "home" / "a.bin").write_bytes(content)
    with pytest.raises(ValueError, match=r"a\.bin did not send the expected file, .* or put the file a\.bin, as it is"):
        file.find("elsewhere", tmp_path)
    assert os.listdir(tmp_path / "elsewhere") == []


def test_without_a_network_the_error_says_which_file_goes_where(tmp_path, publish, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    file = dataclasses.replace(publish("a.bin", CONTENT), url="http://127.0.0.1:9/a.bin")
    with pytest.raises(
        FileNotFoundError, match=r"toys is not on this machine, and http://127\.0\.0\.1:9/a\.bin"
    ) as caught:
        file.find("toys", tmp_path)
    assert str(caught.value).endswith(
        f"put the file a.bin, as it is at that address, into the folder {tmp_path / 'toys'}"
    )


def test_members_are_read_by_name_whatever_their_order(tmp_path, to_tar_gz):
    path = tmp_path / "a.tar.gz"
    path.write_bytes(to_tar_gz({"./d/b": b"bbb", "d/unwanted": CONTENT, "d/a": b"aa"}))
    a, b = target(2), target(3)
    read_members(path, {"d/a": a, "d/b": b})
    assert (bytes(a), bytes(b)) == (b"aa", b"bbb")
    assert os.listdir(tmp_path) == ["a.tar.gz"]


def test_a_member_of_many_pieces_is_read_whole_into_its_part_of_an_array(tmp_path, to_tar_gz):
    content = np.random.default_rng(0).integers(256, size=(5, 1 << 19), dtype=np.uint8)  # two and a half pieces
    (tmp_path / "a").write_bytes(to_tar_gz({"big": content.tobytes()}))
    whole = np.full((7, 1 << 19), 9, dtype=np.uint8)
    read_members(tmp_path / "a", {"big": whole[1:6]})
    np.testing.assert_array_equal(whole[1:6], content)
    assert (whole[[0, 6]] == 9).all()


def test_reading_stops_at_the_last_member_that_is_wanted(tmp_path, to_tar_gz):
    noise = np.random.default_rng(0).bytes(1 << 20)
    whole = to_tar_gz({"first": b"1", "noise": noise})
    (tmp_path / "a").write_bytes(whole[: len(whole) // 2])
    first = target(1)
    read_members(tmp_path / "a", {"first": first})
    assert bytes(first) == b"1"


def test_an_archive_cut_anywhere_is_refused_by_name_or_read_exactly(tmp_path, to_tar_gz):
    content = np.random.default_rng(0).bytes(300)
    whole = to_tar_gz({"a": content})
    n_refused = 0
    for length in range(0, len(whole), 7):
        (tmp_path / "cut.tar.gz").write_bytes(whole[:length])
        read = target(300)
        try:
            read_members(tmp_path / "cut.tar.gz", {"a": read})
        except ValueError as error:
            n_refused += 1
            assert "cut.tar.gz" in str(error)  # noqa: PT017 - a cut in the zeros at the end loses nothing
            assert "delete it, then load again" in str(error)  # noqa: PT017
        else:
            assert bytes(read) == content
    assert n_refused >= 300 / 7


@pytest.mark.parametrize("content", [b"", b"<!DOCTYPE html>", b"\x1f\x8b\x08\x00" + b"!" * 40])
def test_what_is_no_archive_is_refused(tmp_path, content):
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(ValueError, match=r"a is not a whole \.tar\.gz \(.+\); delete it"):
        read_members(tmp_path / "a", {"a": target(1)})


def test_a_member_that_is_missing_or_of_another_length_is_named(tmp_path, to_tar_gz):
    (tmp_path / "a").write_bytes(to_tar_gz({"d/a": b"aa"}))
    with pytest.raises(ValueError, match=r"a has no member d/b: it is another file"):
        read_members(tmp_path / "a", {"d/a": target(2), "d/b": target(2)})
    for n_bytes in (1, 3):
        with pytest.raises(ValueError, match=rf"a: d/a is 2 bytes, expected {n_bytes} bytes"):
            read_members(tmp_path / "a", {"d/a": target(n_bytes)})


def test_a_link_is_not_followed(tmp_path):
    (tmp_path / "secret").write_bytes(b"secret")
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        link = tarfile.TarInfo("a")
        link.type, link.linkname = tarfile.SYMTYPE, str(tmp_path / "secret")
        archive.addfile(link)
    (tmp_path / "archive").write_bytes(packed.getvalue())
    with pytest.raises(ValueError, match=r"a is no file, expected 6 bytes"):
        read_members(tmp_path / "archive", {"a": target(6)})


def test_labels_are_refused_outside_their_range_only():
    check_labels(np.array([1, 10], dtype=np.uint8), 1, 10, "it")
    for label in (0, 11, 255):
        with pytest.raises(ValueError, match=rf"it holds the label {label} in record 1, expected 1 to 10"):
            check_labels(np.array([1, label, 0], dtype=np.uint8), 1, 10, "it")
