"""The loss of invariant information clustering against its sums, its closed forms and finite differences."""

import math

import pytest
import torch
from sklearn.metrics import mutual_info_score
from view_pairs import confident, pair

from paperlib.losses import invariant_information_loss, mutual_information_loss

WEIGHTS = [0.0, 0.4, 1.0, 2.5]


def the_papers_own_sum(logits_a, logits_b, weight):
    n, k = logits_a.shape
    a, b = (logits.softmax(1).tolist() for logits in (logits_a, logits_b))
    joint = [
        [sum(a[i][c] * b[i][d] + a[i][d] * b[i][c] for i in range(n)) / (2 * n) for d in range(k)] for c in range(k)
    ]
    rows = [sum(joint[c][d] for d in range(k)) for c in range(k)]
    columns = [sum(joint[c][d] for c in range(k)) for d in range(k)]
    return -sum(
        joint[c][d] * (math.log(joint[c][d]) - weight * math.log(rows[c]) - weight * math.log(columns[d]))
        for c in range(k)
        for d in range(k)
    )


@pytest.mark.parametrize("weight", WEIGHTS)
def test_loss_equals_its_sum(weight):
    a, b = pair()
    loss = invariant_information_loss(a, b, marginal_weight=weight)
    assert loss.item() == pytest.approx(the_papers_own_sum(a, b, weight), rel=1e-12)


@pytest.mark.parametrize("weight", WEIGHTS)
def test_gradient_equals_finite_differences(weight):
    a, b = pair()
    assert torch.autograd.gradcheck(
        lambda *given: invariant_information_loss(*given, marginal_weight=weight),
        (a.requires_grad_(), b.requires_grad_()),
    )


def test_hard_labels_give_scikit_learns_mutual_information_of_their_symmetrised_pairs():
    a, b = [0, 0, 1, 2, 3, 3, 3], [0, 1, 1, 2, 2, 3, 3]
    loss = invariant_information_loss(confident(a), confident(b))
    assert loss.item() == pytest.approx(-mutual_info_score(a + b, b + a), rel=1e-12)


def test_agreeing_one_hots_give_the_mutual_information_loss_less_log_k():
    logits = confident([0, 0, 0, 1, 1, 2])  # shares 1/2, 1/3, 1/6 and an empty cluster
    loss = invariant_information_loss(logits, logits)
    shares = [1 / 2, 1 / 3, 1 / 6]
    assert loss.item() == pytest.approx(sum(share * math.log(share) for share in shares), rel=1e-12)
    torch.testing.assert_close(loss, mutual_information_loss(logits) - math.log(4))


@pytest.mark.parametrize("weight", WEIGHTS)
def test_one_cluster_gives_zero_and_uniform_predictions_know_nothing(weight):
    collapsed, uniform = confident([2] * 6), torch.zeros(6, 4, dtype=torch.float64)
    assert invariant_information_loss(collapsed, collapsed, marginal_weight=weight).item() == 0.0
    found = invariant_information_loss(uniform, uniform, marginal_weight=weight)
    assert found.item() == pytest.approx(2 * (1 - weight) * math.log(4), abs=1e-12)


@pytest.mark.parametrize("weight", [1.0, 2.5])
def test_the_value_stays_in_its_range_and_balanced_agreement_reaches_the_end(weight):
    lowest = (1 - 2 * weight) * math.log(4)
    for seed in range(20):
        for scale in (0.1, 1.0, 10.0):
            a, b = pair(seed=seed)
            assert lowest <= invariant_information_loss(scale * a, scale * b, marginal_weight=weight).item() <= 1e-12
    balanced = confident([0, 1, 2, 3])
    assert invariant_information_loss(balanced, balanced, marginal_weight=weight).item() == pytest.approx(lowest)


@pytest.mark.parametrize("weight", [0.0, 0.25, 0.5])
def test_up_to_weight_one_half_nothing_beats_collapse(weight):
    for seed in range(20):
        a, b = pair(seed=seed)
        assert invariant_information_loss(3 * a, 3 * b, marginal_weight=weight).item() >= 0


