"""The code in the README runs as it stands."""

import re

import numpy as np
import pytest
from files import ROOT
from matplotlib.image import imsave
from sklearn.datasets import load_digits

README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = {re.search(r"^#+ (.+)", part).group(1): part for part in re.split(r"(?=^## )", README, flags=re.M)[1:]}


def code(title):
    return re.search(r"```python\n(.*?)```", BLOCKS[title], re.S).group(1)


def test_features_are_clustered():
    found = {"features": load_digits().data[:500]}
    exec(code("Cluster your own features"), found)
    assert found["labels"].shape == (500,)


@pytest.mark.filterwarnings("ignore:.* clusters have hardly a sample left")
def test_images_are_clustered(tmp_path, monkeypatch):
    folder = tmp_path / "my-pictures"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for place in range(260):
        imsave(folder / f"{place}.png", rng.random((32, 32)), cmap="gray")
    monkeypatch.chdir(tmp_path)
    found = {}
    exec(code("Cluster your own images"), found)
    assert found["labels"].shape == (260,)
    assert list((tmp_path / "run").glob("step-*.json"))
