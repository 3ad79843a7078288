"""Nearest neighbours against their definition and scikit-learn."""

import math

import pytest
import torch
from sklearn.neighbors import NearestNeighbors

from paperlib.neighbors import nearest_neighbors, neighbor_distance

METRICS = ["cosine", "euclidean"]


def points(n=40, d=5, *, seed=0, dtype=torch.float64):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def distance(a, b, metric):
    if metric == "euclidean":
        return math.dist(a, b)
    return 1 - sum(u * v for u, v in zip(a, b, strict=True)) / (math.hypot(*a) * math.hypot(*b))


@pytest.mark.parametrize("metric", METRICS)
def test_neighbours_equal_a_search_by_the_definition(metric):
    x = points(12, 3)
    distances, indices = nearest_neighbors(x, 4, metric=metric)
    rows = x.tolist()
    for i, row in enumerate(rows):
        every = sorted((distance(row, other, metric), j) for j, other in enumerate(rows) if j != i)[:4]
        assert indices[i].tolist() == [j for _, j in every]
        assert distances[i].tolist() == pytest.approx([value for value, _ in every], rel=1e-9)


@pytest.mark.parametrize("given", [False, True])
@pytest.mark.parametrize("metric", METRICS)
def test_neighbours_equal_scikit_learns(metric, given):
    x, queries = points(300), points(20, seed=1) if given else None
    reference = NearestNeighbors(n_neighbors=7, metric=metric, algorithm="brute").fit(x.numpy())
    expected = reference.kneighbors(None if queries is None else queries.numpy())  # None leaves out the sample itself
    distances, indices = nearest_neighbors(x, 7, queries=queries, metric=metric)
    torch.testing.assert_close(distances, torch.from_numpy(expected[0]), rtol=1e-9, atol=1e-12)
    assert torch.equal(indices, torch.from_numpy(expected[1]))


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("chunk_size", [1, 7, 40, 1000])
def test_the_size_of_a_chunk_changes_nothing(metric, chunk_size):
    x = points()
    for queries in (None, points(11, seed=1)):
        whole, parts = (
            nearest_neighbors(x, 5, queries=queries, metric=metric, chunk_size=size) for size in (None, chunk_size)
        )
        torch.testing.assert_close(parts[0], whole[0])
        assert torch.equal(parts[1], whole[1])


