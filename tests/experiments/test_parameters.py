import datetime
import json

import pytest

from paperlib.experiments.parameters import ParameterError, check_parameters, declared_parameters, read_parameters

DEFAULTS = {
    "n_clusters": 10,
    "gamma": 1e-4,
    "start": "kmeans",
    "verbose": False,
    "seeds": [0, 1, 2],
    "shape": (3, 2),
    "options": {"a": 1},
    "prior": None,
    "computed": ...,
}


def notebook(tmp_path, *sources):
    cells = [{"cell_type": "code", "metadata": {"tags": ["parameters"]}, "source": source} for source in sources]
    path = tmp_path / "n.ipynb"
    path.write_text(
        json.dumps({"nbformat": 4, "cells": [{"cell_type": "markdown", "metadata": {}, "source": "x"}, *cells]})
    )
    return path


def test_declared_parameters_are_the_literals_of_the_tagged_cell(tmp_path):
    source = [
        "# how many\n",
        "n_clusters = 10\n",
        "gamma: float = -1e-4\n",
        "prior = None\n",
        "half = 1 / 2\n",
        "x: int\n",
    ]
    expected = {"n_clusters": 10, "gamma": -1e-4, "prior": None, "half": ...}
    assert declared_parameters(notebook(tmp_path, source)) == expected


def test_a_notebook_without_a_parameters_cell_declares_none(tmp_path):
    assert declared_parameters(notebook(tmp_path)) == {}


@pytest.mark.parametrize("default", ["{'x', 'y'}", "b'x'", "{1: 2}", "[{1}]", "1j", "f()"])
def test_a_default_that_a_notebook_would_not_get_back_as_it_is_cannot_be_set(tmp_path, default):
    declared = declared_parameters(notebook(tmp_path, f"odd = {default}"))
    assert declared == {"odd": ...}
    with pytest.raises(ParameterError, match="cannot be set"):
        check_parameters(declared, {"odd": 1})


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("gamma", "1e-3", 1e-3),
        ("gamma", 2, 2.0),
        ("rates", [1, "1e-3"], [1.0, 1e-3]),
        ("shape", [4, 5], (4, 5)),
        ("prior", [1, {"a": None}], [1, {"a": None}]),
        ("options", {"b": [1]}, {"b": [1]}),
        ("seeds", [], []),
    ],
)
def test_values_that_came_with_a_type_are_brought_into_the_declared_one(name, value, expected):
    found = check_parameters(DEFAULTS | {"rates": [0.1]}, {name: value})[name]
    assert found == expected
    assert repr(found) == repr(expected)


LOOP: list = []
LOOP.append(LOOP)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("n_clusters", True),
        ("n_clusters", "3"),
        ("n_clusters", 1.0),
        ("gamma", "small"),
        ("gamma", True),
        ("gamma", 10**400),
        ("start", 3),
        ("verbose", 1),
        ("seeds", [1.5]),
        ("seeds", "12"),
        ("options", {1: 2}),
        ("prior", datetime.date(2020, 1, 1)),
        ("prior", LOOP),
        ("seeds", LOOP),
    ],
)
def test_values_of_another_type_are_refused(name, value):
    with pytest.raises(ParameterError, match=f"parameter '{name}' must be"):
        check_parameters(DEFAULTS, {name: value})


def test_what_is_no_notebook_is_refused(tmp_path):
    with pytest.raises(ParameterError, match="there is no notebook"):
        declared_parameters(tmp_path / "missing.ipynb")
    for content in ("not json", "[]", '{"cells": 3}', '{"worksheets": []}'):
        (tmp_path / "bad.ipynb").write_text(content)
        with pytest.raises(ParameterError, match="cannot be read as a Jupyter notebook"):
            declared_parameters(tmp_path / "bad.ipynb")
    with pytest.raises(ParameterError, match="2 cells tagged"):
        declared_parameters(notebook(tmp_path, "a = 1", "b = 1"))
    with pytest.raises(ParameterError, match="not Python"):
        declared_parameters(notebook(tmp_path, "a ="))


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("n_clusters", "-3", -3),
        ("gamma", "1", 1.0),
        ("gamma", "-1e-3", -1e-3),
        ("start", "random", "random"),
        ("start", "", ""),
        ("start", "3", "3"),
        ("verbose", "true", True),
        ("verbose", "False", False),
        ("seeds", "[4, 5]", [4, 5]),
        ("seeds", "[]", []),
        ("shape", "[1, 2]", (1, 2)),
        ("shape", "(1, 2)", (1, 2)),
        ("options", "{'b': 2}", {"b": 2}),
        ("prior", "[0.5, 0.5]", [0.5, 0.5]),
        ("prior", "null", None),
        ("prior", "'uniform'", "uniform"),
    ],
)
def test_a_text_becomes_a_value_of_the_declared_type(name, text, expected):
    value = read_parameters(DEFAULTS, [(name, text)])[name]
    assert value == expected
    assert type(value) is type(expected)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("n_clusters", "3.0", "of type int, as its default 10; given was '3.0'"),
        ("n_clusters", "true", "of type int"),
        ("gamma", "small", "of type float, as its default 0.0001; given was 'small'"),
        ("verbose", "1", "true or false"),
        ("verbose", "yes", "true or false"),
        ("seeds", "3", "of type list"),
        ("seeds", "[1, 'a']", "of type list"),
        ("seeds", "[1, true]", "of type list"),
        ("shape", "3", "of type tuple"),
        ("options", "[1]", "of type dict"),
        ("prior", "uniform", "a string needs its quotes"),
        ("computed", "1", "not a plain literal"),
    ],
)
def test_a_text_of_another_type_is_refused(name, text, message):
    with pytest.raises(ParameterError, match=message):
        read_parameters(DEFAULTS, [(name, text)])


def test_an_unknown_name_is_refused_with_the_nearest_and_all_that_are_declared():
    with pytest.raises(
        ParameterError, match=r"'gama' is not known \(did you mean 'gamma'\?\); .* n_clusters, gamma, start"
    ):
        read_parameters(DEFAULTS, [("gama", "1")])


def test_a_notebook_that_declares_nothing_takes_nothing():
    with pytest.raises(ParameterError, match="declares none"):
        read_parameters({}, [("gamma", "1")])


def test_a_name_given_twice_is_refused():
    with pytest.raises(ParameterError, match="given twice"):
        read_parameters(DEFAULTS, [("gamma", "1"), ("gamma", "2")])
