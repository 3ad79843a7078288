"""The rules for what stands in a notebook, on every notebook of the project."""

import ast
import re
import sys
import tomllib

import address
import pytest
from packaging.requirements import Requirement

import notebooks

NOTEBOOKS = sorted(notebooks.NOTEBOOKS.glob("*.ipynb"))
IMPORT_NAMES = {"scikit-learn": "sklearn"}
every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def code_cells(path):
    return [cell for cell in notebooks.read(path)["cells"] if cell["cell_type"] == "code"]


def source(cell):
    return "".join(cell["source"])


def install_cell():
    """The install cell that CONTRIBUTING.md shows."""
    text = (notebooks.ROOT / "CONTRIBUTING.md").read_text()
    return re.search(r"```python\n(.*?)\n```", text, re.S)[1]


def without_magics(text):
    return "\n".join(line for line in text.splitlines() if not line.startswith("%"))


def test_the_install_cell_installs_from_the_address_and_touches_nothing_where_paperlib_is(monkeypatch):
    assert f'"paperlib @ git+{address.setting().repository}"' in install_cell()
    monkeypatch.setattr("subprocess.run", lambda *_, **__: pytest.fail("it installed although paperlib is here"))
    exec(install_cell(), {})


def test_the_install_cell_installs_where_paperlib_is_missing(monkeypatch):
    ran = []
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setattr("subprocess.run", lambda command, check: ran.append((command, check)))
    exec(install_cell(), {})
    wanted = [sys.executable, "-m", "pip", "install", "-q", f"paperlib @ git+{address.setting().repository}"]
    assert ran == [(wanted, True)]


@every_notebook
def test_it_is_in_normal_form_executed_and_small(path):
    assert notebooks.faults(path) == []


@every_notebook
def test_it_has_one_install_cell_as_contributing_shows_it_before_any_other_code(path):
    cells = [source(cell) for cell in code_cells(path)]
    assert cells[0] == install_cell()
    assert sum("pip" in cell and "install" in cell for cell in cells) == 1


@every_notebook
def test_it_has_one_parameters_cell_of_plain_literals(path):
    from paperlib.experiments.parameters import declared_parameters

    tagged = [cell for cell in code_cells(path) if "parameters" in cell["metadata"].get("tags", [])]
    assert len(tagged) == 1
    declared = declared_parameters(path)
    assert declared
    assert ... not in declared.values()


@every_notebook
def test_its_colab_badge_opens_itself(path):
    text = "\n".join(source(cell) for cell in notebooks.read(path)["cells"])
    links = set(re.findall(r"https://colab\.research\.google\.com/github/[^\s)\"]+", text))
    owner, name = address.setting()
    assert links == {f"https://colab.research.google.com/github/{owner}/{name}/blob/main/notebooks/{path.name}"}


@every_notebook
def test_it_imports_only_what_installing_paperlib_brings(path):
    project = tomllib.loads((notebooks.ROOT / "pyproject.toml").read_text())["project"]
    brought = {Requirement(text).name for text in project["dependencies"]}
    allowed = {IMPORT_NAMES.get(name, name) for name in brought} | {"paperlib"} | sys.stdlib_module_names
    tree = ast.parse("\n".join(without_magics(source(cell)) for cell in code_cells(path)))
    modules = [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    modules += [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert {module.split(".")[0] for module in modules} <= allowed


@every_notebook
def test_its_only_magic_is_matplotlib_and_no_cell_ends_in_a_semicolon(path):
    for cell in map(source, code_cells(path)):
        magics = [line for line in cell.splitlines() if re.match(r"\s*[%!]", line)]
        assert all(line.startswith("%matplotlib") for line in magics)
        assert not cell.rstrip().endswith(";")


@every_notebook
def test_a_cell_that_shows_a_figure_ends_by_showing_it(path):
    for cell in code_cells(path):
        if any("image/png" in output.get("data", {}) for output in cell["outputs"]):
            assert source(cell).rstrip().splitlines()[-1].strip() == "plt.show()"
