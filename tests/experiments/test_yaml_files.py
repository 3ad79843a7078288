"""paperlib.experiments.yaml_files: hand-written YAML, read safely."""

import sys

import pytest

from paperlib.experiments.yaml_files import read_yaml


def file_of(tmp_path, text):
    path = tmp_path / "a file.yml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_plain_data_come_back(tmp_path):
    text = "name: 'Fashion – ü'\nseeds: [0, 1]\ngrid: {lr: 1.0e-3, on: true}\nnothing: ~\n"
    expected = {"name": "Fashion – ü", "seeds": [0, 1], "grid": {"lr": 1e-3, True: True}, "nothing": None}
    assert read_yaml(file_of(tmp_path, text)) == expected
    assert read_yaml(file_of(tmp_path, "")) is None


def test_an_anchor_may_be_merged_and_a_merged_key_written_again(tmp_path):
    text = "base: &base {a: 1, b: 2}\nmore: {<<: *base, a: 3}\n"
    assert read_yaml(file_of(tmp_path, text))["more"] == {"a": 3, "b": 2}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3\n", "line 3: key 'a' is there twice; write it once"),
        ("a:\n  - {b: 1, b: 1}\n", "line 2: key 'b' is there twice"),
        ("a: 1\nb: [1, 2\n", "line 3: expected"),
        ("a: 1\n\tb: 2\n", "line 2: "),
        ("a: *missing\n", "line 1: found undefined alias"),
        ("a: !!python/object/apply:os.getcwd []\n", "line 1: could not determine a constructor"),
        ("a: 1\n---\nb: 2\n", "line 2: .*another document"),
        ("day: 2026-13-45\n", "holds a value that cannot be read: month"),
        (b"a: \xff\n", "is not UTF-8 text"),
        ("a: \x01\n", "is not YAML"),
    ],
)
def test_what_is_no_plain_yaml_is_refused_with_its_file(tmp_path, text, message):
    with pytest.raises(ValueError, match=f"a file.yml.*{message}"):
        read_yaml(file_of(tmp_path, text))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no file .*missing\.yml"):
        read_yaml(tmp_path / "missing.yml")


def test_without_the_package_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(ImportError, match=r"pip install 'paperlib\[notebooks\]'"):
        read_yaml(file_of(tmp_path, "a: 1"))
