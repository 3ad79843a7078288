"""Contrastive clustering from pixels: its runs, its tables, and the paper's size on images of the true shape."""

import math
from dataclasses import replace

import pytest
import torch

from paperlib.data import gaussian_blobs
from paperlib.data.frozen import write_features
from paperlib.experiments import contrastive_run, read_rows
from paperlib.experiments.contrastive import (
    ContrastiveConfig,
    first_steps,
    fit,
    measure,
    measure_two_stages,
    network,
    published,
)
from paperlib.experiments.contrastive_tables import SECOND_STAGES, SEEDS, TABLES, cells, config
from paperlib.experiments.fits import labels_of
from paperlib.experiments.image_splits import load_splits, skewed
from paperlib.losses.contrastive import CRITICS

SMALL = replace(config("smoke"), device="cpu")


@pytest.fixture(scope="module")
def digits():
    return load_splits("digits")


def test_labels_have_no_part_in_training_or_in_the_choice_of_a_head(digits):
    few = replace(digits, train=replace(digits.train, x=digits.train.x[:256], y=digits.train.y[:256]))
    shuffled = replace(few, train=replace(few.train, y=few.train.y.flip(0)))
    first, second = (fit(SMALL, task, 0) for task in (few, shuffled))
    assert torch.equal(first.losses, second.losses)
    assert first.head == second.head
    for one, other in zip(first.model.parameters(), second.model.parameters(), strict=True):
        assert torch.equal(one, other)


def test_a_run_on_digits_learns_something_and_its_leaks_are_named(digits):
    longer = replace(SMALL, epochs=12.0, n_heads=4)
    found, made = measure(longer, digits, 0)
    assert found["accuracy"] > 0.5  # a guess reaches 0.12
    assert found["accuracy, mean of heads"] <= found["accuracy, best head by labels"]
    assert found["accuracy"] <= found["accuracy, best head by labels"]
    assert found["clusters_used"] == 10
    assert made["seconds"] > 0
    assert 0 < found["entropy_of_shares"] <= math.log(10)
    assert {"nmi", "ari", "loss", "accuracy, k-means of features", "accuracy, k-means of embeddings"} < found.keys()


@pytest.mark.parametrize("size", SEEDS)
def test_every_run_of_a_table_has_a_name_of_its_own(size):
    for table in TABLES.values():
        names = [one.name for one in table(size)]
        assert len(set(names)) == len(names)
    assert {one.critic for table in TABLES.values() for one in table(size)} == set(CRITICS)
    assert {one.size for table in TABLES.values() for one in table(size)} == {size}


def test_the_command_measures_what_is_missing_and_only_that(tmp_path, monkeypatch):
    out = tmp_path / "rows.csv"
    options = ["--out", str(out), "--size", "smoke", "--datasets", "digits", "--n-samples", "256", "--device", "cpu"]
    contrastive_run.main([*options, "--tables", "contrastive"])
    rows = read_rows(out)
    assert {row.table for row in rows} == {"contrastive"}
    assert {row.paper for row in rows} == {"do2021"}
    monkeypatch.setattr("paperlib.experiments.contrastive_tables.measure", pytest.fail)
    contrastive_run.main([*options, "--tables", "contrastive"])
    assert read_rows(out) == rows


def test_two_stages_share_the_first(tmp_path, digits):
    run = {"seed": 0, "folder": tmp_path}
    kmeans, staged = (measure_two_stages(SMALL, second, digits, **run) for second in ("k-means", "crlc"))
    assert len(list(tmp_path.iterdir())) == 1
    for found, made in (kmeans, staged):
        assert found["accuracy"] > 0.3
        assert made["seconds"] > 0
    assert kmeans[0] != staged[0]
    assert len(list(cells("two stages", digits, "smoke"))) == 5


def test_the_second_stage_runs_on_features_in_a_file(tmp_path, digits):
    blobs = gaussian_blobs(120, 3, spread=0.3, seed=0)
    arrays = {"x_train": blobs.x.numpy().astype("float16"), "y_train": blobs.y.numpy()}
    arrays |= {"x_test": arrays["x_train"][:30], "y_test": arrays["y_train"][:30]}
    file = write_features(tmp_path / "blobs.npz", arrays, {"name": "blobs", "source": "here", "license": "none needed"})
    out = tmp_path / "rows.csv"
    contrastive_run.main(["--out", str(out), "--features", str(file), "--seeds", "0", "1", "--device", "cpu"])
    found = {row.method: row.value for row in read_rows(out) if row.metric == "clusters_used"}
    assert set(found) == {f"second stage, {second}" for second in SECOND_STAGES}
    assert set(found.values()) == {3}


def test_skewed_classes_fall_from_the_first_to_the_last_and_images_keep_their_order(digits):
    thin = skewed(digits, 10.0)
    counts = labels_of(thin.train).bincount().tolist()
    assert counts == sorted(counts, reverse=True)
    assert counts[0] == int((digits.train.y == 0).sum())
    assert counts[0] / counts[9] == pytest.approx(10, rel=0.05)
    assert thin.name == f"digits/all, skewed 10 to 1, trained on {sum(counts)}"
    zeros = digits.train.x[digits.train.y == 0]
    assert torch.equal(thin.train.x[thin.train.y == 0], zeros)
    assert torch.equal(skewed(digits, 1.0).train.x, digits.train.x)
    with pytest.raises(ValueError, match=r"ratio must be at least 1, got 0\.5"):
        skewed(digits, 0.5)


def test_the_skewed_table_is_of_skewed_images(digits):
    (first, *_) = cells("skewed", digits, "smoke")
    assert "skewed 10 to 1" in first.dataset


def test_the_published_configuration_is_that_of_the_authors():
    found = published()
    objective, training = found.objective(), found.training(0)
    assert (objective.critic, objective.entropy_weight, objective.feature_weight) == ("log_dot", 1, 10)
    assert (objective.temperature, objective.smoothing, objective.bound, objective.bound_weight) == (
        0.1,
        0.01,
        25,
        0.01,
    )
    assert (training.optimizer, training.learning_rate, training.schedule) == ("sgd", 0.1, "constant")
    assert (training.weight_decay, training.decay_vectors) == (5e-4, False)
    assert (training.batch_size, training.epochs, found.n_heads, found.n_hidden) == (512, 2000, 10, 512)


@pytest.mark.slow
def test_the_published_network_and_optimiser_take_real_steps_on_images_of_the_true_shape_and_resume(tmp_path):
    smaller_batch = published(batch_size=8, precision="float32", device="cpu")
    found, _ = first_steps(smaller_batch, tmp_path, n_steps=3)
    assert found["difference after resuming"] == 0
    assert 0 < found["loss"] < 100
    model = network(smaller_batch, load_splits("digits").train, torch.Generator().manual_seed(0))
    logits, embeddings = model(torch.rand(2, 3, 32, 32))
    assert logits.shape == (2, 10, 10)
    assert embeddings.shape == (2, 128)
    assert model.trunk(torch.rand(2, 3, 32, 32)).shape == (2, 512)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"network": "vgg4"}, "network must be one of conv_net, resnet34"),
        ({"n_heads": 0}, "n_heads must be a whole number of at least 1"),
        ({"critic": "cosine"}, "critic must be one of"),
        ({"epochs": 0}, "epochs must be a finite number > 0"),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        ContrastiveConfig(**settings)
