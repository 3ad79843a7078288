"""The two losses of SCAN against their sums, their closed forms and finite differences."""

import math

import pytest
import torch
from view_pairs import confident, pair

from paperlib.losses import confident_cross_entropy, fairness_loss, scan_loss, self_labeling_loss

WEIGHTS = [0.0, 1.0, 5.0]


def the_papers_own_sum(logits, neighbor_logits, weight):
    n, k = logits.shape
    p, q = logits.softmax(1).tolist(), neighbor_logits.softmax(1).tolist()
    consistency = -sum(math.log(sum(p[i][c] * q[i][c] for c in range(k))) for i in range(n)) / n
    mean = [sum(p[i][c] for i in range(n)) / n for c in range(k)]
    return consistency + weight * sum(m * math.log(m) for m in mean)


@pytest.mark.parametrize("weight", WEIGHTS)
def test_scan_equals_its_sum(weight):
    logits, neighbors = pair()
    loss = scan_loss(logits, neighbors, entropy_weight=weight)
    assert loss.item() == pytest.approx(the_papers_own_sum(logits, neighbors, weight), rel=1e-12)


@pytest.mark.parametrize("weight", WEIGHTS)
def test_scans_gradients_equal_finite_differences_in_both_arguments(weight):
    logits, neighbors = pair()
    assert torch.autograd.gradcheck(
        lambda *given: scan_loss(*given, entropy_weight=weight), (logits.requires_grad_(), neighbors.requires_grad_())
    )


def test_scan_is_the_collision_cross_entropy_to_the_neighbour_plus_a_weak_fairness():
    logits, neighbors = pair()
    logits.requires_grad_()
    consistency = self_labeling_loss(logits, neighbors.softmax(1), divergence="collision_cross_entropy")
    fairness = fairness_loss(logits.softmax(1).mean(0), direction="reverse") - math.log(4)
    torch.testing.assert_close(scan_loss(logits, neighbors), consistency + 5 * fairness)
    found, expected = (
        torch.autograd.grad(loss, logits)[0] for loss in (scan_loss(logits, neighbors), consistency + 5 * fairness)
    )
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("weight", WEIGHTS)
def test_scans_closed_forms(weight):
    balanced, collapsed, uniform = confident([0, 1, 2, 3]), confident([2] * 4), confident([0] * 4, size=0.0)
    values = [scan_loss(logits, logits, entropy_weight=weight).item() for logits in (balanced, collapsed, uniform)]
    assert values == pytest.approx([-weight * math.log(4), 0.0, (1 - weight) * math.log(4)], abs=1e-12)


def test_the_marginal_is_that_of_the_samples_alone():
    logits, neighbors = pair()
    terms = [
        scan_loss(*given) - scan_loss(*given, entropy_weight=0.0) for given in ((logits, neighbors), (logits, logits))
    ]
    torch.testing.assert_close(terms[0], terms[1])
    torch.testing.assert_close(
        scan_loss(logits, neighbors, entropy_weight=0.0), scan_loss(neighbors, logits, entropy_weight=0.0)
    )


def test_relabelling_shifting_repeating_and_an_empty_cluster_change_nothing_in_scan():
    logits, neighbors = pair()
    loss = scan_loss(logits, neighbors)
    order, shift = [2, 0, 3, 1], torch.arange(7.0, dtype=torch.float64)[:, None]
    changes = [
        lambda given: given[:, order],
        lambda given: given + shift,
        lambda given: given.repeat(3, 1),
        lambda given: torch.cat([given, torch.full((7, 1), -2000.0, dtype=torch.float64)], 1),
        lambda given: torch.cat([given, torch.full((7, 1), -math.inf, dtype=torch.float64)], 1),
    ]
    for change in changes:
        torch.testing.assert_close(scan_loss(change(logits), change(neighbors)), loss)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("size", [80.0, 2000.0])
def test_sure_disagreement_costs_what_the_logits_say_and_still_teaches(size, dtype):
    logits = confident([0, 1, 2, 3], size=size).to(dtype).requires_grad_()
    neighbors = confident([1, 2, 3, 0], size=size).to(dtype).requires_grad_()
    loss = scan_loss(logits, neighbors, entropy_weight=0.0)
    assert loss.item() == pytest.approx(size - math.log(2))  # two ways to agree, each at a price of `size`
    loss.backward()
    pulled = torch.tensor([0.5, -0.5, 0.0, 0.0], dtype=dtype) / 4  # the half that goes over to the neighbour's cluster
    torch.testing.assert_close(logits.grad[0], pulled)
    torch.testing.assert_close(neighbors.grad[0], -pulled)


def the_authors_own_average(weak, strong, threshold, balanced):
    """Each confident sample weighs one over its label's share of the confident ones."""
    probs, log_probs = weak.softmax(1).tolist(), strong.log_softmax(1).tolist()
    kept = [(row.index(max(row)), log_probs[i]) for i, row in enumerate(probs) if max(row) > threshold]
    labels = [label for label, _ in kept]
    weights = [len(kept) / labels.count(label) if balanced else 1.0 for label in labels]
    return -sum(w * row[label] for w, (label, row) in zip(weights, kept, strict=True)) / sum(weights)


@pytest.mark.parametrize("balanced", [True, False])
@pytest.mark.parametrize("threshold", [0.0, 0.5, 0.8])
def test_confident_cross_entropy_equals_the_authors_average(threshold, balanced):
    weak, strong = pair(n=30)
    confidence = weak.softmax(1).amax(1)
    assert threshold == 0 or 0 < (confidence > threshold).sum() < 30
    loss = confident_cross_entropy(weak, strong, threshold=threshold, balanced=balanced)
    assert loss.item() == pytest.approx(the_authors_own_average(weak, strong, threshold, balanced), rel=1e-12)


