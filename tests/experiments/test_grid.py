import json

import pytest

from paperlib.experiments.grid import identity_of, read_grid
from paperlib.experiments.parameters import ParameterError

PARAMETERS = "seed = 0\nrate = 0.1\nmethods = ['a']\nsize = 'smoke'"


def notebook(folder, *sources, name="small.ipynb", text="prose"):
    cells = [{"cell_type": "markdown", "metadata": {}, "source": text}]
    for place, source in enumerate(sources or (PARAMETERS, "print(seed)")):
        tags = {"tags": ["parameters"]} if place == 0 else {}
        cells.append({"cell_type": "code", "metadata": tags, "source": source, "outputs": []})
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(json.dumps({"nbformat": 4, "cells": cells}))
    return path


def grid(tmp_path, text):
    path = tmp_path / "sweep.yml"
    path.write_text(text)
    return read_grid(path)


def test_a_grid_is_every_combination_the_last_parameter_fastest(tmp_path):
    notebook(tmp_path)
    cells = grid(tmp_path, "notebook: small.ipynb\ngrid: {seed: [0, 1], methods: [[a], [a, b]]}")
    assert [(cell.parameters["seed"], cell.parameters["methods"]) for cell in cells] == [
        (0, ["a"]),
        (0, ["a", "b"]),
        (1, ["a"]),
        (1, ["a", "b"]),
    ]
    assert str(cells[1]) == "small: seed=0, methods=['a', 'b']"
    assert {cell.notebook for cell in cells} == {str(tmp_path / "small.ipynb")}


def test_the_notebook_is_found_from_the_file_s_own_folder(tmp_path, monkeypatch):
    notebook(tmp_path / "notebooks")
    (tmp_path / "sweeps").mkdir()
    monkeypatch.chdir("/")
    assert len(grid(tmp_path / "sweeps", "notebook: ../notebooks/small.ipynb")) == 1


def test_size_fixed_parameters_and_grid_override_one_another_in_this_order(tmp_path):
    notebook(tmp_path)
    (tmp_path / "sizes.yml").write_text("small: {laptop: {rate: 0.2, methods: [c], seed: 9}}")
    (cell,) = grid(tmp_path, "notebook: small.ipynb\nsize: laptop\nparameters: {methods: [b]}\ngrid: {seed: [3]}")
    assert cell.parameters == {"size": "laptop", "rate": 0.2, "methods": ["b"], "seed": 3}


def test_a_file_may_hold_several_sweeps(tmp_path):
    notebook(tmp_path)
    notebook(tmp_path, name="other.ipynb")
    cells = grid(tmp_path, "- notebook: small.ipynb\n  grid: {seed: [0, 1]}\n- notebook: other.ipynb")
    assert [str(cell) for cell in cells] == ["small: seed=0", "small: seed=1", "other"]


def test_yaml_s_idea_of_a_small_number_is_understood(tmp_path):
    notebook(tmp_path)
    cells = grid(tmp_path, "notebook: small.ipynb\ngrid: {rate: [1e-3, 1]}")
    assert [cell.parameters["rate"] for cell in cells] == [0.001, 1.0]


def test_the_identity_depends_on_code_and_parameters_and_on_nothing_else(tmp_path):
    path = notebook(tmp_path / "a")
    identity = identity_of(path, {"seed": 1})
    assert len(identity) == 12
    assert identity_of(path, {"seed": 1, "rate": 0.1}) == identity  # a default that is given
    assert identity_of(path, {"rate": 0.1, "seed": 1}) == identity
    assert identity_of(path, {"seed": 2}) != identity
    elsewhere = notebook(tmp_path / "b", text="other prose")
    assert identity_of(elsewhere, {"seed": 1}) == identity
    changed = notebook(tmp_path / "c", PARAMETERS, "print(seed + 1)")
    assert identity_of(changed, {"seed": 1}) != identity


def test_the_identity_depends_on_the_library_s_version(tmp_path, monkeypatch):
    path = str(notebook(tmp_path))
    before = identity_of(path, {})
    monkeypatch.setattr("paperlib.__version__", "99.0")
    assert identity_of(path, {}) != before


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "it holds None"),
        ("[]", "holds no sweep"),
        ("just words", "must hold lines such as"),
        ("notebok: small.ipynb", r"key 'notebok' is unknown \(did you mean 'notebook'\?\)"),
        ("grid: {seed: [1]}", "`notebook:` is missing"),
        ("notebook: missing.ipynb", "there is no notebook"),
        ("notebook: small.ipynb\nsize: huge", "size 'huge' is unknown; choose one of smoke, laptop, paper"),
        ("notebook: small.ipynb\nsize: laptop", "has no size 'laptop'; it has smoke"),
        ("notebook: small.ipynb\ngrid: {sed: [1]}", r"'sed' is not known \(did you mean 'seed'\?\)"),
        ("notebook: small.ipynb\ngrid: {seed: [one]}", "'seed' must be of type int, as its default 0; given was 'one'"),
        ("notebook: small.ipynb\ngrid: {seed: 1}", r"must list values of 'seed', such as `seed: \[1, 2\]`; it has 1"),
        ("notebook: small.ipynb\ngrid: {seed: []}", "must list values of 'seed'"),
        ("notebook: small.ipynb\ngrid: {methods: [a, b]}", "'methods' must be of type list"),
        ("notebook: small.ipynb\nparameters: {sed: 1}", "'sed' is not known"),
        ("notebook: small.ipynb\nparameters: {seed: 1}\ngrid: {seed: [1]}", "under `parameters:` and under `grid:`"),
        ("notebook: small.ipynb\ngrid: {seed: [1, 1]}", "cell `small: seed=1` twice"),
        ("- notebook: small.ipynb\n- notebook: small.ipynb\n  parameters: {seed: 0}", "twice"),
    ],
)
def test_a_refused_sweep_says_why_and_where(tmp_path, text, message):
    notebook(tmp_path)
    with pytest.raises(ParameterError, match=message) as caught:
        grid(tmp_path, text)
    assert "sweep.yml" in str(caught.value)
