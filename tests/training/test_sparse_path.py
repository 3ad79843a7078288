"""The path of Sparse GEMINI: each step solves its problem, and noise goes before signal."""

import math
from itertools import pairwise

import pytest
import torch
from sklearn.linear_model import MultiTaskLasso

from paperlib.metrics import adjusted_rand_index
from paperlib.models import LassoNet, SparseLinear
from paperlib.proximal import group_soft_threshold
from paperlib.training.sparse_path import SparseStep, sparse_path, sparsest_step

SIGNAL = {4, 7}  # of ten features


def toy():
    """Three round clusters in two features, eight features of noise."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(150, 10, generator=generator, dtype=torch.float64)
    y = torch.arange(150) % 3
    centers = torch.tensor([[0.0, 3.0], [-2.6, -1.5], [2.6, -1.5]], dtype=torch.float64)
    x[:, sorted(SIGNAL)] += centers[y]
    return x - x.mean(0), y


class LinearMMD:
    """Minus the sum over the clusters of the weighted distances of their means from the mean of all."""

    def __init__(self, x):
        self.x = x
        self.is_training = []  # of each call

    def __call__(self, logits, index=None):
        x, probs = self.x if index is None else self.x[index], logits.softmax(1)
        self.is_training.append(torch.is_grad_enabled())
        return -((probs - probs.mean(0)).T @ x / len(x)).norm(dim=1).sum()


def fitted(make, x, objective, seed=0):
    model = make(x.shape[1], 3, generator=torch.Generator().manual_seed(seed)).double()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(200):
        optimizer.zero_grad()
        objective(model(x), None).backward()
        optimizer.step()
    return model


def features(step):
    return set(step.selected.nonzero().flatten().tolist())


@pytest.mark.parametrize("make", [SparseLinear, LassoNet])
@pytest.mark.parametrize("batch_size", [None, 50])
def test_noise_goes_before_signal_and_the_clusters_stay(make, batch_size):
    x, y = toy()
    objective = LinearMMD(x)
    model = fitted(make, x, objective)
    generator = torch.Generator().manual_seed(0)
    path = sparse_path(model, objective, x, factor=1.2, batch_size=batch_size, generator=generator)
    assert path[0].n_features == 10
    assert all(features(step) >= SIGNAL for step in path)
    best = sparsest_step(path)
    assert features(best) == SIGNAL
    model.load_state_dict(best.state)
    assert adjusted_rand_index(y, model(x).argmax(1)) > 0.9


def regression():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(60, 6, generator=generator, dtype=torch.float64)
    targets = x[:, :3] @ torch.randn(3, 4, generator=generator, dtype=torch.float64)
    targets += 1 + 0.5 * torch.randn(60, 4, generator=generator, dtype=torch.float64)
    return x, targets, lambda logits, index: (logits - targets).square().sum() / (2 * 60)


def test_the_steps_are_those_of_nesterovs_method_from_rest():
    x, targets, squares = regression()
    model = SparseLinear(6, 4, generator=torch.Generator().manual_seed(0)).double()
    weight, bias = model.weight.detach().clone(), model.bias.detach().clone()
    last_weight, last_bias = weight, bias
    for _ in range(3):
        ahead = weight + 0.9 * (weight - last_weight), bias + 0.9 * (bias - last_bias)
        last_weight, last_bias = weight, bias
        residual = (x @ ahead[0].T + ahead[1] - targets) / 60
        weight = group_soft_threshold(ahead[0] - 0.1 * residual.T @ x, 0.1 * 0.2)
        bias = ahead[1] - 0.1 * residual.sum(0)
    path = sparse_path(model, squares, x, alpha=0.2, factor=1e9, learning_rate=0.1, max_iter=3)
    torch.testing.assert_close(path[1].state, {"weight": weight, "bias": bias})


def test_each_step_on_squares_is_scikit_learns_multi_task_lasso():
    x, targets, squares = regression()
    model = SparseLinear(6, 4, generator=torch.Generator().manual_seed(0)).double()
    path = sparse_path(
        model, squares, x, alpha=0.05, factor=2.0, learning_rate=0.1, max_iter=1000, patience=1000, min_features=1
    )
    assert len(path) > 4
    for step in path[1:]:
        lasso = MultiTaskLasso(alpha=step.alpha, tol=1e-12, max_iter=100_000).fit(x.numpy(), targets.numpy())
        torch.testing.assert_close(step.state["weight"], torch.from_numpy(lasso.coef_), rtol=0, atol=1e-7)
        torch.testing.assert_close(step.state["bias"], torch.from_numpy(lasso.intercept_), rtol=0, atol=1e-7)
        assert step.n_features == (lasso.coef_ != 0).any(0).sum()


def test_a_path_starts_with_the_model_as_given_and_ends_with_the_model_as_left():
    x, _ = toy()
    objective = LinearMMD(x)
    model = fitted(SparseLinear, x, objective)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    path = sparse_path(model, objective, x, factor=1.5, min_features=4)
    torch.testing.assert_close(path[0].state, before, rtol=0, atol=0)
    torch.testing.assert_close(path[-1].state, dict(model.state_dict()), rtol=0, atol=0)
    assert path[-1].score == pytest.approx(-objective(model(x)).item())
    assert path[0].alpha == 0
    for step, following in pairwise(path[1:]):
        assert following.alpha == pytest.approx(1.5 * step.alpha)
        assert step.n_features > 4
    assert path[-1].n_features <= 4
    norms = before["weight"].norm(dim=0).sum().item()
    assert path[1].alpha == pytest.approx(0.01 * path[0].score / norms)


def test_a_step_ends_when_patience_does():
    x, _ = toy()
    objective = LinearMMD(x)
    model = SparseLinear(10, 3, generator=torch.Generator().manual_seed(0)).double()
    # steps of no size: one epoch sets the mark, three do not pass it
    sparse_path(model, objective, x, alpha=1e-9, factor=1e30, learning_rate=1e-12, patience=3)
    assert objective.is_training[:6] == [False, True, True, True, True, False]
    objective.is_training.clear()
    model = SparseLinear(10, 3, generator=torch.Generator().manual_seed(0)).double()
    sparse_path(model, objective, x, alpha=1e-9, factor=1e30, learning_rate=1e-12, max_iter=2)
    assert objective.is_training[:4] == [False, True, True, False]


def test_batches_are_full_and_scored_alike_at_every_step():
    x, _ = toy()
    seen = []

    def objective(logits, index):
        seen.append((torch.is_grad_enabled(), index))
        return LinearMMD(x)(logits, index)

    model = fitted(SparseLinear, x, LinearMMD(x))
    sparse_path(model, objective, x, factor=4.0, batch_size=60, generator=torch.Generator().manual_seed(0))
    assert all(len(index) == 60 for _, index in seen)
    scored = [index for training, index in seen if not training]
    assert len(scored) >= 4
    assert all(torch.equal(index, scored[place % 2]) for place, index in enumerate(scored))
    trained = [index for training, index in seen if training]
    assert len(torch.cat(trained[:2]).unique()) == 120  # an epoch sees no sample twice
    assert not torch.equal(trained[0], trained[2])


def test_the_same_generator_gives_the_same_path():
    x, _ = toy()

    def run(seed):
        generator = torch.Generator().manual_seed(seed)
        model = fitted(LassoNet, x, LinearMMD(x))
        return sparse_path(model, LinearMMD(x), x, factor=2.0, batch_size=50, generator=generator)[-1].state

    torch.testing.assert_close(run(0), run(0), rtol=0, atol=0)
    assert not torch.equal(run(0)["skip.weight"], run(1)["skip.weight"])


def test_a_new_objective_is_asked_for_when_the_selection_changes_and_scores_stay_comparable():
    x, _ = toy()
    masks, dynamic = [], []

    def on_selection(mask):
        masks.append(mask)
        dynamic.append(LinearMMD(x * mask))
        return dynamic[-1]

    objective = LinearMMD(x)
    model = fitted(SparseLinear, x, objective)
    path = sparse_path(model, objective, x, factor=1.1, on_selection=on_selection)
    selections = [step.selected for step in path[:-1]]  # the last is not trained from
    changes = [new for old, new in pairwise(selections) if not torch.equal(old, new)]
    assert len(masks) == len(changes) > 2
    assert all(torch.equal(mask, change) for mask, change in zip(masks, changes, strict=True))
    assert all(all(used.is_training) and used.is_training for used in dynamic)
    model.load_state_dict(path[-1].state)
    assert path[-1].score == pytest.approx(-objective(model(x)).item())
    assert features(sparsest_step(path)) == SIGNAL


def step(score, n_features):
    return SparseStep(0.0, score, torch.arange(6) < n_features, {})


def test_the_sparsest_step_keeps_nine_tenths_of_the_score():
    path = [step(10.0, 6), step(9.9, 4), step(9.2, 3), step(9.4, 3), step(8.9, 2)]
    assert sparsest_step(path) is path[3]
    assert sparsest_step(path, share=0.85) is path[4]
    assert sparsest_step(path, share=1.0) is path[0]
    assert [entry.n_features for entry in path] == [6, 4, 3, 3, 2]


def test_a_share_of_a_score_that_is_not_positive_is_refused():
    with pytest.raises(ValueError, match="score of -1; a share of it says something only if it is positive"):
        sparsest_step([step(-1.0, 6)])
    with pytest.raises(ValueError, match=r"share must be between 0 and 1, got 1\.5"):
        sparsest_step([step(1.0, 6)], share=1.5)


def test_an_objective_that_is_not_finite_is_an_error():
    x, _ = toy()
    model = SparseLinear(10, 3, generator=torch.Generator().manual_seed(0)).double()
    with pytest.raises(FloatingPointError, match="the objective is nan at alpha=0; lower learning_rate"):
        sparse_path(model, lambda logits, index: logits.sum() * math.nan, x)
    with pytest.raises(FloatingPointError, match=r"the objective is (inf|nan) at alpha=1"):
        sparse_path(model, lambda logits, index: logits.pow(4).sum(), x, alpha=1.0, learning_rate=1e6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"factor": 1.0}, "factor=1.0 must be above 1"),
        ({"alpha": 0.0}, "alpha must be a finite number > 0"),
        ({"learning_rate": 0.0}, "learning_rate must be a finite number > 0"),
        ({"min_features": -1}, "min_features must be a whole number of at least 0"),
        ({"max_iter": 0}, "max_iter must be a whole number of at least 1"),
        ({"patience": 0}, "patience must be a whole number of at least 1"),
        ({"batch_size": 0}, "batch_size must be a whole number of at least 1"),
        ({"alpha": None}, "score of -1 and a sum of norms of .*; where they are not both positive, give alpha"),
    ],
)
def test_arguments_out_of_range_are_refused(options, message):
    model = SparseLinear(10, 3, generator=torch.Generator().manual_seed(0)).double()
    with pytest.raises(ValueError, match=message):
        sparse_path(model, lambda logits, index: 1 + 0 * logits.sum(), toy()[0], **options)
