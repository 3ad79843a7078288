"""Contrastive Clustering's column loss against its sum, its closed forms and finite differences."""

import math

import pytest
import torch
from view_pairs import confident, pair

from paperlib.losses import cluster_contrastive_loss

TEMPERATURES = [0.2, 1.0]


def the_papers_own_sum(logits_a, logits_b, temperature):
    n, k = logits_a.shape
    a, b = (logits.softmax(1).tolist() for logits in (logits_a, logits_b))
    columns = [[one[i][c] for i in range(n)] for one in (a, b) for c in range(k)]

    def similarity(x, y):
        dot, xx, yy = (sum(u * v for u, v in zip(*two, strict=True)) for two in ((x, y), (x, x), (y, y)))
        return dot / math.sqrt(xx * yy) / temperature

    contrast = 0.0
    for c, column in enumerate(columns):
        others = sum(math.exp(similarity(column, other)) for d, other in enumerate(columns) if d != c)
        contrast -= math.log(math.exp(similarity(column, columns[(c + k) % (2 * k)])) / others) / (2 * k)
    means = [sum(column) / n for column in columns]
    return contrast + sum(mean * math.log(mean) for mean in means)


@pytest.mark.parametrize("temperature", TEMPERATURES)
def test_loss_equals_its_sum(temperature):
    loss = cluster_contrastive_loss(*pair(), temperature=temperature)
    assert loss.item() == pytest.approx(the_papers_own_sum(*pair(), temperature), rel=1e-10)


def test_the_temperature_left_out_is_one():
    assert torch.equal(cluster_contrastive_loss(*pair()), cluster_contrastive_loss(*pair(), temperature=1.0))


@pytest.mark.parametrize("temperature", TEMPERATURES)
def test_gradients_equal_finite_differences(temperature):
    a, b = pair()
    assert torch.autograd.gradcheck(
        lambda *given: cluster_contrastive_loss(*given, temperature=temperature),
        (a.requires_grad_(), b.requires_grad_()),
    )


@pytest.mark.parametrize("temperature", TEMPERATURES)
def test_closed_forms(temperature):
    balanced, uniform, skewed = confident([0, 1, 2, 3]), torch.zeros(5, 4).double(), torch.zeros(5, 4).double()
    skewed[:, 0] = math.log(3)  # one prediction for all: 1/2 and three times 1/6
    values = [cluster_contrastive_loss(x, x, temperature=temperature).item() for x in (balanced, uniform, skewed)]
    lowest = math.log(1 + 6 * math.exp(-1 / temperature)) - 2 * math.log(4)
    alike = math.log(7)
    entropy = math.log(2) / 2 + math.log(6) / 2
    assert values == pytest.approx([lowest, alike - 2 * math.log(4), alike - 2 * entropy], abs=1e-12)


def test_all_samples_in_one_cluster_is_the_limit_of_predictions_that_all_share():
    collapsed = confident([2] * 5)
    assert cluster_contrastive_loss(collapsed, collapsed).item() == pytest.approx(math.log(7))


def test_swapping_relabelling_shifting_and_repeating_change_nothing():
    a, b = pair()
    loss = cluster_contrastive_loss(a, b)
    order, shift = [2, 0, 3, 1], torch.arange(7.0, dtype=torch.float64)[:, None]
    for changed in ((b, a), (a[:, order], b[:, order]), (a + shift, b - shift), (a.repeat(3, 1), b.repeat(3, 1))):
        torch.testing.assert_close(cluster_contrastive_loss(*changed), loss)


def test_relabelling_one_view_alone_changes_the_value():
    a, b = pair()
    assert abs(cluster_contrastive_loss(a, b[:, [2, 0, 3, 1]]) - cluster_contrastive_loss(a, b)) > 1e-3


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_nearly_empty_cluster_keeps_its_direction(dtype):
    a, b = (x.to(dtype) for x in pair())
    tiny = [torch.cat([x, x[:, :1] - offset], 1) for x in (a, b) for offset in (60.0, 2000.0)]
    near, far = (cluster_contrastive_loss(one, other) for one, other in ((tiny[0], tiny[2]), (tiny[1], tiny[3])))
    torch.testing.assert_close(near, far)


def test_an_impossible_cluster_has_no_direction_and_harms_no_gradient():
    a, b = (torch.cat([x, torch.full((7, 1), -math.inf).double()], 1).requires_grad_() for x in pair())
    loss = cluster_contrastive_loss(a, b)
    loss.backward()
    assert bool(loss.isfinite())
    assert bool(a.grad.isfinite().all())
    assert not a.grad[:, 4].any()
    assert a.grad[:, :4].any()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_value_and_gradient_are_finite_for_the_surest_predictions(dtype):
    for labels_b in ([0, 1, 2, 3], [1, 2, 3, 0], [1, 1, 1, 1]):
        a = confident([0, 1, 2, 3]).to(dtype).requires_grad_()
        loss = cluster_contrastive_loss(a, confident(labels_b).to(dtype))
        loss.backward()
        assert bool(loss.isfinite())
        assert bool(a.grad.isfinite().all())


def test_float32_agrees_with_float64():
    single = cluster_contrastive_loss(*pair(dtype=torch.float32))
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), cluster_contrastive_loss(*pair()), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"logits_a": [[0.0, 1.0]]}, TypeError, "logits_a must be a torch tensor, got list"),
        ({"logits_b": torch.zeros(2, 4)}, ValueError, r"logits_b must have one shape, got \[2, 3\] and"),
        ({"logits_a": torch.zeros(2, 1), "logits_b": torch.zeros(2, 1)}, ValueError, "have 1 cluster; a contrast of"),
        ({"temperature": 0.0}, ValueError, "temperature must be a finite number > 0, got 0.0"),
    ],
)
def test_bad_input_is_refused_with_what_was_given(change, error, message):
    arguments = {"logits_a": torch.zeros(2, 3), "logits_b": torch.zeros(2, 3), **change}
    with pytest.raises(error, match=message):
        cluster_contrastive_loss(**arguments)
