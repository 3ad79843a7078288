"""The tool that brings notebooks into normal form, on small notebooks made here."""

import base64
import copy
import json

import pytest

import notebooks


def code(source, outputs=(), count=1, **extra):
    return {
        "cell_type": "code",
        "execution_count": count,
        "id": extra.pop("id", "a"),
        "metadata": extra.pop("metadata", {}),
        "outputs": list(outputs),
        "source": source,
    }


def notebook(*cells, **metadata):
    return {"cells": list(cells), "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


def stream(text, name="stdout"):
    return {"name": name, "output_type": "stream", "text": text}


def result(data, **extra):
    return {"output_type": "execute_result", "data": data, "metadata": {"x": 1}, "execution_count": 7, **extra}


def outputs_of(*outputs):
    return notebooks.normalise(notebook(code("x", outputs)))["cells"][0]["outputs"]


def test_metadata_say_python3_and_nothing_of_the_machine():
    kernel = {"display_name": "my env", "language": "python", "name": "my-env"}
    normal = notebooks.normalise(notebook(code("x"), kernelspec=kernel, language_info={"version": "3.11.7"}, colab={}))
    assert normal["metadata"] == notebooks.METADATA
    assert normal["metadata"]["kernelspec"]["name"] == "python3"


def test_timings_go_and_tags_and_ids_stay():
    metadata = {"execution": {"iopub.status.busy": "2026"}, "papermill": {}, "tags": ["parameters"], "scrolled": True}
    cell = notebooks.normalise(notebook(code("x", id="keep-me", metadata=metadata)))["cells"][0]
    assert cell["metadata"] == {"tags": ["parameters"]}
    assert cell["id"] == "keep-me"


def test_counts_run_in_order_and_a_cell_that_did_not_run_has_none():
    cells = [code("a", [result({"text/plain": "1"})], 9), code("b", count=None), code("c", count=12)]
    normal = notebooks.normalise(notebook(*cells))["cells"]
    assert [cell["execution_count"] for cell in normal] == [1, None, 2]
    assert normal[0]["outputs"][0]["execution_count"] == 1


def test_stderr_goes_and_the_pieces_of_stdout_are_one():
    assert outputs_of(stream("a\n"), stream("warning", "stderr"), stream(["b\n", "c"])) == [
        {"name": "stdout", "output_type": "stream", "text": ["a\n", "b\n", "c"]}
    ]


def test_of_a_progress_bar_only_the_end_stays():
    assert outputs_of(stream("start\n 10%\r 50%\r100%\nend\r\n"))[0]["text"] == ["start\n", "100%\n", "end\n"]


def test_widgets_go_and_figures_stay():
    widget = {"output_type": "display_data", "data": {notebooks.WIDGETS: {}, "text/plain": "bar"}, "metadata": {}}
    figure = {
        "output_type": "display_data",
        "data": {"image/png": "iVBORw0K\nGgo=", "text/plain": "<Figure>"},
        "metadata": {},
    }
    (kept,) = outputs_of(widget, figure)
    assert kept["data"] == {"image/png": "iVBORw0KGgo=\n", "text/plain": ["<Figure>"]}


def test_the_normal_form_of_a_normal_form_is_itself():
    messy = notebook(
        {"cell_type": "markdown", "metadata": {"id": "colab"}, "source": "# One\n\ntwo"},
        code("print(1)\n1", [stream("1\n"), result({"text/plain": "1"})], 3),
    )
    before = copy.deepcopy(messy)
    once = notebooks.normalise(messy)
    assert messy == before
    assert notebooks.normalise(once) == once
    assert once["cells"][0]["source"] == ["# One\n", "\n", "two"]


def test_the_text_is_the_one_that_jupyter_writes():
    import nbformat

    normal = notebooks.normalise(notebook(code("print('é')\n1", [stream("é\n"), result({"text/plain": "1"})])))
    nbformat.validate(nbformat.from_dict(copy.deepcopy(normal)))
    assert notebooks.dump(normal) == nbformat.writes(nbformat.from_dict(normal)) + "\n"


def test_another_format_is_refused():
    with pytest.raises(ValueError, match="format 3"):
        notebooks.normalise({"nbformat": 3, "worksheets": []})


def png(n_bytes):
    image = base64.b64encode(b"x" * n_bytes).decode()
    return {"output_type": "display_data", "data": {"image/png": image}, "metadata": {}}


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ([code("x", count=None)], "cell 0 was not executed"),
        ([code("x", [png(60_001)])], "a figure of 60,001 bytes; it may have 60,000"),
        ([code("x", [png(59_000)], i, id=f"c{i}") for i in range(1, 9)], "it may have 600,000"),
        ([code("x"), code("y")], "two cells with the same id"),
        ([code("x", [{"output_type": "error", "ename": "E", "evalue": "v", "traceback": []}])], "ended in E: v"),
    ],
)
def test_a_notebook_that_cannot_be_committed_says_why(tmp_path, cells, message):
    path = tmp_path / "n.ipynb"
    path.write_text(notebooks.dump(notebooks.normalise(notebook(*cells))))
    assert [fault for fault in notebooks.faults(path) if message in fault], notebooks.faults(path)


def test_a_notebook_out_of_form_is_told_apart_from_one_in_form(tmp_path):
    path = tmp_path / "n.ipynb"
    path.write_text(json.dumps(notebook(code("x"))))
    assert "not in normal form" in notebooks.faults(path)[0]
    assert notebooks.main(["normalise", str(path)]) == 0
    assert notebooks.faults(path) == []
    path.write_text("{")
    assert "not a readable notebook" in notebooks.faults(path)[0]


def test_execution_makes_a_normal_notebook_and_a_failure_leaves_the_file(tmp_path, capfd):
    from nbclient.exceptions import CellExecutionError

    path = tmp_path / "n.ipynb"
    path.write_text(json.dumps(notebook(code("import sys\nprint(1 + 1)\nprint('no', file=sys.stderr)", count=None))))
    assert notebooks.main(["execute", str(path)]) == 0
    assert notebooks.read(path)["cells"][0]["outputs"] == [{"name": "stdout", "output_type": "stream", "text": ["2\n"]}]
    path.write_text(json.dumps(notebook(code("1 / 0", count=None))))
    before = path.read_bytes()
    with pytest.raises(CellExecutionError, match="ZeroDivisionError"):
        notebooks.main(["execute", str(path)])
    assert path.read_bytes() == before
