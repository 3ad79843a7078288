"""The contrastive losses against their sums, their closed forms, finite differences and the theorems behind them."""

import math

import pytest
import torch
import view_pairs
from view_pairs import confident

from paperlib.losses import (
    contrastive,
    critic_matrix,
    feature_contrastive_loss,
    logit_bound_loss,
    probability_contrastive_loss,
)
from paperlib.losses.contrastive import CRITICS

LOG_DOT = ["log_dot", "log_dot_prior"]
BOUNDED = ["dot", "negative_l2", "negative_js"]
PRIOR = [0.5, 0.3, 0.15, 0.05]


def pair(n=6, k=4, **settings):
    return view_pairs.pair(n, k, **settings)


def critic_by_definition(p, q, critic, prior):
    if critic in LOG_DOT:
        return math.log(
            sum(a * b / (c if critic == "log_dot_prior" else 1) for a, b, c in zip(p, q, prior, strict=True))
        )
    if critic == "dot":
        return sum(a * b for a, b in zip(p, q, strict=True))
    if critic == "negative_l2":
        return -sum((a - b) ** 2 for a, b in zip(p, q, strict=True))
    middle = [(a + b) / 2 for a, b in zip(p, q, strict=True)]
    return -sum((a * math.log(a / m) + b * math.log(b / m)) / 2 for a, b, m in zip(p, q, middle, strict=True))


def contrast_by_definition(logits_a, logits_b, critic, smoothing, prior):
    n, k = logits_a.shape
    pooled = [*logits_a.softmax(1).tolist(), *logits_b.softmax(1).tolist()]
    pooled = [[(1 - smoothing) * value + smoothing / k for value in row] for row in pooled]
    prior = [sum(row[c] for row in pooled) / (2 * n) for c in range(k)] if prior is None else prior
    total = 0.0
    for i in range(2 * n):
        scores = {
            j: math.exp(critic_by_definition(pooled[i], pooled[j], critic, prior)) for j in range(2 * n) if j != i
        }
        total -= math.log(scores[(i + n) % (2 * n)] / sum(scores.values()))
    return total / (2 * n)


@pytest.mark.parametrize("smoothing", [0.0, 0.01, 0.3])
@pytest.mark.parametrize("critic", CRITICS)
def test_the_contrast_of_predictions_equals_its_sum(critic, smoothing):
    found = probability_contrastive_loss(*pair(), critic=critic, smoothing=smoothing)
    assert found.item() == pytest.approx(contrast_by_definition(*pair(), critic, smoothing, None), abs=1e-12)


def test_a_prior_that_is_given_is_the_one_of_the_sum():
    found = probability_contrastive_loss(*pair(), critic="log_dot_prior", prior=torch.tensor(PRIOR), smoothing=0.1)
    assert found.item() == pytest.approx(contrast_by_definition(*pair(), "log_dot_prior", 0.1, PRIOR), abs=1e-7)


@pytest.mark.parametrize("temperature", [0.1, 0.5, 2.0])
def test_the_contrast_of_features_equals_its_sum(temperature):
    a, b = pair(n=5, k=3)
    rows = [[value / math.hypot(*row) for value in row] for row in [*a.tolist(), *b.tolist()]]
    total = 0.0
    for i in range(10):
        similar = [sum(u * v for u, v in zip(rows[i], rows[j], strict=True)) / temperature for j in range(10)]
        total -= similar[(i + 5) % 10] - math.log(sum(math.exp(similar[j]) for j in range(10) if j != i))
    found = feature_contrastive_loss(a, b, temperature=temperature)
    assert found.item() == pytest.approx(total / 10, abs=1e-12)


@pytest.mark.parametrize("smoothing", [0.0, 0.05])
@pytest.mark.parametrize("critic", CRITICS)
def test_gradients_equal_finite_differences_in_both_views(critic, smoothing):
    prior = torch.tensor(PRIOR, dtype=torch.float64) if critic == "log_dot_prior" else None
    assert torch.autograd.gradcheck(
        lambda *given: probability_contrastive_loss(*given, critic=critic, smoothing=smoothing, prior=prior),
        tuple(logits.requires_grad_() for logits in pair(n=4)),
    )


def test_gradients_of_the_contrast_of_features_equal_finite_differences():
    assert torch.autograd.gradcheck(
        lambda *given: feature_contrastive_loss(*given, temperature=0.3),
        tuple(features.requires_grad_() for features in pair(n=4)),
    )


