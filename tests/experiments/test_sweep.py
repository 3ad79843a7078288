"""Sweeps, in this process and on Dask clusters; those that kill processes do it to real ones."""

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from paperlib.cli import main
from paperlib.experiments import read_rows
from paperlib.experiments.grid import GridCell, identity_of, read_grid
from paperlib.experiments.sweep import Finished, run_cell, run_sweep, summary
from paperlib.experiments.sweep_progress import Progress

NOTEBOOK = """
import os, time
from pathlib import Path
from paperlib.experiments import Row, record

with open(Path(marks) / f"{n}", "a") as stream:
    stream.write("started\\n")
time.sleep(seconds)
assert n != bad, "the bad one"
record([Row(paper="none", table="none", dataset="none", method="m", size="smoke", seed=n, metric="square",
            value=float(n * n), seconds=0.0, peak_memory=0.0, device="cpu", versions="none", commit="unknown")])
with open(Path(marks) / f"{n}", "a") as stream:
    stream.write("finished\\n")
"""


@pytest.fixture
def sweep_file(tmp_path):
    """Writes a notebook and a sweep of ``n`` cells over it; a cell marks in a file that it started and finished."""

    def write(n_cells, *, seconds=0.0, bad=-1):
        (tmp_path / "marks").mkdir()
        parameters = f"n = 0\nseconds = {seconds}\nbad = {bad}\nmarks = {str(tmp_path / 'marks')!r}"
        cells = [
            {"cell_type": "code", "execution_count": None, "id": f"c{i}", "outputs": [], "source": source}
            | {"metadata": {"tags": ["parameters"]} if i == 0 else {}}
            for i, source in enumerate((parameters, NOTEBOOK))
        ]
        kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
        notebook = {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
        (tmp_path / "notebooks").mkdir()
        (tmp_path / "notebooks" / "small.ipynb").write_text(json.dumps(notebook))
        path = tmp_path / "squares.yml"
        path.write_text(f"notebook: notebooks/small.ipynb\ngrid: {{n: {list(range(n_cells))}}}\n")
        return path

    return write


def marks(folder):
    """How often each cell started and finished."""
    texts = {int(path.name): path.read_text().split() for path in (folder / "marks").iterdir()}
    return {n: (words.count("started"), words.count("finished")) for n, words in texts.items()}


def squares(folder):
    return [(row.seed, row.value) for row in read_rows(folder / "rows.csv")]


def finished(folder):
    return {path.name for path in (folder / "cells").iterdir() if not path.name.startswith(".")}


def sweep_process(*arguments):
    command = [sys.executable, "-m", "paperlib.cli", "sweep", *map(str, arguments)]
    heed = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # a shell has its background jobs ignore it
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=heed)


