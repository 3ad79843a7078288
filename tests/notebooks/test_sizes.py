"""notebooks/sizes.yml fits the notebooks that it names."""

import pytest

import notebooks
from paperlib.experiments.parameters import declared_parameters
from paperlib.experiments.sizes import profiles, size_parameters

PROFILES = profiles(notebooks.NOTEBOOKS / "sizes.yml")
SIZES = [(name, size) for name, sizes in PROFILES.items() for size in sizes]


@pytest.mark.parametrize(("name", "size"), SIZES)
def test_a_size_names_parameters_that_the_notebook_declares_and_changes_something(name, size):
    path = notebooks.NOTEBOOKS / f"{name}.ipynb"
    chosen = size_parameters(path, size)
    assert chosen["size"] == size
    assert all(chosen[name] != declared_parameters(path)[name] for name in PROFILES[path.stem][size])


def test_every_notebook_that_declares_a_size_has_another_than_smoke():
    declaring = {path.stem for path in notebooks.NOTEBOOKS.glob("*.ipynb") if "size" in declared_parameters(path)}
    assert declaring == set(PROFILES)


def test_smoke_is_a_notebook_s_own_defaults():
    path = notebooks.NOTEBOOKS / "00_quickstart.ipynb"
    assert size_parameters(path, "smoke") == {"size": "smoke"}
    assert size_parameters(notebooks.NOTEBOOKS / "03_margins.ipynb", "smoke") == {}
