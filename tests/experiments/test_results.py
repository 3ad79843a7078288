import csv
import dataclasses
import math
import os

import pytest
from example_row import row

from paperlib.experiments import peak_memory, read_rows, results, stamp, write_rows


def test_the_columns_are_those_of_the_architecture_in_this_order():
    expected = "paper table dataset method size seed metric value seconds peak_memory device versions commit"
    assert list(results.COLUMNS) == expected.split()


def test_rows_come_back_from_a_file_as_they_were(tmp_path):
    rows = [row(seed=seed, value=value) for seed, value in enumerate((1 / 3, -1e-300, 2.0))]
    write_rows(tmp_path / "rows.csv", rows)
    assert read_rows(tmp_path / "rows.csv") == rows


def test_an_undefined_number_comes_back_as_nan(tmp_path):
    write_rows(tmp_path / "rows.csv", [row(value=math.nan, seconds=math.nan, peak_memory=math.nan)])
    (back,) = read_rows(tmp_path / "rows.csv")
    assert all(math.isnan(number) for number in (back.value, back.seconds, back.peak_memory))


def test_the_order_in_which_rows_are_written_changes_nothing(tmp_path):
    rows = [row(seed=10), row(seed=9, value=math.nan), row(seed=9), row(dataset="mnist/test")]
    write_rows(tmp_path / "one.csv", rows)
    write_rows(tmp_path / "two.csv", rows[::-1])
    assert (tmp_path / "one.csv").read_bytes() == (tmp_path / "two.csv").read_bytes()
    assert [r.seed for r in read_rows(tmp_path / "one.csv")] == [9, 9, 10, 0]  # by number, not by text; nan last


def test_a_file_of_rows_has_unix_line_ends_and_a_header(tmp_path):
    write_rows(tmp_path / "rows.csv", [row()])
    content = (tmp_path / "rows.csv").read_bytes()
    assert b"\r" not in content
    assert content.startswith(b"paper,table,")
    assert b"0.30000000000000004" in content


@pytest.mark.parametrize("column", ["paper", "metric", "device", "commit"])
@pytest.mark.parametrize("text", ["", " ", "two\nlines", "space at the end "])
def test_a_text_that_would_spoil_the_table_is_refused(column, text):
    with pytest.raises(ValueError, match=f"{column}=.*one line of text"):
        row(**{column: text})


@pytest.mark.parametrize(
    ("column", "value", "error", "message"),
    [
        ("size", "huge", ValueError, "choose one of smoke, laptop, paper"),
        ("seed", -1, ValueError, "at least 0"),
        ("seed", 1.0, TypeError, "needs an int"),
        ("seed", True, TypeError, "needs an int"),
        ("value", math.inf, ValueError, "finite, or nan"),
        ("value", "0.7", TypeError, "use a float"),
        ("value", None, TypeError, "use a float"),
        ("seconds", -0.1, ValueError, "at least 0"),
        ("peak_memory", math.inf, ValueError, "at least 0"),
        ("device", 3, TypeError, "needs a str"),
    ],
)
def test_a_value_outside_the_schema_is_refused(column, value, error, message):
    with pytest.raises(error, match=message):
        row(**{column: value})


@pytest.mark.parametrize(
    ("column", "text", "message"),
    [
        ("seed", "1.5", "seed is '1.5'; it must be a int"),
        ("value", "good", "must be a float"),
        ("size", "big", "choose"),
    ],
)
def test_a_bad_row_in_a_file_is_named_by_its_line(tmp_path, column, text, message):
    path = tmp_path / "rows.csv"
    write_rows(path, [row(seed=0), row(seed=1)])
    with path.open(newline="") as stream:
        lines = list(csv.reader(stream))
    lines[2][results.COLUMNS.index(column)] = text
    with path.open("w", newline="") as stream:
        csv.writer(stream).writerows(lines)
    with pytest.raises(ValueError, match=f"line 3: .*{message}"):
        read_rows(path)


def test_a_truncated_row_in_a_file_is_refused(tmp_path):
    path = tmp_path / "rows.csv"
    write_rows(path, [row()])
    path.write_text(path.read_text()[:-20].rsplit(",", 1)[0] + "\n")
    with pytest.raises(ValueError, match=r"line 2: .* columns"):
        read_rows(path)


def test_a_row_is_stamped_with_its_machine_and_code(monkeypatch):
    stamped = stamp("cpu")
    assert set(stamped) == {"device", "versions", "commit"}
    assert stamped["device"] == "cpu"
    assert "torch " in stamped["versions"]
    assert stamped["versions"].startswith("python 3.")
    assert dataclasses.replace(row(), **stamped).commit == stamped["commit"]


def test_code_outside_a_repository_has_no_commit(monkeypatch):
    monkeypatch.setenv("PATH", os.devnull)
    assert stamp("cpu")["commit"] == "unknown"


def test_peak_memory_is_counted_in_mebibytes():
    assert 50 < peak_memory("cpu") < 100_000  # a process that has imported torch