def wait_for(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


def test_a_sweep_runs_each_cell_once_and_merges_the_rows(sweep_file, tmp_path, capsys):
    path = sweep_file(3)
    assert main(["sweep", str(path)]) == 0
    assert marks(tmp_path) == {n: (1, 1) for n in range(3)}
    assert squares(tmp_path / "squares") == [(n, n * n) for n in range(3)]
    said = capsys.readouterr()
    assert "3 cells: 3 done" in said.out
    assert "[3/3] done: small: n=2" in said.err
    for identity in finished(tmp_path / "squares"):
        names = {p.name for p in (tmp_path / "squares" / "cells" / identity).iterdir() if p.name[0] != "."}
        assert names == {"small.ipynb", "small.log", "rows.csv"}
    assert main(["sweep", str(path)]) == 0
    assert marks(tmp_path) == {n: (1, 1) for n in range(3)}
    assert "3 cells: 3 was there" in capsys.readouterr().out
    assert squares(tmp_path / "squares") == [(n, n * n) for n in range(3)]


def test_a_failed_cell_is_told_kept_apart_and_run_again(sweep_file, tmp_path, capsys):
    path = sweep_file(3, bad=1)
    assert main(["sweep", str(path), "--out", str(tmp_path / "out")]) == 1
    said = capsys.readouterr().out
    assert "3 cells: 2 done, 1 failed" in said
    assert "AssertionError: the bad one" in said
    (failed,) = (tmp_path / "out" / "failed").iterdir()
    assert str(failed / "small.failed.ipynb") in said
    assert (failed / "small.failed.ipynb").exists()
    assert "the bad one" in (failed / "small.log").read_text()
    assert squares(tmp_path / "out") == [(0, 0.0), (2, 4.0)]
    assert main(["sweep", str(path), "--out", str(tmp_path / "out")]) == 1
    assert marks(tmp_path) == {0: (1, 1), 1: (2, 0), 2: (1, 1)}
    (cell,) = (cell for cell in read_grid(path) if cell.parameters["n"] == 1)
    (tmp_path / "notebooks" / "small.ipynb").write_text(Path(cell.notebook).read_text().replace("bad = 1", "bad = -1"))
    parameters = cell.parameters | {"bad": -1}
    mended = [GridCell(cell.notebook, parameters, identity_of(cell.notebook, parameters))]
    (tmp_path / "out" / "failed" / cell.identity).rename(tmp_path / "out" / "failed" / mended[0].identity)
    assert [one.state for one in run_sweep(mended, tmp_path / "out")] == ["done"]
    assert list((tmp_path / "out" / "failed").iterdir()) == []


def test_a_dry_run_shows_the_cells_and_runs_nothing(sweep_file, tmp_path, capsys):
    path = sweep_file(2)
    assert main(["sweep", str(path), "--dry-run"]) == 0
    assert capsys.readouterr().out.count("to run") == 2
    assert not (tmp_path / "squares").exists()
    done = read_grid(path)[1].identity
    (tmp_path / "squares" / "cells" / done).mkdir(parents=True)
    main(["sweep", str(path), "--dry-run"])
    assert capsys.readouterr().out.splitlines()[1] == f"{done} finished small: n=1"


def test_a_second_driver_in_the_same_folder_is_refused(sweep_file, tmp_path, capsys):
    path = sweep_file(1, seconds=20)
    first = sweep_process(path)
    wait_for(lambda: marks(tmp_path))
    assert main(["sweep", str(path)]) == 1
    assert "another sweep is running in" in capsys.readouterr().err
    first.send_signal(signal.SIGINT)
    assert "interrupted; what is finished stays" in first.communicate(timeout=60)[1]
    assert first.returncode == 130
    assert [p.name for p in (tmp_path / "squares" / "cells").iterdir()] == []


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["missing.yml"], 2, "there is no file missing.yml"),
        (["squares.yml", "--workers", "0"], 2, "workers=0 must be at least 1"),
        (["squares.yml", "--scheduler", "tcp://127.0.0.1:9"], 1, "no Dask scheduler answers at tcp://127.0.0.1:9"),
        (["squares.yml", "--scheduler", "nowhere://x"], 2, "'nowhere://x' is no address of a Dask scheduler"),
        (["squares.yml", "--out", "squares.yml/out"], 1, "cannot write"),
    ],
)
def test_a_refused_sweep_says_why_and_leaves_nothing(
    sweep_file, tmp_path, monkeypatch, capsys, arguments, code, message
):
    pytest.importorskip("distributed")
    monkeypatch.setattr("paperlib.experiments.dask_engine.SECONDS_TO_CONNECT", 1)
    monkeypatch.chdir(tmp_path)
    sweep_file(1)
    before = sorted(tmp_path.rglob("*"))
    assert main(["sweep", *arguments]) == code
    assert message in capsys.readouterr().err
    assert sorted(tmp_path.rglob("*")) == before


def test_sweeping_without_dask_names_the_extra(sweep_file, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "distributed", None)
    assert main(["sweep", str(sweep_file(1)), "--workers", "1"]) == 2
    assert "paperlib[cluster]" in capsys.readouterr().err


