"""paperlib.experiments.cells: each cell is measured once, whatever stops the run."""

import math

import pytest

from paperlib.experiments import read_rows
from paperlib.experiments.cells import Cell, run_cells
from paperlib.experiments.results import stamp


@pytest.fixture
def made():
    """Seeds that were measured, in order."""
    return []


@pytest.fixture
def cells(made):
    def cell(seed, fails=False):
        def measure():
            if fails:
                raise RuntimeError("stopped")
            made.append(seed)
            return {"loss": seed / 2, "clusters_used": 3}, {"seconds": 0.5, "peak_memory": math.nan, **stamp("cpu")}

        return Cell("some table", "blobs", "k-means", "smoke", seed, measure)

    return cell


def test_the_rows_of_a_cell_say_which_cell_it_was(cells):
    first, second = cells(4).run()
    assert (first.metric, first.value, second.metric, second.value) == ("loss", 2.0, "clusters_used", 3.0)
    assert (first.table, first.dataset, first.method, first.size, first.seed) == cells(4).key
    assert first.seconds == second.seconds == 0.5


def test_a_run_that_was_stopped_goes_on_where_it_was(cells, made, tmp_path):
    path = tmp_path / "rows.csv"
    with pytest.raises(RuntimeError, match="stopped"):
        run_cells([cells(0), cells(1), cells(2, fails=True), cells(3)], path, progress=False)
    assert {row.seed for row in read_rows(path)} == {0, 1}
    found = run_cells([cells(seed) for seed in range(4)], path, progress=False)
    assert made == [0, 1, 2, 3]
    assert len(found) == len(read_rows(path)) == 8


def test_a_cell_of_another_size_is_another_cell(cells, made, tmp_path):
    path = tmp_path / "rows.csv"
    run_cells([cells(0)], path, progress=False)
    larger = Cell("some table", "blobs", "k-means", "laptop", 0, cells(0).measure)
    assert len(run_cells([larger], path, progress=False)) == 4
    assert made == [0, 0]
