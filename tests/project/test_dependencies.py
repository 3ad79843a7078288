"""pyproject.toml, environment.yml and constraints.txt say the same, and the lock is what is installed."""

import re
import sys
import tomllib
from importlib import metadata

import yaml
from files import ROOT
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CONDA_NAMES = {"pytorch": "torch"}
# torch's own CUDA libraries: it pins them itself, and only some platforms have them.
PLATFORM = re.compile(r"(nvidia|cuda|triton)\b")


def ranges(requirements):
    parsed = [Requirement(text) for text in requirements]
    return {canonicalize_name(CONDA_NAMES.get(one.name, one.name)): one.specifier for one in parsed}


def pins():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return dict(line.split("==") for line in lines if not line.startswith("#"))


def needed():
    """Names that `.[book,test]` needs here, from what is installed."""
    found, todo = set(), [("paperlib", frozenset({"book", "test"}))]
    seen = set(todo)
    while todo:
        name, extras = todo.pop()
        for text in metadata.requires(name) or []:
            requirement = Requirement(text)
            marker = requirement.marker
            wanted = marker is None or any(marker.evaluate({"extra": extra}) for extra in extras or {""})
            key = (canonicalize_name(requirement.name), frozenset(requirement.extras))
            if wanted and key not in seen and not PLATFORM.match(key[0]):
                seen.add(key)
                todo.append(key)
                found.add(key[0])
    return found - {"paperlib"}


def test_readers_get_lower_bounds_only():
    groups = [PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()]
    for text in (text for group in groups for text in group if not text.startswith("paperlib[")):
        operators = {part.operator for part in Requirement(text).specifier}
        assert operators == {">="} or (text.startswith("jupyter-book") and operators == {">=", "<"}), text


def test_conda_is_told_what_pip_is_told():
    extras = PROJECT["optional-dependencies"]
    groups = [PROJECT["dependencies"], *(extras[name] for name in ("notebooks", "book", "cluster", "test"))]
    wanted = ranges(text for group in groups for text in group if not text.startswith("paperlib["))
    listed = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    (by_pip,) = (entry["pip"] for entry in listed if isinstance(entry, dict))
    assert "-e ." in by_pip
    told = ranges([*(e for e in listed if isinstance(e, str)), *(e for e in by_pip if e != "-e .")])
    assert str(told.pop("python")) == PROJECT["requires-python"]
    del told["pip"]
    assert told == wanted


def test_every_package_that_the_project_needs_is_locked_at_the_version_installed():
    locked = pins()
    installed = {name: metadata.version(name).split("+")[0] for name in needed()}
    assert {name: locked.get(name) for name in installed} == installed


def test_every_locked_version_runs_on_the_oldest_python_that_the_project_supports():
    oldest = PROJECT["requires-python"].removeprefix(">=") + ".0"
    demands = {name: metadata.metadata(name).get("Requires-Python") or "" for name in needed()}
    assert [name for name, demand in demands.items() if oldest not in SpecifierSet(demand)] == []


def test_nothing_is_locked_that_nobody_needs():
    if (sys.platform, sys.version_info[:2]) == ("linux", (3, 11)):  # where the lock was made
        assert set(pins()) - needed() == {"uv"}


def test_the_lock_is_pins_and_nothing_else():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    body = [line for line in lines if not line.startswith("#")]
    assert all(re.fullmatch(r"[a-z0-9][a-z0-9._-]*==[0-9][0-9a-z.]*", line) for line in body)
    assert body == sorted(set(body))