def test_no_gradient_flows_through_a_prior_that_is_the_batch_mean():
    a, b = (logits.requires_grad_() for logits in pair())
    mean = torch.cat((a, b)).softmax(1).mean(0).detach()
    losses = [probability_contrastive_loss(a, b, critic="log_dot_prior", prior=given) for given in (None, mean)]
    torch.testing.assert_close(losses[0], losses[1])
    found, expected = (torch.autograd.grad(loss, a)[0] for loss in losses)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("critic", CRITICS)
def test_the_losses_are_those_of_the_critics_matrix(critic):
    pooled = torch.cat(pair()).log_softmax(1)
    prior = pooled.exp().mean(0) if critic == "log_dot_prior" else None
    scores = critic_matrix(pooled, pooled, critic, prior).fill_diagonal_(-math.inf)
    expected = torch.nn.functional.cross_entropy(scores, torch.arange(12).roll(6))
    torch.testing.assert_close(probability_contrastive_loss(*pair(), critic=critic), expected)


@pytest.mark.parametrize("critic", BOUNDED)
@pytest.mark.parametrize("size", [1, 5, 11, 12])
def test_chunks_change_neither_value_nor_gradient(critic, size):
    results = []
    for chunk_size in (None, size):
        a, b = (logits.requires_grad_() for logits in pair())
        loss = probability_contrastive_loss(a, b, critic=critic, chunk_size=chunk_size)
        loss = loss + feature_contrastive_loss(a, b, chunk_size=chunk_size)
        results.append((loss.detach(), *torch.autograd.grad(loss, (a, b))))
    for whole, parts in zip(*results, strict=True):
        torch.testing.assert_close(parts, whole, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("critic", LOG_DOT)
def test_the_log_dot_critics_hold_no_matrix_of_all_pairs(critic):
    largest = 0

    class Watch(torch.overrides.TorchFunctionMode):
        def __torch_function__(self, function, types, args=(), kwargs=None):
            nonlocal largest
            result = function(*args, **(kwargs or {}))
            if isinstance(result, torch.Tensor):
                largest = max(largest, result.numel())
            return result

    n, k = 500, 4
    with Watch():
        probability_contrastive_loss(*pair(n, k), critic=critic)
    assert 0 < largest <= 2 * n * k


@pytest.mark.parametrize("critic", CRITICS)
def test_swapping_the_views_or_relabelling_the_clusters_or_reordering_the_samples_changes_nothing(critic):
    a, b = pair()
    expected = probability_contrastive_loss(a, b, critic=critic)
    clusters, samples = torch.tensor([2, 0, 3, 1]), torch.tensor([5, 0, 3, 1, 4, 2])
    for given in ((b, a), (a[:, clusters], b[:, clusters]), (a[samples], b[samples]), (a + 7, b - 3)):
        torch.testing.assert_close(probability_contrastive_loss(*given, critic=critic), expected)


@pytest.mark.parametrize("critic", CRITICS)
def test_predictions_that_are_all_alike_are_a_guess_among_all_candidates(critic):
    logits = torch.tensor([[1.0, -2.0, 0.5, 3.0]], dtype=torch.float64).expand(6, 4)
    loss = probability_contrastive_loss(logits, logits, critic=critic)
    assert loss.item() == pytest.approx(math.log(11), abs=1e-12)


@pytest.mark.parametrize("critic", LOG_DOT)
@pytest.mark.parametrize("sizes", [(5, 5, 5, 5), (10, 6, 3, 1)])
def test_on_one_hot_predictions_that_agree_both_log_dot_critics_depend_on_the_shares_alone(critic, sizes):
    labels = [cluster for cluster, size in enumerate(sizes) for _ in range(size)]
    loss = probability_contrastive_loss(confident(labels), confident(labels), critic=critic)
    expected = sum(size / 20 * math.log(2 * size - 1) for size in sizes)
    assert loss.item() == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("critic", "agree", "differ"), [("dot", 1, 0), ("negative_l2", 0, -2), ("negative_js", 0, -math.log(2))]
)
def test_bounded_critics_cannot_call_the_positive_much_better_than_the_others(critic, agree, differ):
    n, k = 40, 4
    labels = torch.arange(n) % k
    loss = probability_contrastive_loss(confident(labels), confident(labels), critic=critic)
    same, others = 2 * n // k - 1, 2 * n - 2 * n // k
    floor = math.log(same + others * math.exp(differ - agree))
    assert loss.item() == pytest.approx(floor, abs=1e-9)
    assert floor > math.log(same) + 0.3
    random = [probability_contrastive_loss(*pair(n, k, scale=scale), critic=critic).item() for scale in (0.1, 2, 50)]
    assert min(random) > math.log(1 + (2 * n - 2) * math.exp(differ - agree))


