"""paperlib.experiments.report: theirs beside ours, on made-up folders and on the real one."""

import csv
import importlib
import math
import re
import shlex
from dataclasses import astuple, replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from paperlib.data import available
from paperlib.experiments import Row, contrastive_tables, write_rows
from paperlib.experiments.report import report, sections, summary
from paperlib.experiments.report_tables import Table, check_complete, read_tables
from paperlib.experiments.reported import COLUMNS, Reported, read_reported
from paperlib.experiments.results import read_rows

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "results"
TABLES = read_tables(RESULTS / "tables.yml")
ENTRY = """
  - paper: ohl2022
    table: toy
    place: a file
    datasets: blobs
    protocol: Last epoch.
    metrics: [ari]
    command: python toy.py
"""
ONE = Reported("ohl2022", "toy", "blobs", "mmd_ova", "ari", 0.5, 0.1, 20, "a file of theirs")


def ours(*values, **changes):
    columns = {"paper": "ohl2022", "table": "toy", "dataset": "blobs", "method": "mmd_ova", "metric": "ari"}
    made = {"seconds": 1.0, "peak_memory": 1.0, "device": "cpu", "versions": "torch 2", "commit": "0123456789ab+dirty"}
    columns |= {"size": "laptop"} | changes
    return [Row(seed=seed, value=value, **columns, **made) for seed, value in enumerate(values)]


def folder_of(path, rows=(), reported=(), entries=ENTRY):
    (path / "tables.yml").write_text(f"tables:{entries}")
    if rows:
        write_rows(path / "toy.csv", rows)
    if reported:
        with (path / "reported.csv").open("w", newline="") as stream:
            csv.writer(stream, lineterminator="\n").writerows([COLUMNS, *map(astuple, reported)])
    return path


def test_a_line_has_both_means_with_their_spreads_and_the_gap_which_is_ours_minus_theirs(tmp_path):
    text = report(folder_of(tmp_path, ours(0.4, 0.5, 0.3), [ONE]))
    assert "| blobs | mmd_ova | ari | 0.500 ± 0.100 (20 runs) | 0.400 ± 0.100 (3 seeds) | −0.100 |" in text
    assert "| blobs | mmd_ova | ari | 0 1 2 | 0.400 0.500 0.300 |" in text
    assert "Last epoch." in text
    assert "```console\npython toy.py\n```" in text
    assert "`toy.csv`; size laptop; device cpu; torch 2; commit 0123456+dirty." in text
    assert "a file of theirs" in text


@pytest.mark.parametrize(("values", "within"), [((0.4, 0.5, 0.3), "1 of 1"), ((0.9, 0.8), "0 of 1"), ((0.5,), "–")])
def test_the_summary_counts_the_means_that_agree_where_that_can_be_asked(tmp_path, values, within):
    (line,) = summary(sections(folder_of(tmp_path, ours(*values), [ONE]))).splitlines()[2:]
    assert line == f'| ohl2022 | <a href="#reproduction-ohl2022-toy">toy</a> | 1 | 1 | {within} | 0 |'


def test_a_link_of_the_summary_has_its_target(tmp_path):
    assert '<a id="reproduction-ohl2022-toy"></a>\n\n### toy' in report(folder_of(tmp_path))


def test_one_seed_has_no_spread_and_an_undefined_value_leaves_the_mean_undefined(tmp_path):
    rows = ours(0.4) + ours(0.4, math.nan, method="kl_ova")
    text = report(folder_of(tmp_path, rows, [replace(ONE, spread=math.nan, runs=1)]))
    assert "| 0.500 | 0.400 (1 seed) | −0.100 |" in text
    assert "| blobs | kl_ova | ari | undefined (2 seeds) |" in text


def test_sizes_are_not_averaged_with_each_other(tmp_path):
    text = report(folder_of(tmp_path, ours(0.2, 0.2) + ours(0.6, size="paper"), [ONE]))
    assert "| mmd_ova | ari | 0.500 ± 0.100 (20 runs) | 0.200 ± 0.000 (2 seeds) | −0.300 |" in text
    assert "| mmd_ova (size paper) | ari | 0.500 ± 0.100 (20 runs) | 0.600 (1 seed) | +0.100 |" in text


@pytest.mark.parametrize(("value", "gap"), [(0.4999, "0.000"), (0.5001, "0.000"), (0.501, "+0.001"), (0.499, "−0.001")])
def test_a_gap_that_rounds_to_zero_has_no_sign(tmp_path, value, gap):
    ((line,),) = (one.lines for one in sections(folder_of(tmp_path, ours(value), [ONE])))
    assert line.cell("gap") == gap


