"""paperlib.experiments.reported: the papers' numbers, and ours beside them."""

import csv
import math
from dataclasses import astuple, replace
from pathlib import Path

import numpy as np
import pytest

from paperlib.experiments import Row
from paperlib.experiments.gemini_toy import LAPTOP, table_cells
from paperlib.experiments.reported import COLUMNS, Comparison, Reported, compare, read_reported, reported_table

ROOT = Path(__file__).parents[2]
COMMITTED = ROOT / "results" / "reported.csv"
ONE = Reported("ohl2022", "a table", "blobs", "mmd_ova", "ari", 0.5, 0.1, 20, "a file")


def file_of(path, *lines, header=COLUMNS):
    with path.open("w", newline="") as stream:
        csv.writer(stream, lineterminator="\n").writerows([header, *lines])
    return path


def ours(*values, **changes):
    columns = {"paper": "ohl2022", "table": "a table", "dataset": "blobs", "method": "mmd_ova", "metric": "ari"}
    made = {"size": "smoke", "seconds": 1.0, "peak_memory": 1.0, "device": "cpu", "versions": "none", "commit": "none"}
    return [Row(seed=seed, value=value, **columns | changes, **made) for seed, value in enumerate(values)]


def test_numbers_come_back_from_a_file_as_they_were(tmp_path):
    unspread = replace(ONE, metric="accuracy", spread=math.nan, runs=1)
    first, second = read_reported(file_of(tmp_path / "r.csv", astuple(ONE), astuple(unspread)))
    assert first == ONE
    assert second.key == unspread.key
    assert math.isnan(second.spread)


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("source", "", "source='' must be one line"),
        ("method", " mmd", "method=' mmd' must be one line"),
        ("value", "nan", "value=nan must be finite"),
        ("value", "much", "could not convert"),
        ("spread", "-1", "spread=-1.0 must be finite and at least 0"),
        ("spread", "inf", "spread=inf must be finite"),
        ("runs", "0", "runs=0 must be at least 1"),
        ("runs", "2.5", "invalid literal"),
    ],
)
def test_a_line_that_breaks_the_schema_is_named(tmp_path, column, value, message):
    line = dict(zip(COLUMNS, astuple(ONE), strict=True)) | {column: value}
    with pytest.raises(ValueError, match=f"line 2: .*{message}"):
        read_reported(file_of(tmp_path / "r.csv", line.values()))


def test_a_number_that_is_there_twice_another_header_and_a_short_line_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"line 3: ohl2022, a table, blobs, mmd_ova, ari is there twice"):
        read_reported(file_of(tmp_path / "twice.csv", astuple(ONE), astuple(replace(ONE, value=0.7))))
    with pytest.raises(ValueError, match="has the header 'paper,value'"):
        read_reported(file_of(tmp_path / "header.csv", header=("paper", "value")))
    with pytest.raises(ValueError, match="line 2: "):
        read_reported(file_of(tmp_path / "short.csv", astuple(ONE)[:-1]))


def test_a_comparison_has_the_means_and_the_standard_error_of_their_difference():
    values = (0.4, 0.7, 0.4)
    found = Comparison(ONE, values)
    assert found.mean == pytest.approx(0.5)
    assert found.spread == pytest.approx(np.std(values, ddof=1))
    assert found.standard_error == pytest.approx(math.sqrt(0.03 / 3 + 0.1**2 / 20))


@pytest.mark.parametrize(("gap", "agrees"), [(0.0, True), (0.0509, True), (-0.0509, True), (0.0511, False)])
def test_means_agree_within_two_standard_errors_and_the_rounding(gap, agrees):
    reported = replace(ONE, spread=0.0)
    error = math.sqrt(2 * 0.0252**2 / 2)  # standard deviation over the root of two runs, twice which is 0.0504
    values = (0.5 + gap - error, 0.5 + gap + error)
    assert Comparison(reported, values).standard_error == pytest.approx(0.0252)
    assert Comparison(reported, values).agrees() == agrees


def test_rows_are_compared_where_they_stand_beside_a_reported_mean():
    other = replace(ONE, method="kl_ova")
    (found,) = compare(ours(0.3, 0.1) + ours(0.5, method="kl_ova") + ours(1.0, 2.0, metric="nmi"), [ONE, other])
    assert found.reported == ONE
    assert found.values == (0.3, 0.1)
    assert compare(ours(0.3, 0.1), [replace(ONE, spread=math.nan)]) == []


def test_the_committed_numbers_follow_the_schema_that_the_results_page_shows():
    assert f"\n{reported_table()}\n" in (ROOT / "results" / "README.md").read_text()
    assert len(read_reported(COMMITTED)) > 0


def test_every_cell_of_the_toy_table_has_a_reported_mean_and_no_reported_mean_is_without_a_cell():
    cells = {(cell.table, cell.dataset, cell.method) for cell in table_cells(LAPTOP)}
    reported = [one for one in read_reported(COMMITTED) if one.metric == "ari" and one.table in {c[0] for c in cells}]
    assert {one.key[1:4] for one in reported} == cells
    assert len(reported) == 40
    assert all(one.runs == 20 and one.spread >= 0 for one in reported)
