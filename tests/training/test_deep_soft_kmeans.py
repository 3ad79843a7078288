"""Soft regularised K-means on codes: the loss, its renewals, a small run."""

import pytest
import torch
from training_runs import pictures

from paperlib.metrics import clustering_accuracy
from paperlib.models import ConvAutoencoder
from paperlib.soft_kmeans import final_posteriors, soft_assignments, weighted_means
from paperlib.training import CodeAndError, DeepSoftKMeans, Reconstruction, TrainingConfig, predict, train


def codes(n=30, d=3):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def renewed(**settings):
    objective = DeepSoftKMeans(3, refresh_every=5, **{"penalty": 0.3, **settings})
    objective.refresh(codes())
    return objective


def test_the_loss_is_the_papers_sum():
    objective, z = renewed(), codes()
    index = torch.tensor([4, 0, 17])
    q, c = objective.assignments[index], objective.centers
    total = 0.0
    for i in range(3):
        for k in range(3):
            total += float(q[i, k] * (z[index[i]] - c[k]).square().sum()) / 3
        total -= float(z[index[i]].square().sum()) / 3
    errors = torch.full((3,), 0.25, dtype=torch.float64)
    assert objective((z[index], errors), index).item() == pytest.approx(total / (0.3 * 3) + 0.25, abs=1e-13)


def test_the_gradient_holds_centres_and_assignments_fixed():
    objective = renewed()
    z, errors = codes().requires_grad_(), torch.zeros(30, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda z, e: objective((z, e)), (z, errors))
    objective((z, errors)).backward()
    expected = -2 * objective.assignments @ objective.centers / (30 * 0.9)
    assert torch.allclose(z.grad, expected, atol=1e-15)


def test_a_renewal_moves_centres_then_assignments():
    objective = renewed()
    q, z = objective.assignments.numpy(), codes() * 1.1 + 0.2
    objective.refresh(z)
    centers = weighted_means(z.numpy(), q)
    assert torch.allclose(objective.centers, torch.from_numpy(centers), atol=1e-14)
    assert torch.allclose(
        objective.assignments, torch.from_numpy(soft_assignments(z.numpy(), centers, 0.3)), atol=1e-14
    )


def test_the_posteriors_are_those_of_the_shallow_method():
    objective, z = renewed(), codes()
    q = objective.assignments.numpy()
    objective.centers = torch.from_numpy(weighted_means(z.numpy(), q))
    expected = torch.as_tensor(final_posteriors(z.numpy(), q, 0.3))
    assert torch.allclose(objective.posterior_logits(z).softmax(1), expected, atol=1e-12)


def test_before_the_first_renewal_there_is_no_loss():
    objective = DeepSoftKMeans(3, refresh_every=5)
    with pytest.raises(RuntimeError, match="call refresh"):
        objective((codes(), codes()[:, 0]))
    assert objective.state_dict() == {}


def test_pretraining_then_clustering_tells_lying_bars_from_standing_ones(tmp_path):
    torch.manual_seed(0)
    autoencoder = ConvAutoencoder(2, image_size=16, generator=torch.Generator().manual_seed(0))
    model, x = CodeAndError(autoencoder), pictures()
    config = TrainingConfig(epochs=6, batch_size=16, schedule="constant")
    first = train(model, Reconstruction(), x, config, log_every=1)
    assert first.history[-1]["loss"] < 0.8 * first.history[0]["loss"]
    objective = DeepSoftKMeans(2, refresh_every=6, penalty=1e-2)
    train(model, objective, x, config, folder=tmp_path)
    labels = objective.posterior_logits(predict(model, x)).argmax(1)
    assert clustering_accuracy(torch.arange(96) >= 48, labels) == 1.0
    again = DeepSoftKMeans(2, refresh_every=6, penalty=1e-2)
    train(model, again, x, config, folder=tmp_path)
    assert torch.equal(again.centers, objective.centers)


@pytest.mark.parametrize("settings", [{"penalty": 0.0}, {"refresh_every": 0}, {"n_clusters": 0}])
def test_settings_out_of_range_are_refused(settings):
    with pytest.raises(ValueError, match=next(iter(settings))):
        DeepSoftKMeans(**{"n_clusters": 2, "refresh_every": 1, **settings})


def test_the_loss_of_views_is_the_mean_of_their_losses():
    objective, index = renewed(), torch.tensor([4, 0, 17, 9, 2])
    views = torch.stack([codes()[index], codes()[index] + 0.3])
    errors = torch.tensor([[0.25] * 5, [0.75] * 5], dtype=torch.float64)
    expected = sum(objective((view, error), index) for view, error in zip(views, errors, strict=True)) / 2
    assert objective((views, errors), index).item() == pytest.approx(expected.item(), abs=1e-13)


def test_centres_follow_the_codes_in_type_and_place():
    objective, exact = renewed(), renewed()
    objective.load_state_dict({name: value.float() for name, value in exact.state_dict().items()})
    z, errors = codes(), torch.zeros(30, dtype=torch.float64)
    assert objective((z, errors)).dtype == torch.float64
    assert torch.allclose(objective.posterior_logits(z), exact.posterior_logits(z), rtol=1e-4, atol=1e-4)
    assert objective((z, errors)).item() == pytest.approx(exact((z, errors)).item(), abs=1e-4)


def test_the_state_of_a_run_without_centres_takes_away_those_of_another():
    objective = renewed()
    objective.load_state_dict({})
    assert objective.is_new
