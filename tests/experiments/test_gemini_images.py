"""paperlib.experiments.gemini_images: one run, at a size of seconds."""

import copy
import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from paperlib.experiments import gemini_images
from paperlib.experiments.gemini_images import GeminiImagesConfig, first_steps, kmeans, measure, predict, train
from paperlib.experiments.gemini_images_data import Images, ImageTask
from paperlib.information import kl_divergence_from_logits
from paperlib.losses import gemini, virtual_adversarial_loss
from paperlib.metrics import clusters_used
from paperlib.models import MLP


def pictures(n, generator, side=8, channels=0):
    """Three patterns of bars in noise, from -1 to 1, and which of them it is."""
    y = torch.arange(n) % 3
    bars = -torch.ones(3, side, side)
    for pattern in range(3):
        bars[pattern, pattern::3] = 1
    shape = (n, channels, side, side) if channels else (n, side, side)
    x = (bars[y] if channels == 0 else bars[y].unsqueeze(1)) + 0.3 * torch.randn(shape, generator=generator)
    return x.clamp(-1, 1), y


def task_of(n=120, **options):
    generator = torch.Generator().manual_seed(0)
    parts = [pictures(size, generator, **options) for size in (n, 60)]
    features = [torch.randn(len(y), 5, generator=generator) for _, y in parts]
    return ImageTask("bars/test", *(Images(x, y, z) for (x, y), z in zip(parts, features, strict=True)))


@pytest.fixture(scope="module")
def bars():
    return task_of(60)


def first_value(config, task, seed=0):
    """The value of a training of one step, on all images, and the network before that step."""
    network = MLP(64, config.n_clusters, hidden=(7,), generator=torch.Generator().manual_seed(1))
    before = copy.deepcopy(network)
    _, found = train(replace(config, epochs=1, batch_size=len(task.train)), task, seed, network)
    assert found.n_evaluations == 1
    with torch.no_grad():
        return found.value, before, before(task.train.x)


@pytest.mark.parametrize("objective", ["tv_ova", "hellinger_ova", "mmd_ova", "mmd_ovo", "wasserstein_ova"])
def test_clear_patterns_are_found_without_regularisation(bars, objective):
    config = GeminiImagesConfig("mlp", objective, 3, epochs=20)
    measured, made = measure(config, bars, 0)
    assert measured["ari"] > 0.9
    assert measured["train_ari"] > 0.9
    assert measured["clusters_used"] == 3
    assert measured["loss"] < 0
    assert made["seconds"] > 0


