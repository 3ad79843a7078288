import errno
import itertools
import os
import resource
import subprocess
import sys

import pytest
from example_row import row

from paperlib.experiments import append_rows, merge_rows, read_rows, record, write_rows

WRITER = """
import sys
sys.path.insert(0, {tests!r})
from example_row import row
from paperlib.experiments import append_rows
path, writer, n, batch = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
print("ready", flush=True)
sys.stdin.readline()
for start in range(0, n, batch):
    append_rows(path, [row(method=writer, seed=seed) for seed in range(start, start + batch)])
"""


def writer(path, name, n, batch, **options):
    code = WRITER.format(tests=os.path.dirname(__file__))
    command = [sys.executable, "-c", code, str(path), name, str(n), str(batch)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen(command, **pipes, **options)
    assert process.stdout.readline() == "ready\n"
    return process


def start(*processes):
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()


def test_recording_without_a_folder_writes_nothing(tmp_path, monkeypatch):
    monkeypatch.delenv("PAPERLIB_RESULTS", raising=False)
    monkeypatch.chdir(tmp_path)
    assert record([row()]) is None
    assert list(tmp_path.iterdir()) == []


def test_recording_something_that_is_no_row_is_refused_with_and_without_a_folder(tmp_path, monkeypatch):
    monkeypatch.delenv("PAPERLIB_RESULTS", raising=False)
    with pytest.raises(TypeError, match=r"it takes paperlib\.experiments\.Row"):
        record([{"paper": "x"}])
    monkeypatch.setenv("PAPERLIB_RESULTS", str(tmp_path))
    with pytest.raises(TypeError, match="given a dict"):
        record([row(), {"paper": "x"}])
    assert list(tmp_path.iterdir()) == []


def test_rows_are_appended_in_the_order_they_come(tmp_path, monkeypatch):
    monkeypatch.setenv("PAPERLIB_RESULTS", str(tmp_path / "new"))
    record([row(seed=1)])
    path = record(iter([row(seed=0), row(seed=1)]))
    assert path == tmp_path / "new" / "rows.csv"
    assert [r.seed for r in read_rows(path)] == [1, 0, 1]
    assert read_rows(path)[1] == row(seed=0)


def test_rows_are_appended_to_a_sorted_file_too(tmp_path):
    write_rows(tmp_path / "rows.csv", [row(seed=5)])
    append_rows(tmp_path / "rows.csv", [row(seed=4)])
    assert [r.seed for r in read_rows(tmp_path / "rows.csv")] == [5, 4]


def test_appending_no_rows_makes_a_file_that_can_be_read(tmp_path):
    append_rows(tmp_path / "rows.csv", [])
    assert read_rows(tmp_path / "rows.csv") == []


def test_two_processes_that_append_ten_thousand_rows_each_at_once_leave_twenty_thousand(tmp_path):
    path = tmp_path / "rows.csv"
    both = [writer(path, name, 10_000, 20) for name in ("first", "second")]
    start(*both)
    for process in both:
        assert process.communicate(timeout=120)[1] == ""
    found = read_rows(path)
    assert len(found) == 20_000
    for name in ("first", "second"):
        assert [r.seed for r in found if r.method == name] == list(range(10_000))
    switches = sum(one.method != two.method for one, two in itertools.pairwise(found))
    assert switches > 2  # they did write at once


def test_a_writer_that_is_killed_leaves_whole_rows_and_no_lock(tmp_path):
    path = tmp_path / "rows.csv"
    process = writer(path, "killed", 1_000_000, 500)
    start(process)
    while not path.exists() or path.stat().st_size < 1_000_000:
        assert process.poll() is None
    process.kill()
    process.communicate()
    append_rows(path, [row(method="next")])
    found = read_rows(path)
    assert found[-1].method == "next"
    assert [r.seed for r in found[:-1]] == list(range(len(found) - 1))


@pytest.mark.parametrize("cut", [1, 20, 60, 100, -1, -5, -11])
def test_a_line_that_was_not_finished_is_no_row(tmp_path, cut):
    path = tmp_path / "rows.csv"
    append_rows(path, [row(seed=0), row(seed=1)])
    torn = path.read_bytes()
    path.write_bytes(torn + torn.splitlines()[-1][:cut])  # the last cuts are in the commit
    append_rows(path, [row(seed=2)])
    assert [r.seed for r in read_rows(path)] == [0, 1, 2]


def test_a_last_row_without_its_line_end_is_kept(tmp_path):
    path = tmp_path / "rows.csv"
    append_rows(path, [row(seed=0), row(seed=1)])
    path.write_bytes(path.read_bytes()[:-1])
    append_rows(path, [row(seed=2)])
    assert [r.seed for r in read_rows(path)] == [0, 1, 2]


@pytest.mark.parametrize("cut", [0, 5])
def test_a_header_that_was_not_finished_is_written_again(tmp_path, cut):
    path = tmp_path / "rows.csv"
    path.write_text("paper,table"[:cut])
    append_rows(path, [row()])
    assert read_rows(path) == [row()]


def test_a_file_of_another_schema_is_refused_and_left_alone(tmp_path):
    (tmp_path / "rows.csv").write_text("paper,accuracy\nx,0.7\n")
    with pytest.raises(ValueError, match="does not start with the header of results, 'paper,table"):
        append_rows(tmp_path / "rows.csv", [row()])
    assert (tmp_path / "rows.csv").read_text() == "paper,accuracy\nx,0.7\n"


def limit_files():
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))


def test_where_the_disk_is_full_a_batch_is_there_whole_or_not_at_all(tmp_path):
    """A limit on the size of files stops a write halfway, as a full disk does."""
    path = tmp_path / "rows.csv"
    process = writer(path, "full", 1000, 7, preexec_fn=limit_files)
    start(process)
    stderr = process.communicate(timeout=60)[1]
    assert process.returncode != 0
    assert "cannot write" in stderr
    assert "free some space" in stderr
    found = read_rows(path)
    assert len(found) > 7
    assert len(found) % 7 == 0


def test_a_first_batch_that_does_not_fit_leaves_no_file(tmp_path):
    process = writer(tmp_path / "rows.csv", "full", 1000, 1000, preexec_fn=limit_files)
    start(process)
    assert "cannot write" in process.communicate(timeout=60)[1]
    assert not (tmp_path / "rows.csv").exists()


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(OSError, match=r"cannot write .*taken.*choose a folder you may write to") as caught:
        append_rows(tmp_path / "taken" / "rows.csv", [row()])
    assert caught.value.errno in (errno.ENOTDIR, errno.EEXIST)


def test_files_of_many_runs_are_merged_sorted(tmp_path):
    append_rows(tmp_path / "a.csv", [row(seed=2), row(seed=0)])
    append_rows(tmp_path / "b.csv", [row(seed=1)])
    assert merge_rows([tmp_path / "a.csv", tmp_path / "b.csv"], tmp_path / "all.csv") == 3
    assert [r.seed for r in read_rows(tmp_path / "all.csv")] == [0, 1, 2]
