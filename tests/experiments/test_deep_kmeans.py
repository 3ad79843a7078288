"""Soft regularised K-means with an autoencoder, as an experiment."""

import math

import pytest

from paperlib.experiments.deep_kmeans import DeepKMeansConfig, measure
from paperlib.experiments.deep_self_labeling import load_splits


def test_a_short_run_on_digits_gives_every_metric_and_the_same_twice():
    task = load_splits("digits", n_samples=300)
    config = DeepKMeansConfig(pretraining=1, epochs=1, penalty=1e-2, size="smoke")
    first, made = measure(config, task, 0)
    assert {"accuracy", "nmi", "ari", "accuracy, pixels", "accuracy, codes", "clusters_used", "loss"} == first.keys()
    assert all(math.isfinite(value) for value in first.values())
    assert first["accuracy, pixels"] > 0.6
    assert made["seconds"] > 0
    assert measure(config, task, 0)[0] == first


def test_a_run_goes_on_from_its_folder(tmp_path):
    task = load_splits("digits", n_samples=300)
    config = DeepKMeansConfig(pretraining=1, epochs=1, penalty=1e-2, size="smoke")
    first, _ = measure(config, task, 0, folder=tmp_path)
    assert measure(config, task, 0, folder=tmp_path)[0] == first


@pytest.mark.parametrize(("setting", "value"), [("penalty", 0.0), ("epochs", 0), ("batch_size", 0)])
def test_settings_out_of_range_are_refused(setting, value):
    with pytest.raises(ValueError, match=setting):
        DeepKMeansConfig(**{setting: value})