def test_a_number_without_rows_is_not_run_and_a_table_without_either_says_so(tmp_path):
    text = report(folder_of(tmp_path, reported=[ONE]))
    assert "Reported, not run here:\n\n| dataset | method | metric | reported |" in text
    assert "| blobs | mmd_ova | ari | 0.500 ± 0.100 (20 runs) |\n" in text
    assert "*Nothing was measured here for this table.*" in text


def test_metrics_that_are_not_asked_for_are_left_out_unless_the_paper_reports_them(tmp_path):
    rows = ours(0.4) + ours(0.7, metric="nmi") + ours(0.8, metric="accuracy")
    lines = sections(folder_of(tmp_path, rows, [replace(ONE, metric="nmi")]))[0].lines
    assert {line.names[2] for line in lines} == {"ari", "nmi"}


def test_rows_of_the_nearest_experiment_are_shown_and_do_not_stand_beside_a_reported_number(tmp_path):
    entries = ENTRY + "    nearest: own\n    reason: no images\n"
    folder = folder_of(tmp_path, ours(0.4, paper="none", table="own"), [ONE], entries)
    (section,) = sections(folder)
    assert "rows of the nearest experiment of ours, called *own*" in section.markdown
    assert [(len(line.rows), line.reported) for line in section.lines] == [(1, None), (0, ONE)]


def test_rows_of_the_table_itself_take_the_place_of_the_nearest_experiment(tmp_path):
    rows = ours(0.4, paper="none", table="own") + ours(0.6)
    (section,) = sections(folder_of(tmp_path, rows, [ONE], ENTRY + "    nearest: own\n"))
    assert [(line.rows[0].value, line.reported) for line in section.lines] == [(0.6, ONE)]


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        (ENTRY + "    protokol: x\n", r"tables.yml, table 1 \(ohl2022: toy\): unknown key 'protokol' \(did you mean"),
        (ENTRY.replace("    place: a file\n", ""), r"table 1 \(ohl2022: toy\): place missing"),
        (ENTRY.replace("a file", "''"), "place='' must be one line"),
        (ENTRY.replace("a file", "3"), "place=3 is a int; it must be one line of text"),
        (ENTRY.replace("[ari]", "ari"), "metrics='ari' must be a list of names"),
        (ENTRY + ENTRY, r"table 2 \(ohl2022: toy\): it is there twice"),
        ("\n  - toy\n", "table 1: 'toy' is no mapping"),
        (" toy", "must hold one key, 'tables', with a list"),
        (ENTRY + "    nearest: own\n", "ohl2022: toy: no rows are of 'none: own'"),
    ],
)
def test_a_register_that_breaks_its_schema_is_refused(tmp_path, entries, message):
    with pytest.raises(ValueError, match=message):
        report(folder_of(tmp_path, entries=entries))


def test_rows_and_reported_numbers_whose_table_is_not_registered_are_refused(tmp_path):
    assert report(folder_of(tmp_path, ours(0.4, paper="none", table="own") + ours(0.4, paper="hu2017")))
    with pytest.raises(ValueError, match="no entry for ohl2022: new; add one"):
        report(folder_of(tmp_path, ours(0.4, table="new")))
    with pytest.raises(ValueError, match="no entry for do2021: toy; ohl2022: new; add one"):
        report(folder_of(tmp_path, reported=[replace(ONE, table="new"), replace(ONE, paper="do2021")]))
    with pytest.raises(ValueError, match="no entry for do2021: new; do2021: toy; add one"):
        report(folder_of(tmp_path, ours(0.4, paper="do2021", table="new"), [replace(ONE, paper="do2021")]))


def test_a_row_that_is_there_twice_is_named_also_in_another_file(tmp_path):
    folder = folder_of(tmp_path, ours(0.4, 0.5))
    write_rows(tmp_path / "again.csv", ours(0.6))
    with pytest.raises(ValueError, match="twice: ohl2022, toy, blobs, mmd_ova, laptop, ari, seed 0; keep one"):
        report(folder)


def test_rows_of_a_registered_table_with_none_of_its_metrics_are_refused(tmp_path):
    with pytest.raises(ValueError, match="ohl2022: toy: its rows have none of its metrics"):
        report(folder_of(tmp_path, ours(0.4, metric="nmi")))


def test_a_folder_or_register_that_is_missing_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no folder .*missing; give the one that holds tables\.yml"):
        report(tmp_path / "missing")
    with pytest.raises(FileNotFoundError, match=r"there is no file .*tables\.yml"):
        report(tmp_path)


