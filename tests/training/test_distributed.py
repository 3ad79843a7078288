"""Two processes give what one gives."""

import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from paperlib.losses import fairness_loss
from paperlib.training.distributed import gather_rows, torchrun, world

SCRIPT = Path(__file__).with_name("two_ranks.py")


def test_outside_a_distributed_run_rows_are_returned_as_they_are():
    rows = torch.rand(3, 2)
    assert gather_rows(rows) is rows
    assert world() == (0, 1)


def test_outside_torchrun_only_the_device_is_chosen(monkeypatch):
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    with torchrun("cpu") as device:
        assert device == torch.device("cpu")
        assert world() == (0, 1)


def test_a_mean_of_fairness_over_ranks_is_larger_than_fairness_of_the_mean():
    marginals = torch.rand(2, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    marginals /= marginals.sum(1, keepdim=True)
    for direction in ("forward", "reverse"):
        apart = fairness_loss(marginals, direction=direction).mean()
        assert apart > fairness_loss(marginals.mean(0), direction=direction) + 0.01


@pytest.mark.slow
def test_two_ranks_give_the_weights_of_one_process(tmp_path):
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(SCRIPT.parents[2])}
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node"]
    runs = {}
    for ranks in (1, 2):
        out = tmp_path / f"{ranks}.pt"
        done = subprocess.run(
            [*command, str(ranks), str(SCRIPT), str(out)], env=environment, capture_output=True, text=True, timeout=280
        )
        assert done.returncode == 0, done.stderr
        runs[ranks] = torch.load(out, weights_only=True)
    assert runs[1].keys() == runs[2].keys()
    for name, alone in runs[1].items():
        distance = (runs[2][name] - alone).abs().max().item()
        if name.startswith("per rank"):
            assert distance > 1e-4, name  # fairness of each rank's own mean is another loss
        else:
            assert distance < 1e-6, name
        assert math.isfinite(distance)
