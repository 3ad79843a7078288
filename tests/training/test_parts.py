"""A model run part by part gives what it gives at once."""

import pytest
import torch
from torch import nn
from training_runs import blobs, mlp

from paperlib.training.parts import InParts

X = blobs(30)


class Counted(nn.Module):
    """Notes the number of rows at each call."""

    def __init__(self, model):
        super().__init__()
        self.model, self.rows = model, []

    def forward(self, x):
        self.rows.append(len(x))
        return self.model(x)


def with_noise(*between):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(2, 8), *between, nn.Linear(8, 3)).double()


def run(forward, model):
    """Outputs, gradients and buffers after a forward and a backward pass from one state of the random numbers."""
    torch.manual_seed(1)
    outputs = forward(X)
    outputs.softmax(-1).mean(0).square().sum().backward()
    return outputs, [parameter.grad for parameter in model.parameters()], dict(model.named_buffers())


@pytest.mark.parametrize("size", [1, 7, 30, 100])
def test_outputs_and_gradients_are_those_of_the_whole(size):
    one, other = mlp(), mlp()
    outputs, gradients, _ = run(one, one)
    in_parts, their_gradients, _ = run(InParts(other, size), other)
    torch.testing.assert_close(in_parts, outputs, rtol=0, atol=1e-14)
    torch.testing.assert_close(their_gradients, gradients, rtol=0, atol=1e-14)


@pytest.mark.parametrize(
    "between",
    [
        lambda: [nn.Dropout(0.5)],
        lambda: [nn.BatchNorm1d(8)],
        lambda: [nn.BatchNorm1d(8, momentum=None), nn.ReLU(), nn.Dropout(0.5)],
        lambda: [nn.BatchNorm1d(8).eval()],
    ],
    ids=["dropout", "batch normalisation", "both", "frozen batch normalisation"],
)
def test_the_second_pass_has_the_same_noise_and_leaves_the_buffers_as_they_are(between):
    """The twin runs each part once and keeps its activations."""
    one, other = with_noise(*between()), with_noise(*between())
    outputs, gradients, buffers = run(lambda x: torch.cat([one(part) for part in x.split(7)]), one)
    in_parts, their_gradients, their_buffers = run(InParts(other, 7), other)
    assert torch.equal(in_parts, outputs)
    torch.testing.assert_close(their_gradients, gradients, rtol=0, atol=1e-14)
    assert their_buffers.keys() == buffers.keys()
    for name, value in buffers.items():
        assert torch.equal(their_buffers[name], value), name


def test_running_statistics_count_each_part_once():
    norm = nn.BatchNorm1d(2).double()
    InParts(norm, 10)(X).square().sum().backward()
    assert norm.num_batches_tracked == 3
    mean, unit = torch.zeros(2, dtype=torch.float64), norm.momentum
    for part in X.split(10):
        mean = (1 - unit) * mean + unit * part.mean(0)
    torch.testing.assert_close(norm.running_mean, mean, rtol=0, atol=1e-14)


def test_each_part_goes_through_the_model_twice_and_no_more_rows_at_once():
    model = Counted(mlp())
    outputs = InParts(model, 8)(X)
    assert model.rows == [8, 8, 8, 6]
    outputs.sum().backward()
    assert sorted(model.rows) == [6, 6, *[8] * 6]


def test_several_outputs_are_put_together_one_by_one():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.code, self.error = nn.Linear(2, 3).double(), nn.Linear(2, 1).double()

        def forward(self, x):
            return self.code(x), self.error(x)[:, 0]

    model = Two()
    found = InParts(model, 7)(X)
    assert isinstance(found, tuple)
    for ours, theirs in zip(found, model(X), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-15)
    (found[0].sum() + 2 * found[1].sum()).backward()
    torch.testing.assert_close(model.code.weight.grad, X.sum(0).expand(3, 2))
    torch.testing.assert_close(model.error.weight.grad, 2 * X.sum(0).expand(1, 2))
