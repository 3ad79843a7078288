"""IMSAT: the weights and radii of the paper, bound to the samples of a batch."""

import pytest
import torch
from torch import nn
from training_runs import blobs, mlp

from paperlib.losses import mutual_information_loss, virtual_adversarial_loss
from paperlib.training import MutualInformation, TrainingConfig, imsat, train

X = torch.randn(30, 1, 2, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def flat_linear():
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(6, 4)).double()


def test_each_sample_has_a_quarter_of_the_distance_to_its_tenth_neighbour_as_its_radius():
    objective = imsat(flat_linear(), X)
    points = X.flatten(1)
    for i in range(30):
        distances = sorted(float((points[i] - points[j]).norm()) for j in range(30) if j != i)
        assert objective.radius[i].item() == pytest.approx(0.25 * distances[9])
    third = imsat(flat_linear(), X, rank=3, scale=2.0)
    distances = torch.cdist(points, points).sort().values
    torch.testing.assert_close(third.radius, 2 * distances[:, 3])


@pytest.mark.parametrize(("mu", "trade_off"), [(4.0, 0.1), (1.5, 2.0)])
def test_it_is_the_papers_sum_over_lambda_up_to_a_constant(mu, trade_off):
    """``R_vat + lambda [mean H - mu H(mean)]``: entropies as loops, the smoothness as the loss of its own."""
    model = flat_linear()
    objective = imsat(model, X, marginal_weight=mu, trade_off=trade_off, generator=torch.Generator().manual_seed(3))
    logits = model(X)
    probs = logits.detach().softmax(1).tolist()
    mean = [sum(row[c] for row in probs) / 30 for c in range(4)]
    logs = torch.tensor([*probs, mean], dtype=torch.float64)
    entropies = -(logs * logs.log()).sum(1)
    smoothness = virtual_adversarial_loss(model, X, radius=objective.radius, generator=torch.Generator().manual_seed(3))
    papers = smoothness + trade_off * (entropies[:-1].mean() - mu * entropies[-1])
    constant = mu * torch.tensor(4.0).log()
    torch.testing.assert_close(objective(logits), papers / trade_off + constant)


def test_a_batch_has_its_own_samples_and_radii():
    model, index = flat_linear(), torch.tensor([4, 29, 11])
    objective = imsat(model, X, generator=torch.Generator().manual_seed(3))
    logits = model(X[index])
    smoothness = virtual_adversarial_loss(
        model, X[index], radius=objective.radius[index], generator=torch.Generator().manual_seed(3)
    )
    expected = mutual_information_loss(logits, fairness_weight=4.0) + smoothness / 0.1
    torch.testing.assert_close(objective(logits, index), expected)


def test_with_several_views_the_samples_are_perturbed_as_they_are():
    model, index = flat_linear(), torch.tensor([4, 29, 11])
    objective = imsat(model, X, generator=torch.Generator().manual_seed(3))
    views = torch.stack([model(X[index] + 5), model(X[index] - 5)])
    smoothness = virtual_adversarial_loss(
        model, X[index], radius=objective.radius[index], generator=torch.Generator().manual_seed(3)
    )
    torch.testing.assert_close(objective(views, index), MutualInformation(4.0)(views) + smoothness / 0.1)


def test_a_run_is_decided_by_its_seed():
    runs = []
    for seed in (0, 0, 1):
        model = mlp()
        train(model, imsat(model, blobs()), blobs(), TrainingConfig(batch_size=60, epochs=2, seed=seed))
        runs.append(torch.cat([parameter.detach().flatten() for parameter in model.parameters()]))
    assert torch.equal(runs[0], runs[1])
    assert not torch.equal(runs[0], runs[2])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"trade_off": 0.0}, "trade_off must be a finite number > 0"),
        ({"rank": 30}, "rank must be below the number of samples, 30, got 30"),
    ],
)
def test_numbers_out_of_range_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        imsat(flat_linear(), X, **options)
