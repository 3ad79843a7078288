"""What the landing page's moving figure computes, in a real browser, against torch and scikit-learn."""

import numpy as np
import pytest
import torch

from paperlib.losses import mutual_information_loss

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def scope(functions):
    return functions("two-strips")


def torch_loss(x, theta, gamma, fairness_weight):
    """The definition, softmax by softmax: mean entropy + fairness_weight KL(mean || uniform) + gamma ||w||^2."""
    logit = x @ theta[:2] + theta[2]
    log_probs = torch.log_softmax(torch.stack([logit, torch.zeros_like(logit)], dim=1), dim=1)
    probs = log_probs.exp()
    mean = probs.mean(dim=0)
    kl = (mean * (mean * 2).log()).sum()
    return -(probs * log_probs).sum(dim=1).mean() + fairness_weight * kl + gamma * theta[:2].square().sum()


def grid_minimum(x, gamma, fairness_weight=1.0):
    """The lowest loss on a dense grid of angles, norms and offsets: an upper bound of the global minimum."""
    angles = torch.linspace(0, torch.pi, 91, dtype=torch.float64)[:-1]
    norms = torch.logspace(-1.5, 1, 50, dtype=torch.float64)
    offsets = torch.linspace(-6, 6, 61, dtype=torch.float64)
    best = torch.inf
    for angle in angles:
        distance = (x @ torch.stack([angle.cos(), angle.sin()]))[:, None, None] + offsets
        logit = distance * norms[:, None]
        p = torch.sigmoid(logit)
        entropy = torch.special.entr(p) + torch.special.entr(torch.sigmoid(-logit))
        mean = p.mean(dim=0)
        kl = np.log(2) - torch.special.entr(mean) - torch.special.entr(1 - mean)
        best = min(best, (entropy.mean(dim=0) + fairness_weight * kl + gamma * norms[:, None] ** 2).min().item())
    return best


def clouds():
    """The strips, the sheared strips and two random clouds, as arrays of shape [40, 2]."""
    x = np.linspace(-5, 5, 20)
    rng = np.random.default_rng(0)
    named = {f"shear {s}": np.concatenate([np.c_[x + s, 0 * x + 1.5], np.c_[x - s, 0 * x - 1.5]]) for s in (0.0, 1.5)}
    return named | {f"random {i}": rng.normal(size=(40, 2)) * [3, 1.5] for i in range(2)}


def test_loss_and_gradient_equal_torch_on_random_parameters(scope):
    rng = np.random.default_rng(1)
    for scale in (0.1, 1.0, 10.0):
        for x in clouds().values():
            theta, gamma, weight = rng.normal(size=3) * scale, 10 ** rng.uniform(-4, -1), rng.uniform(0, 3)
            arguments = [x.tolist(), theta.tolist(), gamma, weight]
            loss, gradient = scope.evaluate("a => [twoStrips.loss(...a), twoStrips.gradient(...a)]", arguments)
            leaf = torch.tensor(theta, requires_grad=True)
            expected = torch_loss(torch.tensor(x), leaf, gamma, weight)
            expected.backward()
            assert loss == pytest.approx(expected.item(), rel=1e-10, abs=1e-10)
            assert gradient == pytest.approx(leaf.grad.tolist(), rel=1e-10, abs=1e-10)


@pytest.mark.parametrize("fairness_weight", [0.0, 0.3, 1.0, 3.0])
def test_loss_equals_the_librarys(scope, fairness_weight):
    rng = np.random.default_rng(2)
    for scale in (0.1, 1.0, 10.0):
        for x in clouds().values():
            theta, gamma = rng.normal(size=3) * scale, 10 ** rng.uniform(-4, -1)
            found = scope.evaluate("a => twoStrips.loss(...a)", [x.tolist(), theta.tolist(), gamma, fairness_weight])
            logit = torch.tensor(x @ theta[:2] + theta[2])
            logits = torch.stack([logit, torch.zeros_like(logit)], dim=1)
            expected = mutual_information_loss(logits, fairness_weight=fairness_weight).item()
            assert found == pytest.approx(expected + gamma * theta[:2] @ theta[:2], rel=0, abs=1e-8)


def test_a_cluster_that_is_all_but_empty_keeps_its_digits(scope):
    x = clouds()["shear 0.0"]
    found = scope.evaluate("x => twoStrips.gradient(x, [0, 0, 40], 0)", x.tolist())
    leaf = torch.tensor([0.0, 0.0, 40.0], dtype=torch.float64, requires_grad=True)
    torch_loss(torch.tensor(x), leaf, 0.0, 1.0).backward()
    assert found[2] == pytest.approx(leaf.grad[2].item(), rel=1e-10, abs=1e-40)


def test_loss_is_finite_where_every_probability_underflows(scope):
    at = [[[1.0, 0.0], [2.0, 0.0]], [1e4, 0, 0], 0]
    loss, gradient = scope.evaluate("a => [twoStrips.loss(...a), twoStrips.gradient(...a)]", at)
    assert loss == pytest.approx(np.log(2))  # certain of everything, and all of it in one cluster
    assert gradient == [0, 0, 0]


