"""The messages that the page on troubleshooting quotes are those that a reader gets."""

from __future__ import annotations

import ast
import json
import re
import sys
import urllib.request
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from filelock import FileLock
from torch import Tensor, nn

from paperlib.cli import main
from paperlib.data import gaussian_blobs, load
from paperlib.data.usps import USPS_SETS
from paperlib.estimators import EntropyClustering, GeminiClustering, NeighborClustering
from paperlib.experiments import Row, append_rows
from paperlib.models import torchvision_model
from paperlib.pseudo_labels import Sinkhorn
from paperlib.training import MutualInformation, TrainingConfig, train

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "book" / "troubleshooting.md").read_text(encoding="utf-8")
# A quoted message is the whole of a term of a definition list, as code.
QUOTED = [match[2] for match in re.finditer(r"^(`+)(.+?)\1\n:", PAGE, re.MULTILINE)]

BLOBS = gaussian_blobs(300, 3, spread=3.0, weights=[0.9, 0.05, 0.05], seed=1).x.numpy()
UNSURE = torch.softmax(4 * torch.randn(100, 5, generator=torch.Generator().manual_seed(0)), dim=1)
USPS = USPS_SETS["usps"].files["test"][0]


def entropy(x: Any = BLOBS, **options: Any) -> None:
    EntropyClustering(**{"n_clusters": 3, "random_state": 0, **options}).fit(x)


def network(objective: Callable[..., Tensor], *, bias: float = 0.0, folder: str | None = None, **options: Any) -> None:
    model = nn.Linear(2, 3)
    nn.init.zeros_(model.weight)
    model.bias.data = torch.tensor([bias, 0.0, 0.0])
    config = TrainingConfig(**{"epochs": 20, "batch_size": 10, **options})
    train(model, objective, torch.zeros(20, 2), config, log_every=1, folder=folder)


def no_pull(logits: Tensor, index: Tensor) -> Tensor:
    return 0 * logits.sum()


def two_runs_in_one_folder() -> None:
    for epochs in (1, 2):
        network(MutualInformation(), folder="kept", epochs=epochs)


