"""The twelve objectives against distances between weighted empirical distributions, identities and refusals."""

import math

import pytest
import torch
from scipy.optimize import linprog

from paperlib.information import mutual_information
from paperlib.kernels import GramOperator, Kernel, distances
from paperlib.losses import gemini
from paperlib.losses.gemini import OBJECTIVES

every_objective = pytest.mark.parametrize("objective", OBJECTIVES)
DIVERGENCES = [name for name in OBJECTIVES if not name.startswith(("mmd", "wasserstein"))]
IPMS = ("tv", "mmd", "wasserstein")


def logits_of(n=9, k=4, *, seed=0, dtype=torch.float64):
    return 2 * torch.randn(n, k, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def points_of(n=9, d=3, *, dtype=torch.float64):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(7), dtype=dtype) + 2


def where(objective, x):
    """What the objective has to know of the points."""
    return {} if objective in DIVERGENCES else {"features": x}


def distance_between(name, a, b, x):
    """Distance of two distributions on the points ``x``, by its definition, as loops over the points."""
    n = len(a)
    if name == "kl":
        return sum(a[i] * math.log(a[i] / b[i]) for i in range(n))
    if name == "tv":
        return sum(abs(a[i] - b[i]) for i in range(n)) / 2
    if name == "hellinger":
        return sum((math.sqrt(a[i]) - math.sqrt(b[i])) ** 2 for i in range(n)) / 2
    if name == "chi2":
        return sum((a[i] - b[i]) ** 2 / b[i] for i in range(n))
    if name == "mmd":
        square = sum(
            (a[i] - b[i]) * (a[j] - b[j]) * sum(u * v for u, v in zip(x[i], x[j], strict=True))
            for i in range(n)
            for j in range(n)
        )
        return math.sqrt(max(square, 0))
    cost = [math.dist(x[i], x[j]) for i in range(n) for j in range(n)]
    rows = [[float(entry // n == i) for entry in range(n * n)] for i in range(n)]
    columns = [[float(entry % n == j) for entry in range(n * n)] for j in range(n)]
    # POT stops at about 1e-8, which is not enough here.
    options = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}
    return linprog(cost, A_eq=rows + columns, b_eq=[*a, *b], method="highs-ds", options=options).fun


def brute_force(objective, logits, x):
    name, kind = objective.split("_")
    n, k = logits.shape
    probs = [[math.exp(v) / sum(math.exp(u) for u in row) for v in row] for row in logits.tolist()]
    pi = [sum(row[c] for row in probs) / n for c in range(k)]
    weights = [[probs[i][c] / (n * pi[c]) for i in range(n)] for c in range(k)]
    if kind == "ova":
        return sum(pi[c] * distance_between(name, weights[c], [1 / n] * n, x.tolist()) for c in range(k))
    pairs = [(a, b) for a in range(k) for b in range(k) if a != b]
    return sum(pi[a] * pi[b] * distance_between(name, weights[a], weights[b], x.tolist()) for a, b in pairs)


@every_objective
@pytest.mark.parametrize("shape", [(9, 4), (6, 2), (5, 1), (1, 3)])
def test_each_equals_distances_between_weighted_empirical_distributions(objective, shape):
    logits, x = logits_of(*shape), points_of(shape[0])
    assert gemini(logits, objective, **where(objective, x)).item() == pytest.approx(
        brute_force(objective, logits, x), rel=1e-10, abs=1e-10
    )


@every_objective
def test_gradients_equal_finite_differences_through_a_whole_model(objective):
    x = points_of()
    weight = logits_of(4, 3, seed=1).requires_grad_()
    bias = logits_of(4, 1, seed=2)[:, 0].requires_grad_()
    assert torch.autograd.gradcheck(
        lambda w, b: gemini((torch.tanh(x) @ w.mT + b), objective, **where(objective, x)), (weight, bias)
    )


@every_objective
def test_float32_agrees_with_float64_in_value_and_gradient(objective):
    found = []
    for dtype in (torch.float32, torch.float64):
        logits, x = logits_of().to(dtype).requires_grad_(), points_of().to(dtype)
        value = gemini(logits, objective, **where(objective, x))
        (gradient,) = torch.autograd.grad(value, logits)
        found.append((value.double(), gradient.double()))
    torch.testing.assert_close(found[0], found[1], rtol=2e-4, atol=2e-5)


@every_objective
@pytest.mark.parametrize("empty", [-80.0, -2000.0, -math.inf])
def test_an_empty_cluster_changes_neither_value_nor_gradient(objective, empty):
    logits, x = logits_of(), points_of()
    wide = torch.cat([logits, torch.full((9, 1), empty, dtype=torch.float64)], dim=1)
    found = []
    for given in (logits.clone().requires_grad_(), wide.requires_grad_()):
        value = gemini(given, objective, **where(objective, x))
        (gradient,) = torch.autograd.grad(value, given)
        assert gradient.isfinite().all()
        found.append((value, gradient[:, :4]))
    torch.testing.assert_close(found[0], found[1], rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(gradient[:, 4], torch.zeros(9, dtype=torch.float64), rtol=0, atol=1e-12)


@every_objective
def test_it_is_zero_where_the_prediction_does_not_depend_on_the_input(objective):
    logits = logits_of(1).expand(9, 4).clone().requires_grad_()
    value = gemini(logits, objective, **where(objective, points_of()))
    assert value.item() == pytest.approx(0, abs=1e-7)
    assert torch.autograd.grad(value, logits)[0].isfinite().all()


@every_objective
def test_relabelling_shifting_and_repeating_change_nothing(objective):
    logits, x = logits_of(), points_of()
    value = gemini(logits, objective, **where(objective, x))
    shift = torch.arange(9.0, dtype=torch.float64)[:, None]
    torch.testing.assert_close(gemini(logits[:, [2, 0, 3, 1]] + shift, objective, **where(objective, x)), value)
    twice = gemini(logits.repeat(2, 1), objective, **where(objective, x.repeat(2, 1)))
    torch.testing.assert_close(twice, value, rtol=1e-8, atol=1e-10)


@every_objective
def test_leading_axes_are_problems_of_their_own(objective):
    logits, x = torch.stack([logits_of(seed=s) for s in range(6)]).view(2, 3, 9, 4), points_of()
    together = gemini(logits, objective, **where(objective, x))
    alone = [[gemini(one, objective, **where(objective, x)) for one in row] for row in logits]
    torch.testing.assert_close(together, torch.stack([torch.stack(row) for row in alone]))


@every_objective
def test_leading_axes_may_have_points_of_their_own(objective):
    logits, x = torch.stack([logits_of(seed=s) for s in range(3)]), torch.randn(3, 9, 2).double()
    together = gemini(logits, objective, **where(objective, x))
    alone = [gemini(one, objective, **where(objective, its_x)) for one, its_x in zip(logits, x, strict=True)]
    torch.testing.assert_close(together, torch.stack(alone))


def test_with_kullback_leibler_one_versus_all_is_mutual_information():
    torch.testing.assert_close(gemini(logits_of(), "kl_ova"), mutual_information(logits_of()))


@pytest.mark.parametrize("name", IPMS)
def test_for_two_clusters_an_integral_probability_metric_has_one_value(name):
    logits, x = logits_of(k=2), points_of()
    one, other = (gemini(logits, f"{name}_{kind}", **where(f"{name}_ova", x)) for kind in ("ova", "ovo"))
    torch.testing.assert_close(one, other)


@pytest.mark.parametrize("name", ["kl", "hellinger", "chi2"])
def test_for_two_clusters_the_other_divergences_have_two(name):
    one, other = (gemini(logits_of(k=2), f"{name}_{kind}") for kind in ("ova", "ovo"))
    assert abs(float(one - other)) > 1e-2


@pytest.mark.parametrize("name", ["kl", "tv", "hellinger", "chi2", "mmd", "wasserstein"])
@pytest.mark.parametrize("seed", range(5))
def test_one_versus_all_is_at_most_one_versus_one(name, seed):
    logits, x = logits_of(seed=seed), points_of()
    one, other = (gemini(logits, f"{name}_{kind}", **where(f"{name}_ova", x)) for kind in ("ova", "ovo"))
    assert one <= other + 1e-12


def test_balanced_one_hots_reach_the_largest_values():
    k, logits = 4, 1e3 * torch.eye(4, dtype=torch.float64).repeat(3, 1)
    largest = {
        "kl_ova": math.log(k),
        "tv_ova": 1 - 1 / k,
        "tv_ovo": 1 - 1 / k,
        "hellinger_ova": 1 - 1 / math.sqrt(k),
        "hellinger_ovo": 1 - 1 / k,
        "chi2_ova": k - 1,
    }
    for objective, value in largest.items():
        assert gemini(logits, objective).item() == pytest.approx(value)


@pytest.mark.parametrize("objective", ["kl_ovo", "chi2_ovo"])
def test_an_unbounded_objective_is_infinite_where_a_used_cluster_excludes_a_sample(objective):
    logits = logits_of()
    logits[0, 1] = -math.inf
    assert gemini(logits, objective) == math.inf


@pytest.mark.parametrize("objective", ["mmd_ova", "mmd_ovo"])
@pytest.mark.parametrize("name", ["linear", "cosine", "rbf", "laplacian", "polynomial"])
def test_a_gram_matrix_an_operator_and_features_give_the_same(objective, name):
    logits, x = logits_of().requires_grad_(), points_of()
    kernel = Kernel(name).scaled_to(x)
    gram = kernel(x, x)
    values, vectors = torch.linalg.eigh(gram)
    features = vectors * values.clamp_min(0).sqrt()
    found = [{"features": features}, {"affinity": gram}, {"affinity": GramOperator(x, kernel)}]
    results = []
    for geometry in found:
        value = gemini(logits, objective, **geometry)
        results.append((value, torch.autograd.grad(value, logits)[0]))
    torch.testing.assert_close(results[0], results[1], rtol=1e-6, atol=1e-8)
    torch.testing.assert_close(results[1], results[2])


@pytest.mark.parametrize("objective", ["mmd_ova", "mmd_ovo", "wasserstein_ova", "wasserstein_ovo"])
def test_moving_all_points_changes_nothing_and_stretching_them_scales_the_value(objective):
    logits, x = logits_of(), points_of()
    value = gemini(logits, objective, features=x)
    torch.testing.assert_close(gemini(logits, objective, features=x + 10), value, rtol=1e-6, atol=1e-9)
    torch.testing.assert_close(gemini(logits, objective, features=3 * x), 3 * value, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("objective", ["mmd_ova", "mmd_ovo"])
def test_features_that_are_trained_get_their_gradient(objective):
    logits, x = logits_of().expand(2, 9, 4).clone().requires_grad_(), points_of().requires_grad_()
    assert torch.autograd.gradcheck(lambda *given: gemini(given[0], objective, features=given[1]), (logits, x))


@pytest.mark.parametrize("objective", ["mmd_ova", "mmd_ovo"])
def test_samples_in_chunks_give_what_they_give_at_once(objective):
    n, k, d = 5000, 4, 600  # about 1,700 samples a chunk
    logits, x = logits_of(n, k).requires_grad_(), points_of(n, d)
    value = gemini(logits, objective, features=x)
    whole = gemini(logits, objective, affinity=x @ x.T)
    torch.testing.assert_close(value, whole, rtol=1e-9, atol=0)
    by_chunks, at_once = (torch.autograd.grad(found, logits)[0] for found in (value, whole))
    torch.testing.assert_close(by_chunks, at_once, rtol=1e-6, atol=1e-12)


def test_on_a_line_the_wasserstein_distance_is_the_area_between_distribution_functions():
    logits, x = logits_of(k=3), points_of(d=1)
    order = x[:, 0].argsort()
    weights = logits.softmax(1) / logits.softmax(1).sum(0)
    gaps, cumulated = x[order, 0].diff(), weights[order].cumsum(0)[:-1]
    area = [[(gaps * (cumulated[:, a] - cumulated[:, b]).abs()).sum() for b in range(3)] for a in range(3)]
    pi = logits.softmax(1).mean(0)
    expected = sum(pi[a] * pi[b] * area[a][b] for a in range(3) for b in range(3))
    torch.testing.assert_close(gemini(logits, "wasserstein_ovo", features=x), expected)


def test_random_pairs_estimate_one_versus_one_without_bias():
    logits, cost = logits_of(k=4), distances(points_of())
    full = gemini(logits, "wasserstein_ovo", affinity=cost)
    generator = torch.Generator().manual_seed(0)
    drawn = [gemini(logits, "wasserstein_ovo", affinity=cost, n_pairs=2, generator=generator) for _ in range(300)]
    estimate = torch.stack(drawn)
    assert len(set(estimate.tolist())) > 10
    assert abs(float(estimate.mean() - full)) < 4 * float(estimate.std()) / 300**0.5
    torch.testing.assert_close(gemini(logits, "wasserstein_ovo", affinity=cost, n_pairs=6), full)


@pytest.mark.parametrize("objective", ["wasserstein_ova", "wasserstein_ovo"])
def test_entropic_wasserstein_tends_to_the_exact_one(objective):
    logits, x = logits_of(), points_of()
    exact = gemini(logits, objective, features=x)
    far, near = (gemini(logits, objective, features=x, entropic=weight) for weight in (0.5, 0.01))
    assert abs(near - exact) < 1e-2 * exact
    assert abs(near - exact) < abs(far - exact)


@pytest.mark.parametrize("objective", ["wasserstein_ova", "wasserstein_ovo"])
def test_gradients_of_entropic_wasserstein_equal_finite_differences(objective):
    x, logits = points_of(6), logits_of(6, 3).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda given: gemini(given, objective, features=x, entropic=0.5), logits, atol=1e-4, eps=1e-4
    )


@every_objective
def test_where_gemclus_is_right_it_agrees(objective):
    gemclus = pytest.importorskip("gemclus.gemini")
    name, kind = objective.split("_")
    classes = {
        "kl": gemclus.KLGEMINI,
        "tv": gemclus.TVGEMINI,
        "hellinger": gemclus.HellingerGEMINI,
        "chi2": gemclus.ChiSquareGEMINI,
        "mmd": gemclus.MMDGEMINI,
        "wasserstein": gemclus.WassersteinGEMINI,
    }
    logits, x = logits_of(30, 3), points_of(30)
    theirs = classes[name](ovo=kind == "ovo")
    affinity = theirs.compute_affinity(x.numpy(), None)
    expected, gradient = theirs(logits.softmax(1).numpy(), affinity, return_grad=True)
    if name == "chi2":  # theirs is (1 + chi2) / 2
        expected, gradient = 2 * expected - 1, 2 * gradient
    probs = logits.softmax(1).requires_grad_()
    ours = gemini(probs.log(), objective, **where(objective, x))
    assert ours.item() == pytest.approx(float(expected), rel=1e-8)
    through = torch.autograd.grad(ours, probs)[0]
    theirs_through = torch.from_numpy(gradient)  # neither is told that rows sum to one: compare along the simplex
    torch.testing.assert_close(
        through - (through * probs).sum(1, keepdim=True),
        theirs_through - (theirs_through * probs).sum(1, keepdim=True),
        rtol=1e-6,
        atol=1e-8,
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"objective": "kl"}, "objective must be one of kl_ova"),
        ({"objective": "mmd_ova"}, "needs either features or affinity, got neither"),
        ({"objective": "mmd_ova", "features": points_of(), "affinity": torch.eye(9).double()}, "got both"),
        ({"objective": "tv_ovo", "features": points_of()}, "does not see where samples lie"),
        ({"objective": "mmd_ova", "features": points_of(8)}, "a row for each sample"),
        ({"objective": "mmd_ova", "affinity": torch.zeros(9, 8).double()}, r"affinity must have shape \[9, 9\]"),
        ({"objective": "mmd_ova", "features": points_of(), "entropic": 0.1}, "entropic is for wasserstein"),
        ({"objective": "wasserstein_ova", "features": points_of(), "n_pairs": 2}, "n_pairs is for wasserstein_ovo"),
        ({"objective": "wasserstein_ovo", "features": points_of(), "entropic": 0.0}, "entropic must be a finite"),
        ({"objective": "wasserstein_ovo", "features": points_of(), "n_pairs": 0}, "n_pairs must be a whole number"),
    ],
)
def test_what_does_not_fit_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        gemini(logits_of(), **arguments)


@pytest.mark.parametrize("logits", [torch.zeros(3, 2, dtype=torch.long), [[1.0, 2.0]]])
def test_logits_must_be_floating_point_tensors(logits):
    with pytest.raises(TypeError, match="logits must be a floating-point tensor"):
        gemini(logits, "kl_ova")


def test_logits_need_samples_and_clusters():
    with pytest.raises(ValueError, match=r"logits must have shape \[..., n >= 1, k >= 1\]"):
        gemini(torch.zeros(4), "kl_ova")


def test_features_of_another_dtype_are_refused():
    with pytest.raises(TypeError, match="features must be a tensor of the logits'"):
        gemini(logits_of(), "mmd_ova", features=points_of().float())


def test_wasserstein_needs_a_matrix_not_an_operator():
    with pytest.raises(TypeError, match="needs distances as a tensor"):
        gemini(logits_of(), "wasserstein_ova", affinity=GramOperator(points_of(), Kernel("linear")))
