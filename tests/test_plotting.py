"""Figures: what is drawn, not how it looks."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest

from paperlib import plotting


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def test_every_label_has_its_own_colour_and_marker():
    labels = np.arange(15)
    ax = plotting.scatter(np.random.default_rng(0).normal(size=(15, 2)), labels, names=[f"group {i}" for i in labels])
    looks = {(tuple(points.get_facecolor()[0]), points.get_paths()[0].vertices.tobytes()) for points in ax.collections}
    assert len(looks) == 15
    assert [text.get_text() for text in ax.get_legend().get_texts()] == [f"group {i}" for i in labels]


def test_decision_regions_are_tinted_by_confidence():
    def probs(points):
        left = 1 / (1 + np.exp(20 * points[:, 0]))
        return np.column_stack([left, 1 - left])

    ax = plotting.decision_regions(probs, np.array([[-1.0, -1.0], [1.0, 1.0]]))
    tint = ax.images[0].get_array()
    middle = tint.shape[1] // 2
    assert tint[0, 0, 2] > tint[0, 0, 0]  # blue on the left
    assert tint[0, -1, 0] > tint[0, -1, 2]  # orange on the right
    np.testing.assert_allclose(tint[0, middle], (tint[0, 0] + tint[0, -1]) / 2, atol=0.05)


def test_confusion_puts_a_perfect_clustering_on_the_diagonal():
    y = np.array([0, 0, 1, 1, 2, 2])
    ax = plotting.confusion(y, np.array([5, 5, 9, 9, 1, 1]), ["a", "b", "c"])
    np.testing.assert_allclose(ax.collections[0].get_array().reshape(3, 3), 100 * np.eye(3))
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["5", "9", "1"]


def test_a_class_without_a_name_is_refused():
    with pytest.raises(ValueError, match="labels from 1 to 3, but there are 3 class names"):
        plotting.confusion([1, 2, 3], [0, 1, 2], ["a", "b", "c"])
