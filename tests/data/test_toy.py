"""paperlib.data.toy: the problems are the ones of the papers' notes, and a seed makes them again."""

import numpy as np
import pytest
import torch

from paperlib.data import (
    gaussian_blobs,
    gaussians_and_student,
    informative_features,
    scattered_moons,
    two_moons,
    two_strips,
)


def sum_of_squares(x, labels):
    """Within-cluster sum of squared distances to the mean, as a loop."""
    return sum(((x[labels == label] - x[labels == label].mean(0)) ** 2).sum().item() for label in labels.unique())


def test_two_strips_are_the_grid_by_definition():
    data = two_strips(3, half_gap=2.0, half_length=1.0)
    assert data.x.tolist() == [[-1, -2], [0, -2], [1, -2], [-1, 2], [0, 2], [1, 2]]
    assert data.y.tolist() == [0, 0, 0, 1, 1, 1]


def test_shear_moves_the_upper_strip_right_and_the_lower_one_left():
    shift = two_strips(5, shear=1.5).x - two_strips(5).x
    assert torch.equal(shift[:5], torch.tensor([[-1.5, 0.0]] * 5, dtype=torch.float64))
    assert torch.equal(shift[5:], torch.tensor([[1.5, 0.0]] * 5, dtype=torch.float64))


@pytest.mark.parametrize(("shear", "vertical_cut"), [(0.0, 181.41), (1.5, None)])
def test_two_strips_have_the_sums_of_squares_of_the_counterexamples(shear, vertical_cut):
    data = two_strips(shear=shear)
    assert sum_of_squares(data.x, data.y) == pytest.approx(368.42, abs=0.005)
    if vertical_cut is not None:
        assert sum_of_squares(data.x, (data.x[:, 0] > 0).long()) == pytest.approx(vertical_cut, abs=0.005)


def test_eight_points_of_the_sheared_strips_are_nearer_to_the_other_mean():
    data = two_strips(shear=1.5)
    means = torch.stack([data.x[data.y == label].mean(0) for label in (0, 1)])
    assert (torch.cdist(data.x, means).argmin(1) != data.y).sum() == 8


def test_blobs_have_the_sizes_of_their_shares():
    assert gaussian_blobs(10, 3).y.bincount().tolist() == [4, 3, 3]
    assert gaussian_blobs(101, 3, weights=[0.7, 0.2, 0.1]).y.bincount().tolist() == [71, 20, 10]


def test_blobs_have_the_spread_they_are_given():
    data = gaussian_blobs(30_000, 3, n_features=4, spread=0.5)
    assert data.x.shape == (30_000, 4)
    for label in range(3):
        covariance = torch.cov(data.x[data.y == label].T)
        assert torch.allclose(covariance, 0.25 * torch.eye(4, dtype=torch.float64), atol=0.015)  # 4 sigma of n=10,000


def test_moons_without_noise_lie_on_their_half_circles():
    data = two_moons(11, noise=0)
    upper, lower = data.x[data.y == 0], data.x[data.y == 1]
    assert (len(upper), len(lower)) == (6, 5)
    ones = torch.ones(6, dtype=torch.float64)
    assert torch.allclose(upper.norm(dim=1), ones)
    assert torch.allclose((lower - torch.tensor([1, 0.5])).norm(dim=1), ones[:5])
    assert (upper[:, 1] > -1e-9).all()
    assert (lower[:, 1] < 0.5 + 1e-9).all()


@pytest.mark.parametrize("seed", [0, 5])
@pytest.mark.parametrize("df", [1.0, 2.0])
def test_gaussians_and_student_are_the_draws_of_the_authors_class_by_class(df, seed):
    random = np.random.RandomState(seed)
    y = sorted(row.argmax() for row in random.multinomial(1, [1 / 4] * 4, size=20))
    parts = [
        random.multivariate_normal(mean, np.eye(2), size=y.count(k))
        for k, mean in enumerate([(3, 3), (3, -3), (-3, 3)])
    ]
    normal = random.multivariate_normal([0, 0], np.eye(2), size=y.count(3))
    chi = random.chisquare(df, y.count(3))
    parts += [[np.sqrt(df / chi[i]) * normal[i] + np.array([-3, -3])] for i in range(y.count(3))]
    data = gaussians_and_student(20, df=df, separation=3, seed=seed)
    assert data.y.tolist() == y
    np.testing.assert_array_equal(data.x, np.concatenate(parts))


def test_the_student_has_heavier_tails_the_fewer_its_degrees_of_freedom():
    data = {df: gaussians_and_student(df=df) for df in (1.0, 2.0, 1e6)}
    spread = {df: (given.x[given.y == 3] + 5).norm(dim=1).quantile(0.99).item() for df, given in data.items()}
    assert spread[1.0] > 2 * spread[2.0] > 4 * spread[1e6]
    assert spread[1e6] == pytest.approx(np.sqrt(2 * np.log(100)), rel=0.1)  # a Gaussian in the plane


def test_scattered_moons_are_the_draws_of_the_authors_point_by_point():
    random = np.random.RandomState(4)
    angles, y = random.uniform(0, np.pi, 15), random.binomial(1, 0.5, 15)
    noise = random.normal(0, 0.2, (15, 2))
    expected = []
    for i, angle in enumerate(angles):
        angle = angle * (2 * y[i] - 1)
        centre = np.array([3 / 2 * (2 * y[i] - 1), -3 / 4 * (2 * y[i] - 1)])
        expected.append(3 * np.array([np.cos(angle), np.sin(angle)]) + centre + noise[i])
    data = scattered_moons(15, radius=3, noise=0.2, seed=4)
    assert data.y.tolist() == y.tolist()
    np.testing.assert_allclose(data.x, expected, rtol=1e-14)


