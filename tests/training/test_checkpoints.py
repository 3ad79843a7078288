"""Checkpoints: whole or not there at all, whatever happens to the process, the disk or the files."""

import errno
import json
import os
from pathlib import Path

import pytest
import torch

from paperlib import runtime
from paperlib.training.checkpoints import Checkpoint, load_checkpoint, save_checkpoint


def checkpoint(step):
    tensors = {
        "weights": torch.full((3, 2), float(step), dtype=torch.float64),
        "half": torch.tensor([0.1, step]).bfloat16(),
        "count": torch.tensor(step),
        "flags": torch.tensor([True, False]),
    }
    return Checkpoint(step, tensors, {"history": [{"loss": 0.1 + step}], "scaler": {}, "marginal": None})


def save(folder, *steps):
    for step in steps:
        save_checkpoint(folder, checkpoint(step))


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def of(*steps):
    return sorted(f"step-{step:09d}.{suffix}" for step in steps for suffix in ("json", "safetensors"))


def is_checkpoint(found, step):
    expected = checkpoint(step)
    torch.testing.assert_close(found.tensors, expected.tensors, rtol=0, atol=0)
    return (found.step, found.state) == (expected.step, expected.state)


def test_what_is_written_is_read_back_to_the_last_bit(tmp_path):
    written = save_checkpoint(tmp_path / "made" / "on the way", checkpoint(7))
    assert written.name == "step-000000007.json"
    assert is_checkpoint(load_checkpoint(written.parent), 7)


def test_numbers_of_the_state_survive_json(tmp_path):
    state = {"third": 1 / 3, "tiny": 5e-324, "scale": 65536.0, "nothing": None, "nested": [{"a": [1, 2.5]}]}
    save_checkpoint(tmp_path, Checkpoint(1, {}, state))
    assert load_checkpoint(tmp_path) == Checkpoint(1, {}, state)


def test_tensors_of_any_memory_format_can_be_written(tmp_path):
    images = torch.arange(48.0).view(2, 3, 2, 4).contiguous(memory_format=torch.channels_last)
    table = torch.arange(6.0).view(2, 3)
    tensors = {"images": images, "turned": table.mT, "scalar": torch.tensor(2.0)}
    save_checkpoint(tmp_path, Checkpoint(1, tensors, {}))
    torch.testing.assert_close(load_checkpoint(tmp_path).tensors, tensors, rtol=0, atol=0)


def test_without_a_checkpoint_there_is_none(tmp_path):
    assert load_checkpoint(tmp_path) is None
    assert load_checkpoint(tmp_path / "missing") is None


def test_only_two_are_kept(tmp_path):
    save(tmp_path, 3, 6, 9, 12)
    assert names(tmp_path) == of(9, 12)
    assert is_checkpoint(load_checkpoint(tmp_path), 12)


def test_steps_of_any_length_keep_their_order(tmp_path):
    save(tmp_path, 9, 10, 999_999_999)
    assert load_checkpoint(tmp_path).step == 999_999_999
    assert names(tmp_path) == of(10, 999_999_999)


def test_changing_what_was_read_does_not_change_the_file(tmp_path):
    save(tmp_path, 1)
    load_checkpoint(tmp_path).tensors["weights"].zero_()
    assert is_checkpoint(load_checkpoint(tmp_path), 1)


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="tells what is mapped on Linux alone")
def test_what_was_read_does_not_hold_the_file(tmp_path):
    """Where tensors were the mapped file, it could not be removed on Windows, nor its room be freed elsewhere."""
    save(tmp_path, 1)
    found = load_checkpoint(tmp_path)
    assert str(tmp_path) not in Path("/proc/self/maps").read_text()
    assert is_checkpoint(found, 1)