def test_swapping_relabelling_shifting_and_repeating_change_nothing():
    a, b = pair()
    loss = invariant_information_loss(a, b, marginal_weight=1.5)
    order = [2, 0, 3, 1]
    shift = torch.arange(7.0, dtype=torch.float64)[:, None]
    for changed in ((b, a), (a[:, order], b[:, order]), (a + shift, b - shift), (a.repeat(3, 1), b.repeat(3, 1))):
        torch.testing.assert_close(invariant_information_loss(*changed, marginal_weight=1.5), loss)


def test_relabelling_one_view_alone_changes_the_value():
    a, b = pair()
    assert abs(invariant_information_loss(a, b[:, [2, 0, 3, 1]]) - invariant_information_loss(a, b)) > 1e-3


@pytest.mark.parametrize("nothing", [-2000.0, -math.inf])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_an_empty_cluster_adds_nothing_to_value_or_gradient(nothing, dtype):
    a, b = pair(dtype=dtype)
    wide = [torch.cat([one, torch.full((7, 1), nothing, dtype=dtype)], 1).requires_grad_() for one in (a, b)]
    loss = invariant_information_loss(*wide)
    torch.testing.assert_close(loss, invariant_information_loss(a, b))
    loss.backward()
    narrow = a.requires_grad_()
    invariant_information_loss(narrow, b).backward()
    torch.testing.assert_close(wide[0].grad[:, :4], narrow.grad)
    assert all(one.grad[:, 4].abs().max() == 0 for one in wide)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("size", [80.0, 2000.0])
def test_value_and_gradient_are_finite_for_the_surest_predictions(size, dtype):
    for labels_b in ([0, 1, 2, 3], [1, 2, 3, 0], [1, 1, 1, 1]):
        a = (size / 1e4 * confident([0, 1, 2, 3])).to(dtype).requires_grad_()
        b = (size / 1e4 * confident(labels_b)).to(dtype).requires_grad_()
        loss = invariant_information_loss(a, b)
        loss.backward()
        assert all(bool(found.isfinite().all()) for found in (loss, a.grad, b.grad))


@pytest.mark.parametrize("size", [1.0, 5.0, 20.0, 80.0, 300.0, 640.0, 2000.0])
def test_the_gradient_fades_as_two_clusters_stop_meeting(size):
    """So that the nothing which an underflown pair passes on is the limit of the true slope, not a cut."""
    logits = torch.tensor([[size, 0.0], [0.0, size]], dtype=torch.float64, requires_grad=True)
    invariant_information_loss(logits, logits).backward()
    sigmoid = 1 / (1 + math.exp(-size))
    apart = sigmoid**2 * math.exp(-size)  # the two cells off the diagonal, the others are 1/2 - apart
    slope = apart * (2 * sigmoid - 1) * math.log((0.5 - apart) / apart) if apart > 0 else 0.0
    assert float(logits.grad[0, 1]) == pytest.approx(slope, rel=1e-9, abs=0)


def test_float32_agrees_with_float64():
    single = invariant_information_loss(*pair(dtype=torch.float32))
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), invariant_information_loss(*pair()), rtol=0, atol=1e-6)


def test_mixed_precision_does_not_round_the_joint_distribution():
    a, b = pair(dtype=torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = invariant_information_loss(a, b)
    assert torch.equal(loss, invariant_information_loss(a, b))


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"logits_a": [[0.0, 1.0]]}, TypeError, "logits_a must be a torch tensor, got list"),
        ({"logits_b": torch.zeros(2, 3, dtype=torch.int64)}, TypeError, "logits_b must hold floating-point numbers"),
        ({"logits_b": torch.zeros(3)}, ValueError, r"shape \[n >= 1, k >= 1\], got \[3\]"),
        ({"logits_b": torch.zeros(2, 4)}, ValueError, r"one shape, got \[2, 3\] and \[2, 4\]"),
        ({"marginal_weight": -1.0}, ValueError, "marginal_weight must be a finite number >= 0, got -1.0"),
    ],
)
def test_bad_input_is_refused_with_what_was_given(change, error, message):
    arguments = {"logits_a": torch.zeros(2, 3), "logits_b": torch.zeros(2, 3), **change}
    with pytest.raises(error, match=message):
        invariant_information_loss(arguments.pop("logits_a"), arguments.pop("logits_b"), **arguments)
