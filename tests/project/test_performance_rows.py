"""The page of timed comparisons: its commands are ones that the benchmarks understand, and its figures have rows."""

import importlib
import re
import shlex
from collections import Counter
from pathlib import Path

import pytest
from files import ROOT

from paperlib.experiments import read_rows

PAGE = (ROOT / "book" / "reference" / "performance.md").read_text()
ROWS = ROOT / "results" / "performance.csv"
COMMANDS = [block.replace("\\\n", "") for block in re.findall(r"^```bash\n(.*?)^```", PAGE, re.M | re.S)]
FIGURES = re.findall(r"^ +name: fig-performance-([\w-]+)$", PAGE, re.M)


@pytest.fixture
def benchmark_of(monkeypatch):
    """Imports the script of a command, and no more: nothing is timed."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return lambda command: importlib.import_module(Path(shlex.split(command)[1]).stem)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: Path(shlex.split(command)[1]).stem)
def test_a_command_of_the_page_is_understood_and_has_left_rows(command, benchmark_of):
    python, script, *arguments = shlex.split(command)
    module = benchmark_of(command)
    assert (python, ROOT / script) == ("python", Path(module.__file__))
    assert ROOT / module.parser().parse_args(arguments).out == ROWS
    assert any(row.table == module.TABLE for row in read_rows(ROWS))


def test_a_misspelt_option_of_a_command_is_refused(benchmark_of, capsys):
    with pytest.raises(SystemExit):
        benchmark_of(COMMANDS[0]).parser().parse_args(["--outt", "rows.csv"])
    assert "unrecognized arguments: --outt" in capsys.readouterr().err


def test_every_table_of_rows_has_a_command_and_a_figure_on_the_page(benchmark_of):
    tables = [benchmark_of(command).TABLE for command in COMMANDS]
    assert sorted(tables) == sorted({row.table for row in read_rows(ROWS)})
    assert len(FIGURES) == len(set(FIGURES)) == len(tables)
    assert all(f'"{table.removeprefix("performance: ")}"' in PAGE for table in tables)


def test_contestants_had_equally_many_rounds_at_least_five_in_one_run():
    rows = read_rows(ROWS)
    for table, dataset in {(row.table, row.dataset) for row in rows}:
        here = [row for row in rows if (row.table, row.dataset) == (table, dataset)]
        rounds = Counter(row.method for row in here)
        assert len(rounds) > 1, f"{table}, {dataset}: nothing to compare with"
        assert len(set(rounds.values())) == 1, f"{table}, {dataset}: {rounds}"
        assert min(rounds.values()) >= 5, f"{table}, {dataset}: {rounds}"
        assert len({(row.seed, row.method) for row in here}) == len(here), f"{table}, {dataset}: a round is there twice"
        assert len({(row.device, row.versions, row.commit) for row in here}) == 1, f"{table}, {dataset}: of two runs"


def test_rows_of_one_table_are_replaced_and_others_stay(tmp_path, benchmark_of):
    benchmark_of(COMMANDS[0])  # puts the scripts on the path
    timing = importlib.import_module("timing")
    first = [timing.race(f"table {number}", "nothing", {"a": list, "b": dict}, 1) for number in (1, 2)]
    again = timing.race("table 1", "nothing", {"c": list}, 2)
    for rows in (*first, again):
        timing.keep(tmp_path / "rows.csv", rows)
    kept = read_rows(tmp_path / "rows.csv")
    assert {(row.table, row.method, row.seed) for row in kept} == {
        ("table 1", "c", 0),
        ("table 1", "c", 1),
        ("table 2", "a", 0),
        ("table 2", "b", 0),
    }