def notebook() -> str:
    cell = {"cell_type": "code", "execution_count": None, "id": "a", "outputs": [], "source": "seeds = 2"}
    cells = [cell | {"metadata": {"tags": ["parameters"]}}]
    Path("small.ipynb").write_text(json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
    return "small.ipynb"


def run(*arguments: str, out: str = "out") -> None:
    main(["run", notebook(), "--out", out, *arguments])


def second_sweep() -> None:
    Path("one.yml").write_text(f"notebook: {notebook()}\n")
    Path("one", "cells").mkdir(parents=True)
    with FileLock("one/.lock"):
        main(["sweep", "one.yml"])


def file_of_another_kind() -> None:
    Path("rows.csv").write_text("name,age\n")
    columns = dict.fromkeys(("paper", "table", "dataset", "method", "metric", "device", "versions"), "none")
    numbers = {"value": 1.0, "seconds": 0.0, "peak_memory": 0.0}
    append_rows("rows.csv", [Row(**columns, **numbers, size="smoke", seed=0, commit="unknown")])


def usps(content: bytes = b"") -> None:
    if content:
        Path("usps").mkdir()
        Path("usps", USPS.name).write_bytes(content)
    load("usps", split="test", root=".")


def data_root_is_a_file() -> None:
    Path("file").touch()
    load("digits", root="file")


def new_samples_of_another_width() -> None:
    EntropyClustering(3, random_state=0).fit(BLOBS).predict(BLOBS[:, :1])


# A part of each message, and what makes it, in an empty folder, without a network, torchvision or POT.
PROVOKED: dict[str, Callable[[], object]] = {
    "needs torchvision": lambda: torchvision_model("resnet18", 3),
    "needs POT": lambda: GeminiClustering(3, objective="wasserstein_ova", n_init=1).fit(BLOBS[:20]),
    "there is no Jupyter kernel": lambda: run("--kernel", "absent"),
    "is not known": lambda: run("-p", "seed", "3"),
    "must be of type int": lambda: run("-p", "seeds", "many"),
    "could not be fetched": usps,
    "it is truncated": lambda: usps(b"cut short"),
    "it is corrupted": lambda: usps(bytes(USPS.n_bytes)),
    "the data root": data_root_is_a_file,
    "the model ignores the data": lambda: entropy(fairness_weight=0.1),
    "every sample is in one cluster (": lambda: GeminiClustering(3, max_iter=5, n_init=1).fit(np.ones((30, 2))),
    "clusters are used; if": lambda: entropy(n_clusters=20, fairness_weight=0.5),
    "clusters are used; raise epochs": lambda: NeighborClustering(40, epochs=1, random_state=0).fit(BLOBS),
    "contains NaN": lambda: entropy(np.where(BLOBS > 0, np.nan, BLOBS)),
    "Found array with dim 3": lambda: entropy(np.zeros((9, 4, 4))),
    "overflows float32": lambda: entropy((1e30 * BLOBS).astype(np.float32)),
    "X does not vary": lambda: entropy(np.ones((30, 2))),
    "before the loss settled": lambda: entropy(gamma=1e-6, max_iter=3),
    "before … settled": lambda: GeminiClustering(3, max_iter=2, random_state=0).fit(BLOBS),
    "with a gap of": lambda: Sinkhorn(200.0, 3).solve(UNSURE),
    "is expecting": new_samples_of_another_width,
    "was asked for, but torch sees": lambda: entropy(device="cuda"),
    "hardly a sample left": lambda: network(no_pull, bias=50.0),
    "nearly uniform": lambda: network(no_pull),
    "the loss is nan": lambda: network(lambda logits, index: logits.sum() * torch.nan),
    "checkpoints of another run": two_runs_in_one_folder,
    "asks for more": lambda: network(no_pull, batch_size=640),
    "another sweep": second_sweep,
    "would overwrite": lambda: run(out="."),
    "choose one of smoke": lambda: run("--size", "huge"),
    "header of results": file_of_another_kind,
}
# Where the wording stands: to be provoked these need another machine, another Python, or minutes.
IN_SOURCE = {
    "but 3.11 or newer is needed": "tools/setup.sh",
    "comes without its venv module": "tools/setup.sh",
    "its kernel died": "paperlib/experiments/run.py",
    "no Dask scheduler": "paperlib/experiments/dask_engine.py",
    "Search needs a server": "tools/build_book.py",
    "The book is NOT built": "tools/build_book.py",
    "was built but is not in": "tools/build_book.py",
    "the book is not built; run": "tests/book/conftest.py",
}
FOREIGN = {
    "torchvision::nms": "of torchvision beside another torch",
    "No module named 'paperlib'": "of Python where paperlib is not installed",
    "CUDA out of memory": "of torch on a GPU",
}


def quoted(part: str) -> str:
    """The one message on the page that has this part."""
    (found,) = (message for message in QUOTED if part in message)
    return found


def says(text: str, message: str) -> bool:
    """Whether the message stands in the text, with anything where it has dots."""
    pattern = ".*".join(map(re.escape, message.split("…")))
    return re.search(pattern, text, re.DOTALL) is not None


def wordings(path: Path) -> list[str]:
    """The texts of a source file, with dots for what is filled in; of a file that is not Python, its lines."""
    source = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        return source.splitlines()
    found = []
    for node in ast.walk(ast.parse(source)):
        parts = node.values if isinstance(node, ast.JoinedStr) else [node]
        texts = [part.value if isinstance(part, ast.Constant) else "…" for part in parts]
        found += ["".join(texts)] if all(isinstance(text, str) for text in texts) else []
    return found


def test_every_quoted_message_is_checked_once_and_nothing_else_is():
    parts = [*PROVOKED, *IN_SOURCE, *FOREIGN]
    assert sorted(map(quoted, parts)) == sorted(QUOTED)


def test_no_message_is_so_short_that_it_is_found_by_chance():
    assert min(len(message.replace("…", "")) for message in QUOTED) >= 15


@pytest.mark.skipif(torch.cuda.is_available(), reason="a message is about a machine without a GPU")
@pytest.mark.parametrize("part", PROVOKED)
def test_the_library_still_says_what_is_quoted(part, tmp_path, monkeypatch, capsys):
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError("no network")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    for module in ("torchvision", "torchvision.models", "ot"):
        monkeypatch.setitem(sys.modules, module, None)
    said = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            PROVOKED[part]()
        except (ImportError, ValueError, OSError, FloatingPointError) as error:
            said.append(str(error))
    said += [str(warning.message) for warning in caught] + [capsys.readouterr().err]
    assert any(says(text, quoted(part)) for text in said), said


@pytest.mark.parametrize("part", IN_SOURCE)
def test_the_source_still_has_the_wording_that_is_quoted(part):
    texts = wordings(ROOT / IN_SOURCE[part])
    assert any(says(text, quoted(part)) for text in texts)


def test_a_wording_that_has_changed_is_found_out():
    assert says("the loss is nan at step 7; lower x", "the loss is nan at step …; lower x")
    assert not says("the loss is nan after step 7; lower x", "the loss is nan at step …; lower x")
