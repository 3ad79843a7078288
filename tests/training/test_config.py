"""The settings of a run: plain numbers, whatever kind they were given as."""

import json
from dataclasses import asdict

import numpy as np
import pytest
from training_runs import blobs, mlp

from paperlib.training import MutualInformation, TrainingConfig, train


def test_numpys_numbers_become_plain_ones_that_a_checkpoint_can_hold():
    given = TrainingConfig(
        epochs=np.float32(2),
        batch_size=np.int64(60),
        learning_rate=np.float32(0.5),
        weight_decay=np.float16(0.25),
        micro_batch=np.int32(30),
        seed=np.uint8(3),
    )
    plain = TrainingConfig(2, 60, 0.5, weight_decay=0.25, micro_batch=30, seed=3)
    assert given == plain
    assert json.loads(json.dumps(asdict(given))) == asdict(plain)


def test_a_run_whose_seed_is_one_of_numpys_can_be_kept(tmp_path):
    train(mlp(), MutualInformation(), blobs(), TrainingConfig(batch_size=60, seed=np.int64(1)), folder=tmp_path)
    assert list(tmp_path.glob("*.json"))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"epochs": float("inf")}, "epochs must be a finite number > 0"),
        ({"batch_size": 2.0}, "batch_size must be a whole number of at least 1"),
        ({"batch_size": True}, "batch_size must be a whole number of at least 1"),
        ({"learning_rate": "0.1"}, "learning_rate must be a finite number > 0"),
        ({"weight_decay": -0.1}, "weight_decay must be a finite number >= 0"),
    ],
)
def test_what_is_no_such_number_is_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        TrainingConfig(**settings)