@pytest.mark.parametrize("side", [8, 28, 32])
def test_lenet_sees_grey_images_of_any_size_as_one_channel_of_32_by_32(side):
    class Recorder(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight, self.seen = nn.Parameter(torch.ones(3)), []

        def forward(self, x):
            self.seen.append(x.detach())
            return self.weight * x.mean((1, 2, 3))[:, None]

    values = torch.tensor([-1.0, 0.25, 1.0])
    flat = Images(values[:, None, None].expand(3, side, side).clone(), torch.arange(3))
    network = Recorder()
    train(GeminiImagesConfig("lenet5", "mmd_ova", 3), ImageTask("flat", flat, flat), 0, network)
    (seen,) = network.seen
    assert seen.shape == (3, 1, 32, 32)
    torch.testing.assert_close(seen.flatten(1).sort(0).values, values[:, None].expand(3, 1024))


@pytest.mark.parametrize("side", [8, 28, 32])
def test_lenet_trains_on_them(side):
    task = task_of(30, side=side)
    config = GeminiImagesConfig("lenet5", "mmd_ova", 3)
    model, found = train(config, task, 0)
    assert found.value < 0
    assert model.head.in_features == 84
    assert predict(config, model, task.test).std(0).min() > 0


def test_pixels_are_compared_by_squared_distances_unless_told_otherwise(bars):
    config = GeminiImagesConfig("mlp", "wasserstein_ova", 3)
    points = bars.train.x.flatten(1).double()
    distances = (points[:, None] - points).norm(dim=2).float()
    for squared, cost in ((True, distances**2), (False, distances)):
        value, _, logits = first_value(replace(config, squared=squared), bars)
        assert value == pytest.approx(-float(gemini(logits, "wasserstein_ova", affinity=cost)), rel=1e-3)


@pytest.mark.parametrize("geometry", ["pixels", "features"])
def test_the_kernel_is_the_linear_one_of_the_geometry(bars, geometry):
    value, _, logits = first_value(GeminiImagesConfig("mlp", "mmd_ova", 3, geometry=geometry), bars)
    points = bars.train.x.flatten(1) if geometry == "pixels" else bars.train.features
    probs = logits.softmax(1)
    pi = probs.mean(0)
    means = probs.T @ points / len(points) / pi[:, None]
    assert value == pytest.approx(-float((pi * (means - points.mean(0)).norm(dim=1)).sum()), rel=1e-4)


def test_virtual_adversarial_training_is_added_with_its_weight_and_radius(bars):
    config = GeminiImagesConfig("mlp", "tv_ova", 3, vat_weight=7.0, radius=0.3)
    value, network, logits = first_value(config, bars, seed=5)
    directions = torch.Generator().manual_seed(5)
    smooth = virtual_adversarial_loss(network, bars.train.x, radius=0.3, generator=directions)
    assert value == pytest.approx(float(7 * smooth.detach() - gemini(logits, "tv_ova")), rel=1e-4)


def test_the_first_steps_are_those_of_the_training(bars):
    config = GeminiImagesConfig("mlp", "mmd_ova", 3, vat_weight=20.0, batch_size=30)
    terms, _ = first_steps(config, bars, 4)
    _, found = train(config, bars, 4)
    assert found.n_evaluations == 2
    values = [terms[f"penalty, step {step}"] - terms[f"objective, step {step}"] for step in (0, 1)]
    assert sum(values) / 2 == pytest.approx(found.value, rel=1e-4)
    assert {name.split(",")[0] for name in terms} == {"objective", "penalty", "largest_share"}
    assert all(1 / 3 <= terms[f"largest_share, step {step}"] <= 1 for step in (0, 1))


def test_the_one_versus_one_kl_is_bounded_as_in_the_authors_code(bars):
    class Sure(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.tensor(1e6))

        def forward(self, x):
            return self.scale * x[:, 0, :3]

    config = GeminiImagesConfig("mlp", "kl_ovo", 3, batch_size=60)
    _, found = train(config, bars, 0, Sure())
    assert math.log(1e12) / 3 < -found.value < 2 * math.log(1e12)


def test_labels_are_not_looked_at_in_training(bars):
    config = GeminiImagesConfig("mlp", "kl_ova", 3, epochs=2, batch_size=60)
    wrong = ImageTask("wrong", Images(bars.train.x, bars.train.y.roll(1)), bars.test)
    first, second = (predict(config, train(config, task, 0)[0], bars.test) for task in (bars, wrong))
    assert torch.equal(first, second)


def test_a_seed_says_all_and_another_seed_says_otherwise(bars):
    config = GeminiImagesConfig("mlp", "hellinger_ova", 3, vat_weight=1.0, batch_size=60)
    first, same, other = (predict(config, train(config, bars, seed)[0], bars.test) for seed in (3, 3, 4))
    assert torch.equal(first, same)
    assert not torch.allclose(first, other)


def test_the_scores_of_both_parts_are_those_of_the_last_epoch(bars):
    config = GeminiImagesConfig("mlp", "tv_ova", 4, epochs=3, batch_size=60)
    measured, _ = measure(config, bars, 2)
    model, found = train(config, bars, 2)
    labels = predict(config, model, bars.test).argmax(1)
    assert measured["loss"] == found.value
    assert measured["clusters_used"] == clusters_used(labels)
    assert measured["ari"] == gemini_images.judge(bars.test.y, labels)["ari"]
    labels = predict(config, model, bars.train).argmax(1)
    assert measured["train_nmi"] == gemini_images.judge(bars.train.y, labels)["nmi"]


def test_a_network_of_ones_own_is_judged_in_evaluation_mode():
    task = task_of(96, side=32, channels=3)

    class Stem(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = nn.Sequential(
                nn.Conv2d(3, 4, 3, stride=2), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.LazyLinear(3)
            )

        def forward(self, x):
            return self.layers(x)

    torch.manual_seed(0)
    network = Stem()
    network(task.test.x)
    config = GeminiImagesConfig("lenet5", "mmd_ova", 3, epochs=5, batch_size=32)
    model, _ = train(config, task, 0, network)
    assert model is network
    together = predict(config, model, task.test)
    alone = torch.cat([predict(config, model, task.test[i : i + 1]) for i in range(5)])
    torch.testing.assert_close(together[:5], alone)


def test_k_means_is_given_the_geometry_and_not_the_labels(bars):
    on_pixels, _ = kmeans(bars, "pixels", 0, n_clusters=3)
    on_noise, _ = kmeans(bars, "features", 0, n_clusters=3)
    assert on_pixels["ari"] > 0.95
    assert on_noise["ari"] < 0.2


def test_near_the_uniform_prediction_the_objectives_fall_as_the_page_says(bars):
    """The geometric ones and TV fall as the size of the deviation, smooth divergences and VAT as its square."""
    generator = torch.Generator().manual_seed(0)
    shape = torch.randn(60, 3, generator=generator, dtype=torch.float64)
    points = bars.train.x.flatten(1).double()

    def order(function):
        return math.log2(float(function(2e-4 * shape) / function(1e-4 * shape)))

    for objective in ("tv_ova", "mmd_ova", "mmd_ovo", "wasserstein_ova"):
        lent = {} if objective == "tv_ova" else {"features": points}
        assert order(lambda z, o=objective, f=lent: gemini(z, o, **f)) == pytest.approx(1, abs=1e-2)
    for objective in ("kl_ova", "hellinger_ova"):
        assert order(lambda z, o=objective: gemini(z, o)) == pytest.approx(2, abs=1e-2)
    assert order(lambda z: kl_divergence_from_logits(z, z.roll(1, 0)).mean()) == pytest.approx(2, abs=1e-2)


def test_a_geometry_that_is_not_there_is_refused(bars):
    plain = ImageTask("plain", Images(bars.train.x, bars.train.y), bars.test)
    with pytest.raises(ValueError, match="geometry='features' needs images with features"):
        train(GeminiImagesConfig("mlp", "mmd_ova", 3, geometry="features"), plain, 0)
    with pytest.raises(ValueError, match="geometry='features' needs images with features"):
        kmeans(plain, "features", 0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": "lenet"}, "model must be one of mlp, lenet5, got 'lenet'"),
        ({"objective": "mmd"}, "objective must be one of kl_ova"),
        ({"geometry": "simclr"}, "geometry must be one of pixels, features, got 'simclr'"),
        ({"n_clusters": 0}, "n_clusters must be a whole number of at least 1"),
        ({"epochs": 0}, "epochs must be a whole number"),
        ({"batch_size": 2.5}, "batch_size must be a whole number"),
        ({"vat_weight": -1.0}, "vat_weight must be a finite number >= 0"),
        ({"radius": -1.0}, "radius must be a finite number >= 0"),
        ({"learning_rate": 0.0}, "learning_rate must be a finite number > 0"),
    ],
)
def test_settings_out_of_range_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        GeminiImagesConfig(**change)
