"""paperlib.experiments.gemini_images_tables and _run: which runs there are, and that they run."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

from paperlib.experiments import gemini_images_run, read_rows
from paperlib.experiments.gemini_images_data import Images, ImageTask, load_images, read_images
from paperlib.experiments.gemini_images_tables import (
    CIFAR10,
    GEOMETRY,
    MNIST,
    TABLES,
    cells,
    cifar10_configs,
    geometry_configs,
    mnist_configs,
)


def tiny(features=True):
    digits = load_images("digits")
    lent = digits.train.x[:60, 4] if features else None
    parts = [Images(part.x[:60], part.y[:60], lent) for part in (digits.train, digits.test)]
    return ImageTask("digits/test, trained on 60", *parts)


def test_the_papers_table_of_mnist_has_all_its_cells():
    configs = list(mnist_configs("paper"))
    assert len({config.method for config in configs}) == len(configs) == 2 * 2 * 10 * 2
    assert {(c.epochs, c.batch_size, c.learning_rate, c.radius, c.squared, c.geometry) for c in configs} == {
        (500, 250, 1e-3, 1.0, True, "pixels")
    }
    weights = {(c.model, c.objective): c.vat_weight for c in configs if c.vat_weight}
    assert weights["mlp", "mmd_ova"] == 20
    assert weights["mlp", "mmd_ovo"] == 50
    assert weights["lenet5", "mmd_ova"] == 10
    assert weights["lenet5", "mmd_ovo"] == 5
    assert weights["lenet5", "wasserstein_ovo"] == weights["mlp", "wasserstein_ova"] == 10
    assert {weight for (_, name), weight in weights.items() if not name.startswith(("mmd", "wass"))} == {1}


def test_the_papers_table_of_cifar10_has_its_two_geometries():
    plain, smooth, *geometric = cifar10_configs("paper")
    assert {(c.model, c.epochs, c.batch_size, c.squared) for c in (plain, smooth, *geometric)} == {
        ("lenet5", 200, 500, False)
    }
    assert (smooth.objective, smooth.vat_weight, smooth.radius) == ("kl_ova", 1.0, 0.1)
    assert Counter(c.geometry for c in geometric) == {"pixels": 4, "features": 4}
    assert not any(c.vat_weight for c in (plain, *geometric))


@pytest.mark.parametrize("table", TABLES)
def test_smaller_sizes_have_nothing_that_the_paper_has_not_but_fewer_epochs(table):
    def without_epochs(size):
        return {config.method.rpartition(", ")[0] for config in TABLES[table](size)}

    assert without_epochs("smoke") == without_epochs("laptop") <= without_epochs("paper")


def test_the_last_runs_are_the_dearest():
    names = [config.objective for config in mnist_configs("laptop")]
    first = next(place for place, name in enumerate(names) if name.startswith("wasserstein"))
    assert all(name.startswith("wasserstein") for name in names[first:])


def test_below_the_papers_size_wasserstein_has_one_seed_and_k_means_stands_beside():
    found = list(cells(GEOMETRY, tiny(), "laptop"))
    assert len({cell.key for cell in found}) == len(found)
    seeds = Counter(cell.method.split(",")[0] for cell in found)
    assert seeds == {"k-means": 6, "kl_ova": 3, "mmd_ova": 6, "mmd_ovo": 6, "wasserstein_ova": 2}
    without = {cell.method for cell in cells(MNIST, tiny(features=False), "laptop") if "k-means" in cell.method}
    assert without == {"k-means, K=10, pixels"}


def test_colour_images_with_features_of_the_true_shape_go_through_every_run_of_cifar10(tmp_path):
    random = np.random.default_rng(0)
    given = {
        "images_train": random.integers(256, size=(500, 3, 32, 32), dtype=np.uint8),
        "images_test": random.integers(256, size=(30, 3, 32, 32), dtype=np.uint8),
        "labels_train": np.arange(500) % 10,
        "labels_test": np.arange(30) % 10,
        "features_train": random.standard_normal((500, 2048)).astype(np.float32),
    }
    np.savez(tmp_path / "cifar10.npz", **given)
    task = read_images(tmp_path / "cifar10.npz")
    runs = {cell.method: cell for cell in cells(CIFAR10, task, "smoke")}
    for method in ("kl_ova, lenet5, K=10, VAT 1, 1 epochs", "mmd_ova, lenet5, K=10, VAT 0, features, 1 epochs"):
        rows = {row.metric: row for row in runs[method].run()}
        assert rows["ari"].dataset == "cifar10/test, trained on 500"
        assert np.isfinite(rows["loss"].value)
    assert {config.method for config in cifar10_configs("smoke")} <= set(runs)


def test_the_command_measures_what_is_missing_and_nothing_twice(tmp_path, monkeypatch):
    monkeypatch.setattr(gemini_images_run, "load_images", lambda name, **_: tiny())
    monkeypatch.setattr(gemini_images_run, "cells", lambda *args, **kwargs: list(cells(*args, **kwargs))[:4])
    path = tmp_path / "rows.csv"
    command = ["--out", str(path), "--size", "smoke", "--parts", "geometry", "--device", "cpu"]
    gemini_images_run.main(command)
    content = path.read_bytes()
    rows = read_rows(path)
    geometric = next(config for config in geometry_configs("smoke") if config.objective == "mmd_ova")
    assert {row.method for row in rows} >= {"k-means, K=10, pixels", "k-means, K=10, features", geometric.method}
    assert {(row.paper, row.table, row.size) for row in rows} == {("ohl2022", GEOMETRY, "smoke")}
    gemini_images_run.main(command)
    assert path.read_bytes() == content


def test_the_command_reads_a_file_of_images_and_asks_for_fewer_of_them(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(gemini_images_run, "read_images", lambda path, n_samples: asked.append((path, n_samples)))
    monkeypatch.setattr(gemini_images_run, "cells", lambda table, *_, **__: asked.append(table) or [])
    command = ["--out", str(tmp_path / "rows.csv"), "--size", "smoke", "--images", "mine.npz"]
    gemini_images_run.main(command)
    gemini_images_run.main([*command[:3], "paper", *command[4:]])
    assert asked == [("mine.npz", 500), CIFAR10, ("mine.npz", None), CIFAR10]


def test_the_rows_in_the_repository_are_those_of_the_laptop_size():
    rows = read_rows(Path(__file__).parents[2] / "results" / "gemini_images.csv")
    found = {(row.table, row.dataset, row.method, row.seed) for row in rows}
    tables = {
        MNIST: ImageTask("mnist/test, trained on 60000", *(2 * [Images(torch.ones(1), torch.ones(1))])),
        GEOMETRY: ImageTask("fashion_mnist/test, trained on 6000", *(2 * [Images(*torch.ones(3, 1))])),
    }
    wanted = [cell for table, task in tables.items() for cell in cells(table, task, "laptop")]
    assert found <= {(cell.table, cell.dataset, cell.method, cell.seed) for cell in wanted}  # time did not do for all
    assert {cell.key[:3] for cell in wanted if cell.table == GEOMETRY} <= {key[:3] for key in found}
    assert {row.size for row in rows} == {"laptop"}