@pytest.mark.parametrize(
    ("gamma", "degrees", "loss"), [(1e-2, 90, 0.1496), (1e-3, 90, 0.0291), (2e-2, 90, None), (5e-2, 0, None)]
)
def test_fit_finds_the_strips_for_small_gamma_and_the_cut_for_large(scope, gamma, degrees, loss):
    best = scope.evaluate("gamma => twoStrips.fit(twoStrips.points(), gamma)", gamma)
    angle = np.degrees(np.arctan2(best["w"][1], best["w"][0])) % 180
    assert min(abs(angle - degrees), 180 - abs(angle - degrees)) < 1e-4
    assert loss is None or best["loss"] == pytest.approx(loss, abs=5e-5)


def test_the_two_solutions_tie_at_the_known_gamma(scope):
    best = scope.evaluate("twoStrips.fit(twoStrips.points(), 0.02125)")
    assert best["fromCut"] == pytest.approx(best["loss"], abs=5e-5)


@pytest.mark.parametrize(
    ("gamma", "fairness"), [(1e-3, 1.0), (1e-2, 1.0), (5e-2, 1.0), (1e-3, 0.2), (1e-2, 0.5), (5e-2, 3.0)]
)
@pytest.mark.parametrize("name", clouds())
def test_no_point_of_a_dense_grid_beats_fit(scope, name, gamma, fairness):
    x = clouds()[name]
    fit = "([x, gamma, fairness]) => twoStrips.fit(x, gamma, { fairness })"
    best = scope.evaluate(fit, [x.tolist(), gamma, fairness])
    lowest = grid_minimum(torch.tensor(x), gamma, fairness)
    assert best["loss"] <= lowest
    assert best["loss"] == pytest.approx(lowest, rel=0.1)


@pytest.mark.parametrize("gamma", [1e-2, 5e-2])
@pytest.mark.parametrize("name", clouds())
def test_all_points_go_to_one_cluster_where_that_costs_less_than_any_boundary(scope, name, gamma):
    fit = "([x, gamma, fairness]) => twoStrips.fit(x, gamma, { fairness })"
    for fairness in (0.05, 0.4):
        best = scope.evaluate(fit, [clouds()[name].tolist(), gamma, fairness])
        boundary = grid_minimum(torch.tensor(clouds()[name]), gamma, fairness)
        assert best["loss"] <= fairness * np.log(2)
        if best["loss"] == fairness * np.log(2):
            assert best["w"] == [0, 0]
            assert boundary >= best["loss"]
        else:
            assert best["loss"] <= boundary


def test_no_fairness_costs_nothing_and_cuts_nothing(scope):
    best = scope.evaluate("twoStrips.fit(twoStrips.points(), 0.01, { fairness: 0 })")
    loss = "b => twoStrips.loss(twoStrips.points(), [0, 0, b], 0.01, 0)"
    assert (best["w"], best["loss"], scope.evaluate(loss, best["b"])) == ([0, 0], 0, 0)


@pytest.mark.parametrize("name", clouds())
def test_kmeans_equals_the_best_of_fifty_runs_of_scikit_learn(scope, name):
    from sklearn.cluster import KMeans

    x = clouds()[name]
    found = scope.evaluate("x => twoStrips.kmeans(x)", x.tolist())
    reference = KMeans(2, n_init=50, random_state=0).fit(x)
    assert found["sse"] == pytest.approx(reference.inertia_, abs=1e-9)
    assert np.allclose(sorted(found["centers"]), sorted(reference.cluster_centers_.tolist()))
    assert np.array_equal(x @ found["w"] + found["b"] > 0, np.array(found["labels"]) == 1)


def test_kmeans_of_the_strips_is_the_known_optimum(scope):
    assert scope.evaluate("twoStrips.kmeans(twoStrips.points()).sse") == pytest.approx(181.41, abs=5e-3)


def test_the_points_are_the_papers_two_strips_and_their_shear(scope):
    for shear in (0.0, 1.5):
        assert np.allclose(scope.evaluate("s => twoStrips.points(s)", shear), clouds()[f"shear {shear}"], atol=1e-14)


@pytest.mark.parametrize("fairness", [0.3, 1.0, 3.0])
def test_the_turn_leads_over_a_hill_from_the_cut_to_the_optimum(scope, fairness):
    losses, best, again = scope.evaluate(
        """fairness => {
        const x = twoStrips.points(), best = twoStrips.fit(x, 0.01, { fairness });
        const frames = twoStrips.turn(x, 0.01, twoStrips.kmeans(x), best, { steps: 60, fairness });
        const loss = ({ w, b }) => twoStrips.loss(x, [...w, b], 0.01, fairness);
        return [frames.map((frame) => frame.loss), best, frames.map(loss)];
    }""",
        fairness,
    )
    assert losses == again
    assert losses[0] == pytest.approx(best["fromCut"], abs=1e-9)
    assert losses[-1] == pytest.approx(best["loss"], abs=1e-9)
    assert max(losses) > losses[0] > losses[-1]