@pytest.mark.parametrize(("k", "queries_at_a_time"), [(3, 5), (20, 2)])  # 40 samples, or k differences of length 5
def test_by_default_queries_are_taken_so_that_intermediate_results_fit_a_chunk(k, queries_at_a_time, monkeypatch):
    shapes = []
    addmm = torch.addmm

    def recorded(*args, **options):
        scores = addmm(*args, **options)
        shapes.append(tuple(scores.shape))
        return scores

    expected = nearest_neighbors(points(), k)
    monkeypatch.setattr("paperlib.neighbors._CHUNK", 200)
    monkeypatch.setattr(torch, "addmm", recorded)
    found = nearest_neighbors(points(), k)
    assert shapes == [(queries_at_a_time, 40)] * (40 // queries_at_a_time)
    assert all(torch.allclose(*both) for both in zip(found, expected, strict=True))


def test_all_samples_can_be_neighbours_and_a_sample_is_none_of_its_own():
    _, indices = nearest_neighbors(points(6), 5)
    assert [sorted(row) for row in indices.tolist()] == [[j for j in range(6) if j != i] for i in range(6)]
    distances, indices = nearest_neighbors(points(6), 6, queries=points(6), metric="euclidean")
    assert indices[:, 0].tolist() == list(range(6))
    assert distances[:, 0].abs().max() == 0


@pytest.mark.parametrize("metric", METRICS)
def test_duplicates_are_neighbours_at_distance_zero_in_the_order_of_their_index(metric):
    x = 1000 + points(4, dtype=torch.float32).repeat(3, 1)
    distances, indices = nearest_neighbors(x, 2, metric=metric)
    assert distances.abs().max() == 0
    assert indices.tolist() == [[j for j in range(i % 4, 12, 4) if j != i] for i in range(12)]


def test_far_from_the_origin_float32_finds_what_float64_finds():
    x = (1e4 + points(200)).float()
    single, double = (nearest_neighbors(given, 3, metric="euclidean") for given in (x, x.double()))
    torch.testing.assert_close(single[0].double(), double[0], rtol=1e-5, atol=0)
    assert (single[1] == double[1]).double().mean() > 0.99  # but for ties within the rounding of the samples


def test_moving_and_turning_keep_euclidean_neighbours_and_rescaling_rows_the_cosines():
    x = points()
    turn = torch.linalg.qr(points(5, seed=2)).Q
    near, same = nearest_neighbors(x, 4, metric="euclidean"), nearest_neighbors(3 + x @ turn, 4, metric="euclidean")
    torch.testing.assert_close(near[0], same[0])
    assert torch.equal(near[1], same[1])
    scales = 10 ** points(40, 1, seed=3)
    near, same = nearest_neighbors(x, 4), nearest_neighbors(scales * x, 4)
    torch.testing.assert_close(near[0], same[0])
    assert torch.equal(near[1], same[1])


def test_the_cosine_sees_directions_of_any_length():
    x = torch.tensor([[1.0, 0.0], [0.0, 1e-30], [1e30, 1e30], [-1e-30, 0.0]])
    distances, indices = nearest_neighbors(x, 3)
    torch.testing.assert_close(distances[0], torch.tensor([1 - 0.5**0.5, 1.0, 2.0]))
    assert indices[0].tolist() == [2, 1, 3]


def test_half_precision_is_computed_in_float32():
    x = points(dtype=torch.float16)
    found, expected = nearest_neighbors(x, 4), nearest_neighbors(x.float(), 4)
    assert found[0].dtype == torch.float32
    assert all(torch.equal(*both) for both in zip(found, expected, strict=True))


def test_no_gradient_flows():
    assert not nearest_neighbors(points().requires_grad_(), 2)[0].requires_grad


@pytest.mark.parametrize("rank", [1, 10, 39])
def test_neighbor_distance_is_scikit_learns_of_that_rank(rank):
    x = points()
    expected = NearestNeighbors(n_neighbors=rank).fit(x.numpy()).kneighbors()[0][:, -1]
    torch.testing.assert_close(neighbor_distance(x, rank), torch.from_numpy(expected))


def test_neighbor_distance_on_a_line_counts_the_steps():
    line = torch.arange(30.0)[:, None]
    ends_and_middle = neighbor_distance(line)[[0, 3, 15, 29]]
    assert ends_and_middle.tolist() == [10.0, 7.0, 5.0, 10.0]
    assert torch.equal(neighbor_distance(line.repeat(11, 1)), torch.zeros(330))


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"x": [[0.0, 1.0]]}, TypeError, "x must be a torch tensor, got list"),
        ({"x": torch.zeros(2, 3, dtype=torch.int64)}, TypeError, "x must hold floating-point numbers"),
        ({"x": torch.tensor([[math.nan, 1.0], [0.0, 1.0]])}, ValueError, "x must hold finite numbers"),
        ({"queries": torch.tensor([[math.inf, 1.0, 1.0]])}, ValueError, "queries must hold finite numbers"),
        ({"x": torch.full((5, 3), 1e30), "metric": "euclidean"}, ValueError, "with finite squares; .* rescale"),
        ({"queries": torch.zeros(1, 3)}, ValueError, "queries has a row of zeros, .* use metric='euclidean'"),
        ({"queries": torch.ones(1, 4)}, ValueError, "queries must have the 3 features of x, got 4"),
        ({"k": 5}, ValueError, "k must be at most 4, the number of samples that can be neighbours, got 5"),
        ({"k": 6, "queries": torch.ones(1, 3)}, ValueError, "k must be at most 5"),
        ({"k": 0}, ValueError, "k must be a whole number of at least 1, got 0"),
        ({"metric": "manhattan"}, ValueError, "metric must be one of 'cosine', 'euclidean', got 'manhattan'"),
        ({"chunk_size": 0}, ValueError, "chunk_size must be a whole number of at least 1, got 0"),
    ],
)
def test_bad_input_is_refused_with_what_was_given(change, error, message):
    arguments = {"x": torch.ones(5, 3), "k": 2, **change}
    with pytest.raises(error, match=message):
        nearest_neighbors(arguments.pop("x"), arguments.pop("k"), **arguments)


@pytest.mark.parametrize(
    ("rank", "message"), [(5, "below the number of samples, 5, got 5"), (0, "rank must be a whole")]
)
def test_a_rank_without_a_neighbour_is_refused(rank, message):
    with pytest.raises(ValueError, match=message):
        neighbor_distance(torch.ones(5, 3), rank)