@pytest.mark.parametrize("balanced", [True, False])
def test_gradients_of_the_strong_view_equal_finite_differences(balanced):
    weak, strong = pair(n=12)
    assert torch.autograd.gradcheck(
        lambda given: confident_cross_entropy(weak, given, threshold=0.6, balanced=balanced), strong.requires_grad_()
    )


def test_balanced_is_the_mean_over_labels_of_their_mean_cross_entropy():
    weak, (strong, _) = confident([0, 0, 0, 0, 2]), pair(n=5)
    costs = -strong.log_softmax(1)
    expected = (costs[:4, 0].mean() + costs[4, 2]) / 2
    torch.testing.assert_close(confident_cross_entropy(weak, strong), expected)
    torch.testing.assert_close(
        confident_cross_entropy(weak, strong, balanced=False), (costs[:4, 0].sum() + costs[4, 2]) / 5
    )


def test_with_every_sample_confident_and_no_balance_it_is_the_cross_entropy_to_hard_labels():
    weak, strong = pair()
    one_hot = torch.nn.functional.one_hot(weak.argmax(1), 4).double()
    torch.testing.assert_close(
        confident_cross_entropy(weak, strong, threshold=0.0, balanced=False),
        self_labeling_loss(strong, one_hot, divergence="cross_entropy"),
    )


def test_no_gradient_flows_through_the_weak_view_nor_to_samples_without_a_confident_one():
    weak, strong = confident([0, 1, 2]), pair(n=3)[1].requires_grad_()
    weak[1] = 0.0
    weak.requires_grad_()
    confident_cross_entropy(weak, strong).backward()
    assert weak.grad is None
    assert [bool(row.any()) for row in strong.grad] == [True, False, True]


@pytest.mark.parametrize("balanced", [True, False])
def test_without_a_confident_sample_loss_and_gradient_are_zero(balanced):
    weak, strong = torch.zeros(3, 4), torch.ones(3, 4, requires_grad=True)
    loss = confident_cross_entropy(weak, strong, balanced=balanced)
    loss.backward()
    assert loss.item() == 0.0
    assert torch.equal(strong.grad, torch.zeros(3, 4))


def test_the_threshold_must_be_passed_not_met():
    weak, (strong, _) = torch.zeros(3, 4), pair(n=3, dtype=torch.float32)
    assert confident_cross_entropy(weak, strong, threshold=0.25).item() == 0.0
    assert confident_cross_entropy(weak, strong, threshold=0.249).item() > 0.0


def test_an_impossible_cluster_in_a_sample_that_does_not_count_does_no_harm():
    weak, strong = confident([0, 1]), pair(n=2)[1]
    weak[1] = torch.tensor([0.1, 0.0, 0.0, 0.0])
    strong[1, 0] = -math.inf
    strong.requires_grad_()
    loss = confident_cross_entropy(weak, strong)
    loss.backward()
    torch.testing.assert_close(loss, -strong[0].log_softmax(0)[0])
    assert bool(strong.grad.isfinite().all())


@pytest.mark.parametrize("balanced", [True, False])
def test_relabelling_shifting_and_repeating_change_nothing_in_the_confident_loss(balanced):
    weak, strong = pair(n=12)
    options = {"threshold": 0.6, "balanced": balanced}
    loss = confident_cross_entropy(weak, strong, **options)
    order, shift = [2, 0, 3, 1], torch.arange(12.0, dtype=torch.float64)[:, None]
    for changed in (
        (weak[:, order], strong[:, order]),
        (weak + shift, strong - shift),
        (weak.repeat(3, 1), strong.repeat(3, 1)),
    ):
        torch.testing.assert_close(confident_cross_entropy(*changed, **options), loss)


@pytest.mark.parametrize("loss", [scan_loss, confident_cross_entropy])
def test_float32_agrees_with_float64(loss):
    single = loss(*pair(scale=8.0, dtype=torch.float32))
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), loss(*pair(scale=8.0)), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("loss", "change", "error", "message"),
    [
        (scan_loss, {"first": [[0.0, 1.0]]}, TypeError, "logits must be a torch tensor, got list"),
        (
            scan_loss,
            {"second": torch.zeros(2, 4)},
            ValueError,
            r"neighbor_logits must have one shape, got \[2, 3\] and",
        ),
        (scan_loss, {"entropy_weight": -1.0}, ValueError, "entropy_weight must be a finite number >= 0, got -1.0"),
        (confident_cross_entropy, {"second": torch.zeros(2)}, ValueError, "strong_logits must have shape"),
        (confident_cross_entropy, {"first": torch.zeros(1, 3)}, ValueError, "weak_logits and strong_logits must have"),
        (confident_cross_entropy, {"threshold": 1.0}, ValueError, "0 <= threshold < 1, got 1.0"),
        (confident_cross_entropy, {"threshold": -0.1}, ValueError, "got -0.1"),
        (confident_cross_entropy, {"threshold": math.nan}, ValueError, "got nan"),
        (confident_cross_entropy, {"threshold": None}, ValueError, "got None"),
    ],
)
def test_bad_input_is_refused_with_what_was_given(loss, change, error, message):
    arguments = {"first": torch.zeros(2, 3), "second": torch.zeros(2, 3), **change}
    with pytest.raises(error, match=message):
        loss(arguments.pop("first"), arguments.pop("second"), **arguments)
