"""paperlib.runtime: a file appears whole or not at all, and a wrong device or folder is named."""

import errno
import hashlib
import os
import tempfile
from pathlib import Path

import pytest
import torch

from paperlib.runtime import atomic_path, data_root, resolve_device, sha256

FULL_DEVICE = Path("/dev/full")  # every write to it ends in "no space left on device"


def test_a_written_file_appears_under_its_final_name_alone(tmp_path):
    with atomic_path(tmp_path / "new" / "a.txt") as temporary:
        temporary.write_text("whole")
        assert not (tmp_path / "new" / "a.txt").exists()
    assert (tmp_path / "new" / "a.txt").read_text() == "whole"
    assert os.listdir(tmp_path / "new") == ["a.txt"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, OSError])
def test_a_failure_half_way_leaves_the_old_file_and_nothing_else(tmp_path, error):
    final = tmp_path / "a.txt"
    final.write_text("old")
    with pytest.raises(error), atomic_path(final) as temporary:  # noqa: PT012 - the block is what is tested
        temporary.write_text("half of the n")
        raise error
    assert final.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


@pytest.mark.skipif(not FULL_DEVICE.exists(), reason="this system has no /dev/full")
def test_a_full_disk_is_named_with_the_path_and_what_to_do(tmp_path):
    message = r"cannot write .*a\.bin: No space left on device; free some space"
    with pytest.raises(OSError, match=message) as caught, atomic_path(tmp_path / "a.bin"):  # noqa: SIM117
        with FULL_DEVICE.open("wb", buffering=0) as stream:
            stream.write(b"0")
    assert caught.value.errno == errno.ENOSPC
    assert os.listdir(tmp_path) == []


def test_a_write_that_the_system_cuts_short_leaves_no_file(tmp_path):
    resource = pytest.importorskip("resource", reason="this system has no limit on the size of files")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        message = r"cannot write .*a\.bin: File too large; free some space"
        with pytest.raises(OSError, match=message), atomic_path(tmp_path / "a.bin") as temporary:  # noqa: PT012
            resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
            temporary.write_bytes(bytes(5000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert os.listdir(tmp_path) == []


def test_a_folder_without_permission_is_named(tmp_path, monkeypatch):
    def refuse(**options):
        raise PermissionError(errno.EACCES, "Permission denied", str(tmp_path / ".a.txt.x.partial"))

    monkeypatch.setattr(tempfile, "mkstemp", refuse)
    message = r"cannot write .*a\.txt: Permission denied; .* choose a folder you may write to"
    with pytest.raises(PermissionError, match=message), atomic_path(tmp_path / "a.txt"):
        pass


def test_a_file_where_a_folder_should_be_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    for below in ("a.txt", "deeper/a.txt"):
        with pytest.raises(OSError, match=r"cannot write .*a\.txt: "), atomic_path(tmp_path / "file" / below):
            pass


def test_a_folder_of_the_final_name_is_left_alone(tmp_path):
    (tmp_path / "a").mkdir()
    with pytest.raises(OSError, match=r"cannot write .*a: "), atomic_path(tmp_path / "a") as temporary:
        temporary.write_text("new")
    assert os.listdir(tmp_path) == ["a"]


@pytest.mark.parametrize("error", [FileNotFoundError(errno.ENOENT, "No such file", "other.txt"), TimeoutError("late")])
def test_an_error_about_something_else_passes_as_it_is(tmp_path, error):
    with pytest.raises(type(error)) as caught, atomic_path(tmp_path / "a.txt"):
        raise error
    assert caught.value is error


def test_the_hash_is_that_of_the_whole_content(tmp_path):
    content = bytes(range(256)) * 5000
    (tmp_path / "a").write_bytes(content)
    assert sha256(tmp_path / "a") == hashlib.sha256(content).hexdigest()


def test_the_data_root_is_the_argument_then_the_variable_then_the_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("PAPERLIB_DATA", str(tmp_path / "variable"))
    assert data_root(tmp_path) == tmp_path
    assert data_root() == tmp_path / "variable"
    monkeypatch.delenv("PAPERLIB_DATA")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert data_root() == tmp_path / ".cache" / "paperlib"
    assert data_root("~/data") == tmp_path / "data"


def test_a_data_root_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(NotADirectoryError, match=r"the data root .*file is a file; give a folder"):
        data_root(tmp_path / "file")


def test_a_device_is_taken_by_name_by_object_or_by_default():
    assert resolve_device("cpu") == resolve_device(torch.device("cpu")) == torch.device("cpu")
    assert resolve_device().type == ("cuda" if torch.cuda.is_available() else "cpu")


@pytest.mark.parametrize("device", ["gpu", "cpu:x", 1.5])
def test_what_is_no_device_is_refused(device):
    with pytest.raises(ValueError, match=r"is not a torch device; use None, 'cpu', 'cuda' or 'cuda:0'"):
        resolve_device(device)


def test_a_cuda_device_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match=r"device='cuda:99' was asked for, but torch sees .* CUDA device"):
        resolve_device("cuda:99")