def test_on_rows_that_are_one_hot_the_prior_changes_nothing_whatever_the_others_are():
    pooled = torch.cat(pair()).log_softmax(1)
    anchors = confident([0, 1, 2, 3], size=200.0).log_softmax(1)
    with_prior, without = (
        critic_matrix(anchors, pooled, critic, torch.tensor(PRIOR).double()).log_softmax(1)
        for critic in reversed(LOG_DOT)
    )
    torch.testing.assert_close(with_prior, without)


def test_a_uniform_prior_changes_nothing():
    given = probability_contrastive_loss(*pair(), critic="log_dot_prior", prior=torch.full((4,), 0.25))
    torch.testing.assert_close(given, probability_contrastive_loss(*pair()))


def test_with_the_batch_mean_as_prior_all_candidates_with_the_row_itself_sum_to_their_number():
    pooled = torch.cat(pair()).log_softmax(1)
    scores = critic_matrix(pooled, pooled, "log_dot_prior", pooled.exp().mean(0))
    torch.testing.assert_close(scores.exp().sum(1), torch.full((12,), 12.0, dtype=torch.float64))


def test_the_gradient_of_the_log_dot_critic_is_the_prediction_less_what_both_views_agree_on():
    logits, other = (one[:1] for one in pair())
    logits.requires_grad_()
    p, q = logits.softmax(1).detach(), other.softmax(1)
    critic_matrix(logits.log_softmax(1), other.log_softmax(1), "log_dot").neg().sum().backward()
    torch.testing.assert_close(logits.grad, p - p * q / (p * q).sum())


@pytest.mark.parametrize("critic", LOG_DOT)
@pytest.mark.parametrize("size", [80.0, 2000.0])
def test_very_confident_predictions_that_disagree_keep_value_and_gradient(critic, size):
    labels = torch.arange(12) % 4
    a, b = confident(labels, size=size), confident(labels.roll(1), size=size)
    prior = torch.tensor(PRIOR) if critic == "log_dot_prior" else None
    values = []
    for dtype in (torch.float32, torch.float64):
        given = [one.to(dtype).requires_grad_() for one in (a, b)]
        loss = probability_contrastive_loss(*given, critic=critic, prior=prior)
        loss.backward()
        assert all(one.grad.isfinite().all() and one.grad.abs().max() > 1e-3 for one in given)
        values.append(loss.item())
    assert values[0] == pytest.approx(values[1], rel=1e-5)
    assert values[1] > size / 2


@pytest.mark.parametrize("critic", LOG_DOT)
def test_a_cluster_of_which_no_sample_is_possible_changes_nothing(critic):
    a, b = pair(k=3)
    expected = probability_contrastive_loss(a, b, critic=critic)
    without = torch.full((6, 1), -math.inf, dtype=torch.float64)
    a, b = (torch.cat([one, without], 1).requires_grad_() for one in (a, b))
    loss = probability_contrastive_loss(a, b, critic=critic)
    torch.testing.assert_close(loss, expected)
    gradients = torch.autograd.grad(loss, (a, b))
    assert all(one[:, :3].isfinite().all() and not one[:, 3].any() for one in gradients)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("critic", LOG_DOT)
@pytest.mark.parametrize("size", [1e3, 1e7, 1e9, 1e17])
def test_a_cluster_that_is_masked_by_a_large_number_leaves_no_gap_in_the_gradient(size, critic, dtype):
    a, b = pair(k=3, dtype=dtype)
    expected = probability_contrastive_loss(a, b, critic=critic)
    masked = torch.full((6, 1), -size, dtype=dtype)
    a, b = (torch.cat([one, masked], 1).requires_grad_() for one in (a, b))
    loss = probability_contrastive_loss(a, b, critic=critic)
    torch.testing.assert_close(loss, expected)
    assert all(one.isfinite().all() for one in torch.autograd.grad(loss, (a, b)))


def kept_for_backward(loss):
    """Entries of all tensors that a loss keeps for its backward pass."""
    kept = 0

    def pack(tensor):
        nonlocal kept
        kept += tensor.numel()
        return tensor

    a, b = (logits.requires_grad_() for logits in pair(n=64))
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        loss(a, b)
    return kept