def test_other_files_in_the_folder_are_left_alone(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    save(tmp_path, 1, 2, 3)
    assert names(tmp_path) == sorted(["notes.txt", *of(2, 3)])


def truncate(path, size):
    path.write_bytes(path.read_bytes()[:size])


def flip_a_bit(path):
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


DAMAGES = {
    "tensors cut short": ("safetensors", lambda path: truncate(path, -5), "SHA-256"),
    "tensors of another size": ("safetensors", lambda path: path.write_bytes(path.read_bytes() + b"\0"), "SHA-256"),
    "tensors with one bit changed": ("safetensors", flip_a_bit, "SHA-256"),
    "empty tensors": ("safetensors", lambda path: truncate(path, 0), "SHA-256"),
    "no tensors": ("safetensors", lambda path: path.unlink(), "FileNotFoundError"),
    "JSON cut short": ("json", lambda path: truncate(path, -5), "JSONDecodeError"),
    "empty JSON": ("json", lambda path: truncate(path, 0), "JSONDecodeError"),
    "JSON that is no text": ("json", lambda path: path.write_bytes(b"\xff\xfe{"), "UnicodeDecodeError"),
    "JSON of something else": ("json", lambda path: path.write_text("[1, 2]"), "TypeError"),
    "JSON without a digest": ("json", lambda path: path.write_text('{"version": 1}'), "KeyError"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_one_is_refused_and_the_one_before_is_used(tmp_path, damage):
    save(tmp_path, 4, 8)
    suffix, harm, fault = DAMAGES[damage]
    harm(tmp_path / f"step-000000008.{suffix}")
    with pytest.warns(UserWarning, match=rf"000000008.json is damaged and not used \(.*{fault}") as caught:
        found = load_checkpoint(tmp_path)
    assert is_checkpoint(found, 4)
    assert len(caught) == 1


def test_the_message_says_what_was_written_and_what_is_there(tmp_path):
    save(tmp_path, 1, 2)
    path = tmp_path / "step-000000002.safetensors"
    written = runtime.sha256(path)
    flip_a_bit(path)
    found = runtime.sha256(path)
    expected = rf"\(step-000000002.safetensors has SHA-256 {found[:12]}\.\.\., {written[:12]}\.\.\. was written\)$"
    with pytest.warns(UserWarning, match=expected):
        load_checkpoint(tmp_path)


def test_tensors_that_nothing_seals_are_not_read_and_go_with_the_next_checkpoint(tmp_path):
    save(tmp_path, 1)
    (tmp_path / "step-000000005.safetensors").write_bytes(b"of a process that was killed here")
    assert load_checkpoint(tmp_path).step == 1
    save(tmp_path, 6)
    assert names(tmp_path) == of(1, 6)


def test_what_a_killed_writer_left_is_removed(tmp_path):
    save(tmp_path, 1)
    (tmp_path / ".step-000000002.safetensors.abc.partial").write_bytes(b"half")
    assert load_checkpoint(tmp_path).step == 1
    save(tmp_path, 2)
    assert names(tmp_path) == of(1, 2)


def test_later_ones_that_are_damaged_go_and_never_push_out_whole_ones(tmp_path):
    save(tmp_path, 3)
    whole = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    save(tmp_path, 6, 9)
    for name, content in whole.items():
        (tmp_path / name).write_bytes(content)
    for step in (6, 9):
        truncate(tmp_path / f"step-{step:09d}.safetensors", -1)
    with pytest.warns(UserWarning, match="damaged"):
        assert load_checkpoint(tmp_path).step == 3
    save(tmp_path, 4)
    assert names(tmp_path) == of(3, 4)
    assert is_checkpoint(load_checkpoint(tmp_path), 4)


def test_when_none_is_whole_one_has_to_choose(tmp_path):
    save(tmp_path, 1, 2)
    for path in tmp_path.glob("*.json"):
        truncate(path, 10)
    with (
        pytest.warns(UserWarning, match="damaged"),
        pytest.raises(ValueError, match=r"none of the 2 checkpoints in .* is whole; give another folder, or delete"),
    ):
        load_checkpoint(tmp_path)


def test_another_version_of_the_format_is_refused(tmp_path):
    save(tmp_path, 1, 2)
    path = tmp_path / "step-000000002.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"version": 99}))
    with pytest.raises(ValueError, match="has version 99 of the format; this paperlib reads 1"):
        load_checkpoint(tmp_path)


def no_space(*arguments, **options):
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize(
    "place", ["tensors are written", "tensors are flushed", "tensors are renamed", "JSON is renamed"]
)
def test_a_full_disk_leaves_the_earlier_ones_whole(tmp_path, monkeypatch, place):
    save(tmp_path, 1, 2)
    replace = os.replace
    with monkeypatch.context() as patch:
        if place == "tensors are written":
            patch.setattr("paperlib.training.checkpoints.save_file", no_space)
        elif place == "tensors are flushed":
            patch.setattr(os, "fsync", no_space)
        else:
            failing = "safetensors" if place.startswith("tensors") else "json"
            patch.setattr(os, "replace", lambda a, b: (no_space if str(b).endswith(failing) else replace)(a, b))
        with pytest.raises(OSError, match=r"cannot write .*step-000000003.*No space left on device; free some space"):
            save(tmp_path, 3)
    assert not list(tmp_path.glob(".*"))
    assert is_checkpoint(load_checkpoint(tmp_path), 2)
    save(tmp_path, 3)
    assert names(tmp_path) == of(2, 3)


def test_a_state_that_json_cannot_hold_leaves_the_earlier_ones_whole(tmp_path):
    save(tmp_path, 1)
    with pytest.raises(TypeError, match="not JSON serializable"):
        save_checkpoint(tmp_path, Checkpoint(2, {}, {"tensor": torch.zeros(2)}))
    assert is_checkpoint(load_checkpoint(tmp_path), 1)


def test_no_code_of_a_file_is_run(tmp_path):
    """A pickle under the name of the tensors, sealed as it should be, is refused without being loaded."""

    class Bomb:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "run"),)

    save(tmp_path, 1, 2)
    tensors, sealed = (tmp_path / f"step-000000002.{suffix}" for suffix in ("safetensors", "json"))
    torch.save(Bomb(), tensors)
    sealed.write_text(json.dumps(json.loads(sealed.read_text()) | {"sha256": runtime.sha256(tensors)}))
    with pytest.warns(UserWarning, match="SafetensorError"):
        assert load_checkpoint(tmp_path).step == 1
    assert not (tmp_path / "run").exists()
