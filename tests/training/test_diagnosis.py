"""Signs of how a run is going: closed forms, and when a warning is given."""

import math
import warnings

import pytest
import torch

from paperlib.training.diagnosis import Watch, signs

EYE = torch.eye(4, dtype=torch.float64)


def logits_of(probs):
    return torch.as_tensor(probs, dtype=torch.float64).log()


def shares(*numbers):
    return logits_of([numbers])


def test_balanced_one_hot_predictions_use_every_cluster_and_are_sure():
    found = signs(1e3 * EYE.repeat(5, 1))
    assert found == {"clusters_used": 4, "marginal_entropy": pytest.approx(math.log(4)), "confident_share": 1}


def test_one_cluster_has_no_entropy():
    found = signs(1e3 * EYE[2].repeat(7, 1))
    assert found == {"clusters_used": 1, "marginal_entropy": pytest.approx(0, abs=1e-12), "confident_share": 1}


def test_uniform_predictions_have_all_the_entropy_and_no_confidence():
    found = signs(torch.zeros(7, 4))
    assert found == {"clusters_used": 1, "marginal_entropy": pytest.approx(math.log(4)), "confident_share": 0}


def test_signs_are_the_counts_that_they_say_they_are():
    rows = [[0.95, 0.03, 0.02], [0.89, 0.1, 0.01], [0.2, 0.7, 0.1], [0.02, 0.91, 0.07]]
    mean = [sum(row[c] for row in rows) / 4 for c in range(3)]
    found = signs(logits_of(rows))
    assert found["clusters_used"] == 2
    assert found["confident_share"] == 0.5
    assert found["marginal_entropy"] == pytest.approx(-sum(p * math.log(p) for p in mean))


def test_a_shift_of_a_row_and_the_order_of_clusters_change_nothing():
    logits = torch.randn(30, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    moved = (logits + 3 * torch.arange(30.0)[:, None])[:, [3, 0, 4, 1, 2]]
    assert signs(moved) == pytest.approx(signs(logits))


def test_signs_are_numbers_that_json_and_logs_take_and_carry_no_gradient():
    found = signs(torch.zeros(3, 2, requires_grad=True))
    assert {type(value) for value in found.values()} == {float}


def test_the_running_mean_forgets_a_fifth_at_each_look():
    watch = Watch()
    looks = [(0.5, 0.3, 0.2), (0.2, 0.2, 0.6), (0.1, 0.8, 0.1)]
    for look in looks:
        watch.look(shares(*look), progress=0.0)
    expected = [0.8 * (0.8 * a + 0.2 * b) + 0.2 * c for a, b, c in zip(*looks, strict=True)]
    assert watch.marginal == pytest.approx(expected)


def test_a_watch_goes_on_where_another_was():
    first = Watch()
    first.look(shares(0.5, 0.5), progress=0.0)
    second = Watch(list(first.marginal))
    for watch in (first, second):
        watch.look(shares(0.3, 0.7), progress=0.0)
    assert first.marginal == second.marginal


DEAD = shares(0.5, 0.49, 0.005, 0.005)
UNDECIDED = torch.zeros(6, 4)


@pytest.mark.parametrize(
    ("logits", "message"),
    [
        (DEAD, "^2 of 4 clusters have hardly a sample left: raise the objective's fairness_weight"),
        (UNDECIDED, "uniform"),
    ],
)
def test_each_warning_is_given_once_and_not_in_the_first_tenth(logits, message):
    watch = Watch()
    watch.look(logits, progress=0.099)
    with pytest.warns(UserWarning, match=message):
        watch.look(logits, progress=0.1)
    watch.look(logits, progress=0.2)
    watch.look(logits, progress=0.9)


def test_clusters_are_dead_below_a_twentieth_of_an_equal_part():
    least = 0.05 / 4
    Watch().look(shares(least * 1.01, 0.4, 0.3, 0.3 - least * 1.01), progress=1.0)
    with pytest.warns(UserWarning, match="1 of 4"):
        Watch().look(shares(least * 0.99, 0.4, 0.3, 0.3 - least * 0.99), progress=1.0)


def test_one_odd_batch_kills_no_cluster():
    watch = Watch()
    watch.look(shares(0.25, 0.25, 0.25, 0.25), progress=0.0)
    watch.look(DEAD, progress=0.5)


def test_balanced_predictions_that_are_not_yet_sure_are_not_called_uniform():
    """None is above 0.9 and the clusters are alike, but each sample has its cluster."""
    logits = logits_of(0.8 * EYE + 0.05 * torch.ones(4, 4))
    found = Watch().look(logits, progress=0.5)
    assert found["confident_share"] == 0
    assert found["marginal_entropy"] == pytest.approx(math.log(4))


def test_a_single_cluster_has_nothing_to_warn_of():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Watch().look(torch.zeros(5, 1), progress=1.0)