@pytest.mark.parametrize("critic", BOUNDED)
def test_chunks_are_made_again_in_the_backward_pass_and_not_kept(critic, monkeypatch):
    whole = kept_for_backward(lambda a, b: probability_contrastive_loss(a, b, critic=critic))
    parts = kept_for_backward(lambda a, b: probability_contrastive_loss(a, b, critic=critic, chunk_size=16))
    assert whole >= 128**2
    assert parts < whole / 4
    monkeypatch.setattr(contrastive, "_WHOLE", 1000)
    monkeypatch.setattr(contrastive, "_CHUNK", 4000)
    assert kept_for_backward(lambda a, b: probability_contrastive_loss(a, b, critic=critic)) < whole / 4


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("size", [1e-30, 1e-12, 1.0, 1e30])
def test_the_length_of_features_plays_no_part_however_small_or_large(size, dtype):
    a, b = pair(dtype=dtype)
    expected = feature_contrastive_loss(a, b)
    torch.testing.assert_close(feature_contrastive_loss(size * a, b), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_features_that_are_zero_have_no_direction(dtype):
    a, b = pair(dtype=dtype)
    a[0] = 0
    a.requires_grad_()
    loss = feature_contrastive_loss(a, b, temperature=1.0)
    loss.backward()
    assert loss.isfinite()
    assert a.grad.isfinite().all()


def test_a_row_that_has_a_cluster_to_itself_loses_no_digits():
    logits = torch.zeros(40, 3)
    logits[:, 2] = -30.0
    a, b = logits.clone(), logits.clone()
    a[0] = torch.tensor([-40.0, -40.0, 0.0])
    single, double = (probability_contrastive_loss(a.to(t), b.to(t)).item() for t in (torch.float32, torch.float64))
    assert single == pytest.approx(double, rel=1e-5)


def test_smoothing_bounds_the_price_of_confident_disagreement():
    a, b = confident([0, 1, 2, 3] * 3), confident([1, 2, 3, 0] * 3)
    smooth, sharp = (probability_contrastive_loss(a, b, smoothing=gamma).item() for gamma in (0.01, 0.0))
    floor = 0.01 / 4
    least = 2 * (1 - 0.01 + floor) * floor + 2 * floor**2
    assert smooth <= math.log(23) - math.log(least)
    assert sharp > 9000


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("critic", CRITICS)
def test_losses_keep_the_type_of_the_logits(critic, dtype):
    a, b = pair(dtype=dtype)
    assert probability_contrastive_loss(a, b, critic=critic).dtype == dtype
    assert feature_contrastive_loss(a, b).dtype == dtype


def test_autocast_does_not_round_the_products():
    a, b = pair(dtype=torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        found = [feature_contrastive_loss(a, b), probability_contrastive_loss(a, b, critic="dot")]
    expected = [feature_contrastive_loss(a, b), probability_contrastive_loss(a, b, critic="dot")]
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6)


def test_the_bound_on_logits_starts_at_the_bound():
    logits = torch.tensor([[24.0, -25.0], [27.0, -26.0]], dtype=torch.float64, requires_grad=True)
    loss = logit_bound_loss(logits)
    assert loss.item() == pytest.approx((2**2 + 1**2) / 2 / 2)
    loss.backward()
    assert logits.grad.tolist() == [[0, 0], [1.0, -0.5]]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"critic": "cosine"}, "critic must be one of log_dot, log_dot_prior, dot"),
        ({"smoothing": 1.0}, "smoothing must be a number with 0 <= smoothing < 1, got 1.0"),
        ({"prior": torch.tensor(PRIOR)}, "prior is for critic='log_dot_prior' alone"),
        ({"critic": "log_dot_prior", "prior": torch.tensor([0.5, 0.5])}, "prior must have one entry for each of the 4"),
        ({"chunk_size": 0}, "chunk_size must be a whole number of at least 1"),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        probability_contrastive_loss(*pair(), **settings)


@pytest.mark.parametrize("loss", [probability_contrastive_loss, feature_contrastive_loss])
def test_views_that_do_not_fit_and_single_samples_are_refused(loss):
    a, b = pair()
    with pytest.raises(ValueError, match="must have one shape"):
        loss(a, b[:3])
    with pytest.raises(ValueError, match="at least two samples, got 1"):
        loss(a[:1], b[:1])
    with pytest.raises(TypeError, match="must hold floating-point numbers"):
        loss(a.long(), b.long())


def test_other_settings_out_of_range_are_refused():
    with pytest.raises(ValueError, match="temperature must be a finite number > 0"):
        feature_contrastive_loss(*pair(), temperature=0.0)
    with pytest.raises(ValueError, match="bound must be a finite number > 0"):
        logit_bound_loss(pair()[0], bound=-1.0)
    with pytest.raises(ValueError, match="needs prior, the share of each cluster; got None"):
        critic_matrix(*pair(), "log_dot_prior")
    with pytest.raises(ValueError, match=r"must have the same clusters, got \[6, 4\] and \[6, 3\]"):
        critic_matrix(pair()[0], pair(k=3)[0], "dot")
