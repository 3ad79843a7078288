"""On a GPU each number that Python reads waits for all that is queued: only steps that are logged may read one."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from training_runs import conv_net, pictures, views

from paperlib.data.augmentations import presets
from paperlib.models import ConvNet
from paperlib.training import (
    ConfidentLabels,
    Crlc,
    EachHead,
    Gemini,
    InvariantInformation,
    MutualInformation,
    Scan,
    Temi,
    TrainingConfig,
    Views,
    train,
)


class Reads(TorchDispatchMode):
    """Counts what makes Python wait for a device: numbers read, and results whose shape depends on values."""

    WAITS = (torch.ops.aten._local_scalar_dense.default, torch.ops.aten.nonzero.default, torch.ops.aten.equal.default)

    def __init__(self):
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.count += function in self.WAITS
        return function(*args, **(kwargs or {}))


def reads(n_steps, objective, data, model, batch_size=8):
    """Of a run that logs its last step; SGD, because Adam reads its own count of steps, which is on the CPU."""
    epochs = n_steps / (len(data) // batch_size)
    config = TrainingConfig(epochs=epochs, batch_size=batch_size, optimizer="sgd", learning_rate=1e-9)
    with Reads() as found:
        assert train(model, objective, data, config, log_every=1000).steps == n_steps
    return found.count


@pytest.mark.parametrize(
    "objective",
    [
        MutualInformation(2.0),
        InvariantInformation(),
        Scan(),
        ConfidentLabels(),
        Crlc(feature_weight=0),
        Crlc("log_dot_prior", feature_weight=0),
        Crlc("negative_js", feature_weight=0),
        Temi(),
        EachHead(MutualInformation()),
        Gemini("mmd_ovo", features=pictures().flatten(1).float()),
        Gemini("tv_ova"),
    ],
    ids=lambda objective: type(objective).__name__,
)
@pytest.mark.filterwarnings("ignore:every prediction is still nearly uniform")
def test_steps_between_two_records_read_nothing(objective):
    model = conv_net()
    if isinstance(objective, EachHead):
        model = torch.nn.Sequential(model, torch.nn.Unflatten(1, (2, 2)))
    assert reads(2, objective, views(), model) == reads(6, objective, views(), model) > 0


@pytest.mark.parametrize(
    "preset", [presets.simclr(32), presets.strong(32), presets.weak(32)], ids=["simclr", "strong", "weak"]
)
@pytest.mark.filterwarnings("ignore:every prediction is still nearly uniform")
def test_views_are_made_without_reading_anything(preset):
    x = torch.randint(0, 256, (64, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    neighbors = torch.arange(64)[:, None]
    model = ConvNet(4, in_channels=3, image_size=32, widths=(4, 8), generator=torch.Generator().manual_seed(0))
    for data in (Views(x, [preset, preset]), Views(x, [preset, preset], neighbors)):
        assert reads(1, MutualInformation(), data, model) == reads(3, MutualInformation(), data, model) > 0
