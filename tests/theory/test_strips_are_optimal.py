"""That every global minimum of entropy clustering splits two strips along the strips: all other splits are excluded."""

import math

import numpy as np
import pytest

from paperlib.data import two_strips
from paperlib.theory import certified_minimum, certify_counterexample, linear_dichotomies

ONE_SIDE = math.log(8 / 5)  # what lines with all points on one side lose at least; a lemma of the book's page


def up_to_mirror_images(labels, shear):
    """One labeling for all that a symmetry of the data maps to each other: half a turn, and reflections if straight."""
    rows = np.asarray(labels, dtype=bool).reshape(2, -1)
    images = [rows, rows[::-1, ::-1]] + ([rows[::-1], rows[:, ::-1]] if shear == 0 else [])
    return min(tuple((image ^ image[0, 0]).ravel().tolist()) for image in images)


@pytest.mark.slow
@pytest.mark.parametrize("shear", [0.0, 1.5])
@pytest.mark.parametrize("gamma", [1e-2, 1e-3])
def test_every_split_but_that_along_the_strips_loses_more(shear, gamma):
    strips = two_strips(shear=shear)
    least = certify_counterexample(strips.x, gamma, tolerance=1).upper_bound
    assert least < ONE_SIDE
    splits = {up_to_mirror_images(labels, shear) for labels in linear_dichotomies(strips.x)}
    for labels in splits - {up_to_mirror_images(strips.y, shear)}:
        bounds = (certified_minimum(strips.x, labels, gamma, tolerance=t).lower for t in (0.1, 0.03, 0.01, 0.003))
        assert any(bound > least for bound in bounds)


def test_points_on_one_side_alone_lose_ln_eight_fifths_or_more():
    q = np.linspace(0, 0.5, 100_001)[1:-1]
    entropy = -q * np.log(q) - (1 - q) * np.log(1 - q)
    least = (2 * q * math.log(2) + math.log(2) - entropy).min()
    assert least == pytest.approx(ONE_SIDE, abs=1e-9)
    assert (entropy >= 2 * q * math.log(2)).all()