@pytest.mark.skipif(os.getuid() != 0, reason="becomes another user")
def test_a_folder_that_may_not_be_written_is_refused(sweep_file, tmp_path):
    path = sweep_file(1)
    (tmp_path / "out").mkdir(mode=0o555)
    code = (
        "import os, sys, papermill, yaml, filelock, torch, paperlib.experiments.sweep; from paperlib.cli import main\n"
        "os.setuid(65534); sys.exit(main(['sweep', *sys.argv[1:]]))"
    )
    for folder in (tmp_path, *tmp_path.parents):
        with contextlib.suppress(PermissionError):
            folder.chmod(folder.stat().st_mode | 0o055)
    command = [sys.executable, "-c", code, str(path), "--out", str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "cannot write" in done.stderr
    assert "choose a folder you may write to" in done.stderr
    assert "Traceback" not in done.stderr
    assert list((tmp_path / "out").iterdir()) == []


def test_a_worker_with_another_library_does_not_run_the_cell(sweep_file, tmp_path):
    (cell,) = read_grid(sweep_file(1))
    answer = run_cell(replace(cell, identity="0123456789ab"), str(tmp_path / "out"), "python3")
    assert "has another version of paperlib" in answer.problem
    assert marks(tmp_path) == {}


def test_a_cell_that_another_finished_meanwhile_is_not_run(sweep_file, tmp_path):
    (cell,) = read_grid(sweep_file(1))
    (tmp_path / "out" / "cells" / cell.identity).mkdir(parents=True)
    assert run_cell(cell, str(tmp_path / "out"), "python3").problem == ""
    assert marks(tmp_path) == {}


def test_damaged_rows_cost_one_cell(sweep_file, tmp_path):
    cells = read_grid(sweep_file(2))
    run_sweep(cells, tmp_path / "out")
    (tmp_path / "out" / "cells" / cells[0].identity / "rows.csv").write_text("damaged\n")
    found = run_sweep(cells, tmp_path / "out")
    assert [one.state for one in found] == ["failed", "was there"]
    assert "rows.csv has the header 'damaged'" in found[0].problem
    assert "remove the folder" in found[0].problem
    assert squares(tmp_path / "out") == [(1, 1.0)]


def test_what_is_finished_is_merged_when_the_rest_is_interrupted(sweep_file, tmp_path):
    def stop(one):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_sweep(read_grid(sweep_file(2)), tmp_path / "out", report=stop)
    assert squares(tmp_path / "out") == [(0, 0.0)]


def test_a_kernel_that_does_not_start_fails_its_cell(sweep_file, tmp_path, monkeypatch):
    kernel = tmp_path / "jupyter" / "kernels" / "dead"
    kernel.mkdir(parents=True)
    (kernel / "kernel.json").write_text(json.dumps({"argv": ["false"], "display_name": "x", "language": "python"}))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    (found,) = run_sweep(read_grid(sweep_file(1)), tmp_path / "out", kernel="dead")
    assert "the Jupyter kernel 'dead' did not start" in found.problem


def test_a_full_disk_fails_a_cell_and_keeps_those_before(sweep_file, tmp_path, monkeypatch):
    """The copy of the second cell does not fit."""
    import papermill

    cells, calls, execute = read_grid(sweep_file(3)), [], papermill.execute_notebook

    def full(*arguments, **options):
        calls.append(arguments)
        if len(calls) == 2:
            raise OSError(28, "No space left on device")
        return execute(*arguments, **options)

    monkeypatch.setattr(papermill, "execute_notebook", full)
    found = run_sweep(cells, tmp_path / "out")
    assert [one.state for one in found] == ["done", "failed", "done"]
    assert "No space left on device" in found[1].problem
    assert finished(tmp_path / "out") == {cells[0].identity, cells[2].identity}
    assert squares(tmp_path / "out") == [(0, 0.0), (2, 4.0)]
    assert [one.state for one in run_sweep(cells, tmp_path / "out")] == ["was there", "done", "was there"]


def test_on_a_terminal_a_bar_shows_how_far_it_is(sweep_file, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    (cell,) = read_grid(sweep_file(1))
    monkeypatch.setattr(sys, "stderr", Terminal())
    with Progress(3) as progress:
        progress(Finished(cell, before=True))
        progress(Finished(cell, 1.0, "broke"))
        shown = progress.bar.format_dict
    assert (shown["n"], shown["initial"], shown["total"]) == (2, 1, 3)  # what was there tells nothing of the speed
    assert "2/3" in sys.stderr.getvalue()
    assert "1 failed" in sys.stderr.getvalue()


def test_a_summary_of_many_cells_shows_those_that_failed(sweep_file):
    (cell,) = read_grid(sweep_file(1))
    many = [Finished(cell, 1.0)] * 60 + [Finished(cell, 2.0, "broke\nlook there")]
    text = summary(many)
    assert text.count(cell.identity) == 2
    assert "  look there" in text
    assert text.endswith("61 cells: 60 done, 1 failed")
    assert summary(many[:3]).count(cell.identity) == 3


@pytest.mark.slow
def test_a_killed_worker_and_a_killed_driver_lose_nothing_and_repeat_nothing(sweep_file, tmp_path):
    """Eight cells, two workers; one worker is killed, then the driver; the second call finishes the rest."""
    pytest.importorskip("distributed")
    psutil = pytest.importorskip("psutil")
    path, out = sweep_file(8, seconds=0.5), tmp_path / "squares"
    driver = sweep_process(path, "--workers", 2)
    wait_for(lambda: len(marks(tmp_path)) >= 2)
    family = psutil.Process(driver.pid)
    workers = [child for child in family.children() if any("spawn_main" in word for word in child.cmdline())]
    assert len(workers) == 2
    workers[0].kill()
    wait_for(lambda: len(finished(out)) >= 3)
    orphans = family.children(recursive=True)
    driver.kill()
    driver.communicate()
    assert psutil.wait_procs(orphans, timeout=30)[1] == []  # its workers and their kernels go with it
    before, marked = finished(out), marks(tmp_path)
    assert 3 <= len(before) < 8
    second = sweep_process(path, "--workers", 2)
    said = second.communicate(timeout=120)
    assert second.returncode == 0, said
    assert f"{len(before)} was there" in said[0]
    assert squares(out) == [(n, n * n) for n in range(8)]
    assert len(finished(out)) == 8
    assert [p.name for p in (out / "cells").iterdir() if p.name.startswith(".")] == []
    untouched = [cell.parameters["n"] for cell in read_grid(path) if cell.identity in before]
    assert {n: marks(tmp_path)[n] for n in untouched} == {n: marked[n] for n in untouched}


@pytest.mark.slow
def test_a_scheduler_and_two_workers_over_tcp_run_a_sweep_and_survive_a_killed_driver(sweep_file, tmp_path):
    pytest.importorskip("distributed")
    path, out = sweep_file(6, seconds=0.5), tmp_path / "squares"
    address_file = tmp_path / "scheduler.json"
    options = ["--no-dashboard", "--scheduler-file", str(address_file)]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    command = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0", *options]
    cluster = [subprocess.Popen(command, **quiet)]
    try:
        wait_for(address_file.exists)
        address = json.loads(address_file.read_text())["address"]
        driver = sweep_process(path, "--scheduler", address)  # it waits for the first worker
        worker = [sys.executable, "-m", "distributed.cli.dask_worker", address, "--nthreads", "2", "--no-dashboard"]
        cluster += [subprocess.Popen([*worker, "--no-nanny"], cwd=tmp_path, **quiet) for _ in range(2)]
        wait_for(lambda: out.exists() and len(finished(out)) >= 2)
        driver.kill()
        driver.communicate()
        before, marked = finished(out), marks(tmp_path)
        second = sweep_process(path, "--scheduler", address)
        said = second.communicate(timeout=120)
        assert second.returncode == 0, said
        assert squares(out) == [(n, n * n) for n in range(6)]
        untouched = [cell.parameters["n"] for cell in read_grid(path) if cell.identity in before]
        assert len(untouched) >= 2
        assert {n: marks(tmp_path)[n] for n in untouched} == {n: marked[n] for n in untouched}
    finally:
        for process in cluster:
            process.kill()
            process.wait()


THREADS = """
import sys
from concurrent.futures import ThreadPoolExecutor
from paperlib.experiments.grid import read_grid
from paperlib.experiments.sweep import run_cell

with ThreadPoolExecutor(3) as pool:
    run = [pool.submit(run_cell, cell, sys.argv[2], "python3") for cell in read_grid(sys.argv[1])]
    assert [future.result().problem for future in run] == ["", "", ""]
"""


def test_cells_of_one_process_do_not_share_their_rows(sweep_file, tmp_path):
    """Threads of one worker: what papermill and we change belongs to the process, so they take turns."""
    path = sweep_file(3)
    subprocess.run([sys.executable, "-c", THREADS, path, tmp_path / "out"], check=True, timeout=120)
    for cell in read_grid(path):
        n = cell.parameters["n"]
        assert squares(tmp_path / "out" / "cells" / cell.identity) == [(n, n * n)]


def test_a_cell_knows_nothing_of_where_its_grid_was(sweep_file):
    (cell,) = read_grid(sweep_file(1))
    assert identity_of(cell.notebook, cell.parameters) == cell.identity
