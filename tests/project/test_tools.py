import subprocess

import pytest
import run_tests
from changed import content_hash
from files import project_files, replace_text, text_of
from lock import lock_text


@pytest.fixture
def project(tmp_path):
    for name in ("a.py", "book/b.md", ".venv/c.py", "_build/d.html", ".ci/run", "p.egg-info/e"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    return tmp_path


def names(root):
    return [path.relative_to(root).as_posix() for path in project_files(root)]


def test_outside_git_the_project_is_what_is_neither_hidden_nor_built(project):
    assert names(project) == [".ci/run", "a.py", "book/b.md"]


def test_inside_git_the_project_is_what_git_would_add(project):
    subprocess.run(["git", "init", "-q", project], check=True)
    (project / ".gitignore").write_text(".venv/\n_build/\n*.egg-info/\n")
    assert names(project) == [".ci/run", ".gitignore", "a.py", "book/b.md"]
    subprocess.run(["git", "-C", project, "add", "."], check=True)
    (project / "a.py").unlink()  # tracked, but gone
    assert names(project) == [".ci/run", ".gitignore", "book/b.md"]


def test_the_hash_follows_content_names_and_the_data_root_and_nothing_else(project, monkeypatch):
    monkeypatch.delenv("PAPERLIB_DATA", raising=False)
    first = content_hash(project)
    (project / "_build" / "d.html").write_text("built again")
    (project / "a.py").touch()
    assert content_hash(project) == first
    (project / "a.py").rename(project / "z.py")
    second = content_hash(project)
    (project / "z.py").write_text("changed")
    third = content_hash(project)
    monkeypatch.setenv("PAPERLIB_DATA", "elsewhere")
    assert len({first, second, third, content_hash(project)}) == 4


def test_a_file_that_is_no_text_has_none(tmp_path):
    (tmp_path / "x").write_bytes(b"\x89PNG\0")
    (tmp_path / "y").write_bytes(b"\xff\xfe")
    assert text_of(tmp_path / "x") is None
    assert text_of(tmp_path / "y") is None


def test_a_replaced_file_keeps_its_mode_and_leaves_nothing_beside_it(tmp_path):
    script = tmp_path / "run"
    script.write_text("old")
    script.chmod(0o755)
    replace_text(script, "new\n")
    assert script.read_text() == "new\n"
    assert script.stat().st_mode & 0o777 == 0o755
    assert list(tmp_path.iterdir()) == [script]


def test_a_write_that_fails_leaves_the_old_file(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(UnicodeEncodeError):
        replace_text(path, "\ud800")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_lock_drops_comments_local_versions_and_cuda():
    resolved = "# from here\ntorch==2.13.0+cpu\nnvidia-nccl-cu13==2.0\n    # via torch\nattrs==26.1.0\ntriton==3.9\n"
    assert lock_text(resolved).splitlines()[2:] == ["attrs==26.1.0", "torch==2.13.0"]


@pytest.fixture
def staged(tmp_path, monkeypatch):
    """`make test` with its stages replaced by notes of what would have run."""
    ran = []
    monkeypatch.setattr(run_tests, "STAMP", tmp_path / "_build" / "tests.green")
    monkeypatch.setattr(run_tests, "content_hash", lambda: "0123456789ab")
    monkeypatch.setattr(run_tests, "seconds_of_notebooks", lambda report: {"00": 3.0})
    monkeypatch.setattr(run_tests, "_run", lambda title, command: ran.append(title))
    monkeypatch.setattr("sys.argv", ["run_tests.py"])
    return ran


def test_a_second_green_run_does_nothing_unless_forced(staged, monkeypatch, capsys):
    run_tests.main()
    assert staged == ["library and repository", "notebooks", "build of the book", "book"]
    run_tests.main()
    assert len(staged) == 4
    assert "nothing changed since the last green run (0123456789ab)" in capsys.readouterr().out
    monkeypatch.setattr("sys.argv", ["run_tests.py", "--force"])
    run_tests.main()
    assert len(staged) == 8


def test_a_run_that_fails_forgets_the_last_green_one(staged, monkeypatch):
    run_tests.main()
    monkeypatch.setattr("sys.argv", ["run_tests.py", "--force"])
    monkeypatch.setattr(run_tests, "seconds_of_notebooks", lambda report: {"00": 300.0})
    with pytest.raises(
        SystemExit, match=rf"notebooks/00\.ipynb took 300 s; it may take {run_tests.NOTEBOOK_SECONDS:.0f} s"
    ):
        run_tests.main()
    assert not run_tests.STAMP.exists()


def test_files_that_change_while_the_tests_run_leave_no_green_stamp(staged, monkeypatch):
    hashes = iter(["before", "after"])
    monkeypatch.setattr(run_tests, "content_hash", lambda: next(hashes))
    run_tests.main()
    assert not run_tests.STAMP.exists()