def test_every_row_and_every_reported_number_of_the_repository_is_in_the_report():
    found = {one.table.key: one for one in sections(RESULTS)}
    numbers = read_reported(RESULTS / "reported.csv")
    assert sum(len(one.reported) for one in found.values()) == len(numbers)
    names = {path.name for path in RESULTS.glob("*.csv")} - {"reported.csv"}
    papers = {paper for paper, _ in found}
    rows = [row for name in names for row in read_rows(RESULTS / name) if row.paper in papers]
    for one in found.values():
        asked = [row for row in rows if (row.paper, row.table) == one.table.key and row.metric in one.table.metrics]
        assert set(map(astuple, asked)) <= set(map(astuple, one.rows))
    shown = {(row.paper, row.table) for one in found.values() for row in one.rows}
    assert {(row.paper, row.table) for row in rows} <= shown


def test_every_paper_has_its_tables_and_what_is_missing_has_a_reason():
    bibliography = (ROOT / "book" / "references.bib").read_text()
    papers = {"jabi2021", "zhang2023entropy", "zhang2023collision", "ohl2022", "do2021"}
    assert {table.paper for table in TABLES} >= papers
    for table in TABLES:
        assert re.search(rf"^@\w+\{{{table.paper},$", bibliography, re.MULTILINE), table.paper
    for one in sections(RESULTS):
        assert one.table.reason or any(line.rows and line.reported for line in one.lines), one.table.key


def test_prose_of_the_register_holds_no_measured_number():
    for table in TABLES:
        assert not re.search(r"\d\.\d|\d ?%", f"{table.protocol} {table.reason}"), table.key


def test_numbers_that_were_recalled_and_not_read_are_absent():
    """The tables whose bodies we could not read have no number of theirs, whatever a row says."""
    numbers = read_reported(RESULTS / "reported.csv")
    readable = {"autoencoder", "Gaussians and Student-t", "MNIST", "CIFAR10", "contrastive", "from pretraining"}
    assert {one.table for one in numbers} == readable
    assert not [one for one in numbers if one.paper.startswith("zhang")]
    assert {one.method for one in numbers if one.paper == "do2021"} == {"crlc, settings not known"}


def cells_of(command, monkeypatch):
    """The cells that a command of the register would run; no file is read and nothing is measured."""
    _, _, name, *arguments = shlex.split(command)
    module, found = importlib.import_module(name), []
    data = SimpleNamespace(name="data", n_classes=10, n_clusters=10, y=None, train=SimpleNamespace(features=None))

    def named(name, **_):
        assert name in {*available(), "bbc_news_minilm"}, name
        return data

    for reader in {"load_splits", "load_images", "load_task", "read_images", "read_trunk"} & set(vars(module)):
        monkeypatch.setattr(module, reader, named if reader.startswith("load") else lambda *_, **__: data)
    monkeypatch.setattr(contrastive_tables, "skewed", lambda task, _: task)
    monkeypatch.setattr("torch.set_num_threads", lambda _: None)
    monkeypatch.setattr(module, "run_cells", lambda cells, *_, **__: found.extend(cells))
    module.main(arguments)
    return found


RUN = [table for table in TABLES if table.command.startswith("python -m ")]


@pytest.mark.parametrize("table", RUN, ids=lambda table: table.anchor)
def test_a_command_of_the_register_makes_rows_of_its_table(table, monkeypatch):
    made = {(cell.paper, cell.table) for cell in cells_of(table.command, monkeypatch)}
    assert made & {table.key, ("none", table.nearest)}


@pytest.mark.parametrize("module", sorted({table.command.split()[2] for table in RUN}))
def test_whatever_an_experiment_writes_for_a_paper_of_the_register_has_an_entry(module, monkeypatch):
    made = {(cell.paper, cell.table) for cell in cells_of(f"python -m {module} --out rows.csv", monkeypatch)}
    check_complete(TABLES, made, set(), "tables.yml")


def test_the_page_of_the_book_has_every_table_once_in_this_order_with_its_anchor():
    page = (ROOT / "book" / "reference" / "reproduction.md").read_text()
    assert re.findall(r'^show\("(\S+)", "(.+)"\)$', page, re.MULTILINE) == [table.key for table in TABLES]
    anchors = re.findall(r"^\((reproduction-\S+)\)=\n### ", page, re.MULTILINE)
    assert anchors == [table.anchor for table in TABLES]
    assert len(set(anchors)) == len(anchors)


def test_a_table_needs_no_more_than_its_names_and_its_protocol():
    table = Table("a", "b, C 1", "c", "d", "e")
    assert (table.key, table.metrics, table.command) == (("a", "b, C 1"), (), "")
    assert table.anchor == "reproduction-a-b-c-1"