def test_scattered_moons_without_noise_lie_on_their_half_circles():
    data = scattered_moons(noise=0)
    upper, lower = data.x[data.y == 1], data.x[data.y == 0]
    assert len(upper) + len(lower) == 500
    for moon, centre in ((upper, (1, -0.5)), (lower, (-1, 0.5))):
        radii = (moon - torch.tensor(centre)).norm(dim=1)
        torch.testing.assert_close(radii, torch.full_like(radii, 2))
    assert (upper[:, 1] > -0.5).all()
    assert (lower[:, 1] < 0.5).all()


def test_the_informative_features_alone_tell_the_clusters_apart():
    data = informative_features(30_000, 4, n_informative=3, n_noise=2, separation=2.5)
    assert data.x.shape == (30_000, 5)
    assert data.y.bincount(minlength=4).tolist() == pytest.approx([7500] * 4, abs=300)  # 4 sigma
    for label, centre in enumerate((-3.75, -1.25, 1.25, 3.75)):
        inside = data.x[data.y == label]
        expected = torch.tensor([centre] * 3 + [0.0] * 2, dtype=torch.float64)
        assert torch.allclose(inside.mean(0), expected, atol=0.05)
        assert torch.allclose(torch.cov(inside.T), torch.eye(5, dtype=torch.float64), atol=0.07)


@pytest.mark.parametrize(
    "make",
    [
        lambda seed: gaussian_blobs(50, 4, seed=seed),
        lambda seed: two_moons(50, seed=seed),
        lambda seed: scattered_moons(50, seed=seed),
        lambda seed: gaussians_and_student(50, seed=seed),
        lambda seed: informative_features(50, 4, seed=seed),
    ],
)
def test_a_seed_makes_the_same_data_again_and_another_seed_others(make):
    assert torch.equal(make(3).x, make(3).x)
    assert torch.equal(make(3).y, make(3).y)
    assert not torch.equal(make(3).x, make(4).x)


@pytest.mark.parametrize(
    "data",
    [
        two_strips(),
        gaussian_blobs(9, 2),
        two_moons(9),
        scattered_moons(9),
        gaussians_and_student(9),
        informative_features(9, n_informative=1, n_noise=1),
    ],
    ids=lambda data: data.name,
)
def test_toy_problems_are_float64_and_say_where_they_come_from(data):
    assert (data.x.dtype, data.y.dtype) == (torch.float64, torch.int64)
    assert data.source == f"paperlib.data.{data.name}"
    assert np.asarray(data.x).shape == (len(data), 2)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: two_strips(1), r"n_per_strip=1 must be a whole number >= 2"),
        (lambda: two_strips(2.5), r"n_per_strip=2.5 must be a whole number"),
        (lambda: two_strips(half_gap=0), r"half_gap=0 must be a finite number > 0"),
        (lambda: two_strips(half_length=float("inf")), r"half_length=inf must be a finite number > 0"),
        (lambda: two_strips(shear=float("nan")), r"shear=nan is not finite"),
        (lambda: gaussian_blobs(2, 3), r"n_samples=2 must be a whole number >= 3"),
        (lambda: gaussian_blobs(2, 0), r"n_clusters=0 must be a whole number >= 1"),
        (lambda: gaussian_blobs(2, 1, n_features=0), r"n_features=0 must be"),
        (lambda: gaussian_blobs(2, 1, spread=-1), r"spread=-1 must be a finite number > 0"),
        (lambda: gaussian_blobs(9, 2, weights=[0.5, 0.6]), r"must be 2 positive numbers that sum to one"),
        (lambda: gaussian_blobs(9, 2, weights=[1.0]), r"must be 2 positive numbers that sum to one"),
        (lambda: gaussian_blobs(9, 2, weights=[1.5, -0.5]), r"must be 2 positive numbers that sum to one"),
        (lambda: gaussian_blobs(9, 2, weights=[0.99, 0.01]), r"leave cluster 1 without a point among n_samples=9"),
        (lambda: two_moons(1), r"n_samples=1 must be a whole number >= 2"),
        (lambda: two_moons(float("nan")), r"n_samples=nan must be a whole number >= 2"),
        (lambda: two_moons(9, noise=-0.1), r"noise=-0.1 must be a finite number >= 0"),
        (lambda: two_moons(9, noise=float("nan")), r"noise=nan must be a finite number >= 0"),
        (lambda: scattered_moons(0), r"n_samples=0 must be a whole number >= 1"),
        (lambda: scattered_moons(9, radius=0), r"radius=0 must be a finite number > 0"),
        (lambda: scattered_moons(9, noise=-1), r"noise=-1 must be a finite number >= 0"),
        (lambda: gaussians_and_student(1.5), r"n_samples=1.5 must be a whole number >= 1"),
        (lambda: gaussians_and_student(9, df=0), r"df=0 must be a finite number > 0"),
        (lambda: gaussians_and_student(9, separation=0), r"separation=0 must be a finite number > 0"),
        (lambda: informative_features(2), r"n_samples=2 must be a whole number >= 3"),
        (lambda: informative_features(2, 0), r"n_clusters=0 must be a whole number >= 1"),
        (lambda: informative_features(n_informative=0), r"n_informative=0 must be a whole number >= 1"),
        (lambda: informative_features(n_noise=-1), r"n_noise=-1 must be a whole number >= 0"),
        (lambda: informative_features(separation=0), r"separation=0 must be a finite number > 0"),
    ],
)
def test_arguments_out_of_range_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
