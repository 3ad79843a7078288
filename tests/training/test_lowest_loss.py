"""Several short runs, of which the one of lowest loss is kept."""

import pytest
import torch
from torch import nn
from training_runs import blobs, mlp

from paperlib.training import MutualInformation, TrainedRun, TrainingConfig, final_loss, lowest_loss, train


def run_of(*losses):
    return TrainedRun(len(losses), [{"step": step + 1, "loss": loss} for step, loss in enumerate(losses)], 1.0)


@pytest.mark.parametrize(
    ("losses", "expected"),
    [
        ([3.0], 3.0),
        ([5.0, 3.0], 3.0),
        ([9.0, 9.0, 9.0, 1.0], 1.0),
        ([9.0] * 6 + [1.0, 2.0], 1.5),
        ([9.0] * 9 + [4.0, 2.0, 0.0], 2.0),
    ],
)
def test_the_loss_of_a_run_is_the_mean_of_its_last_quarter(losses, expected):
    assert final_loss(run_of(*losses)) == pytest.approx(expected)


def test_the_start_of_lowest_loss_is_kept_the_first_of_equals():
    losses = [2.0, 1.0, 3.0, 1.0]
    models, asked = [nn.Linear(1, 1) for _ in losses], []

    def train_one(start):
        asked.append(start)
        return models[start], run_of(losses[start])

    found = lowest_loss(train_one, 4)
    assert asked == [0, 1, 2, 3]
    assert found.model is models[1]
    assert found.run == run_of(1.0)
    assert found.losses == losses
    assert lowest_loss(train_one, 1).model is models[0]


def test_of_two_starts_the_one_that_finds_the_clusters_is_kept():
    """A network whose clusters are dead at the start stays behind; its loss says so."""

    def train_one(start):
        model = mlp()
        if start != 1:
            with torch.no_grad():
                model.layers[-1].bias[0] = 40.0
        config = TrainingConfig(epochs=20, batch_size=60, learning_rate=0.02)
        return model, train(model, MutualInformation(), blobs(), config, log_every=80)

    with pytest.warns(UserWarning, match="2 of 3 clusters"):
        found = lowest_loss(train_one, 2)
    assert found.losses[1] < found.losses[0]
    assert found.model(blobs()).argmax(1).unique().numel() == 3


def test_no_start_is_refused_before_anything_is_trained():
    with pytest.raises(ValueError, match="n_starts must be a whole number of at least 1, got 0"):
        lowest_loss(lambda start: pytest.fail("trained"), 0)
