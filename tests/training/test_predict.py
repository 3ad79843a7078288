"""Predictions for all samples: nothing but the model's own, in evaluation, and nothing of the model changes."""

import copy

import pytest
import torch
from torch import nn
from training_runs import blobs, conv_net, mlp, pictures, views

from paperlib.models import MultiHead
from paperlib.training import Views, predict


def normalized():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(2, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, 3)).double()


@pytest.mark.parametrize("batch_size", [1, 7, 240, 1000])
def test_the_size_of_a_batch_changes_nothing(batch_size):
    x, model = blobs(), normalized()
    expected = copy.deepcopy(model).eval()(x)
    torch.testing.assert_close(predict(model, x, batch_size=batch_size), expected)


@pytest.mark.parametrize(("rows", "places"), [(slice(3, 40), range(3, 40)), (slice(-5, None), range(235, 240))])
def test_rows_are_those_asked_for(rows, places):
    x, model = blobs(), mlp()
    torch.testing.assert_close(predict(model, x, rows=rows, batch_size=11), model(x)[list(places)])


def test_predictions_carry_no_gradient_and_leave_the_model_as_it_was():
    model = normalized()
    before = copy.deepcopy(model.state_dict())
    assert not predict(model, blobs()).requires_grad
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_each_module_gets_its_own_mode_back():
    model = normalized().train()
    model[1].eval()  # running statistics that are held fixed
    predict(model, blobs())
    assert [module.training for module in model.modules()] == [True, True, False, True, True]


def test_the_mode_is_back_after_an_error():
    model = normalized()
    with pytest.raises(RuntimeError, match="shape"):
        predict(model, torch.zeros(4, 5, dtype=torch.float64))
    assert all(module.training for module in model.modules())


def test_augmentations_and_neighbours_are_not_used():
    x = pictures()
    neighbors = torch.arange(len(x)).flip(0)[:, None]
    plain = predict(conv_net(), x)
    torch.testing.assert_close(predict(conv_net(), views()), plain)
    torch.testing.assert_close(predict(conv_net(), Views(x, (None, None), neighbors)), plain)


def test_bytes_are_read_as_numbers_from_0_to_1():
    x = pictures()
    torch.testing.assert_close(predict(conv_net(), x), predict(conv_net(), x.float().unsqueeze(1) / 255))
    vectors = x.flatten(1)
    linear = nn.Linear(256, 3)
    torch.testing.assert_close(predict(linear, vectors), linear(vectors.float() / 255))


def test_heads_keep_their_axis_and_of_a_tuple_the_first_is_taken():
    model = MultiHead(nn.Identity(), 2, 3, n_heads=4).double()
    assert predict(model, blobs(), batch_size=100).shape == (240, 4, 3)

    class Pair(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(2, 3).double()

        def forward(self, x):
            return self.layer(x), x.sum(1)

    pair = Pair()
    torch.testing.assert_close(predict(pair, blobs()), pair.layer(blobs()))


def test_half_precision_gives_float32_close_to_the_exact():
    model = conv_net()
    exact, fast = predict(model, pictures()), predict(model, pictures(), precision="bfloat16", channels_last=True)
    assert fast.dtype == torch.float32
    assert not torch.equal(exact, fast)
    torch.testing.assert_close(fast, exact, rtol=0.05, atol=0.05)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rows": slice(0, 10, 2)}, r"rows=slice\(0, 10, 2\) must be a slice of step 1"),
        ({"rows": slice(5, 5)}, "at least one of the 240 samples"),
        ({"rows": slice(240, None)}, "at least one of the 240 samples"),
        ({"batch_size": 0}, "batch_size must be a whole number of at least 1"),
    ],
)
def test_arguments_out_of_range_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        predict(mlp(), blobs(), **options)
