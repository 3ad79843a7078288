"""Deep self-labelling from pixels: every method and table, at a size of seconds."""

import math
from dataclasses import replace
from itertools import product

import pytest
import torch

from paperlib.consensus import consensus
from paperlib.data import Dataset
from paperlib.data.augmentations import Draws
from paperlib.experiments import deep_run, image_splits, read_rows
from paperlib.experiments.deep_self_labeling import (
    METHODS,
    DeepConfig,
    agreed_start,
    augmentation,
    fit,
    load_splits,
    measure,
    measure_starts,
    network,
    objective,
    predictions,
    train_start,
    views,
)
from paperlib.experiments.deep_tables import AUTOENCODER, PARTS, SEEDS, SIZES, STARTS, TABLES, cells
from paperlib.metrics import clustering_accuracy
from paperlib.training import (
    FixedLabels,
    MutualInformation,
    SelfLabeling,
    VirtualAdversarial,
    WholeSetLabels,
    final_loss,
    train,
)

pytestmark = [
    pytest.mark.filterwarnings("ignore:every prediction is still nearly uniform"),
    pytest.mark.filterwarnings("ignore:.* clusters have hardly a sample left"),
]
SHORT = DeepConfig(
    n_starts=2, start_epochs=0.5, agreement_epochs=0.5, epochs=0.75, batch_size=64, device="cpu", size="smoke"
)
SCRATCH = replace(SHORT, n_starts=0)


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def digits():
    return load_splits("digits", n_samples=256)


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """A folder in which methods find the starts."""
    return tmp_path_factory.mktemp("checkpoints")


def images(name, shape, n=6, split="train"):
    x = torch.randint(0, 256, (n, *shape), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return Dataset(x, torch.arange(n) % 3, name, "made up", "none", split)


def weights(model):
    return torch.cat([value.flatten().double() for value in model.state_dict().values()])


def relabelled(task, y):
    return replace(task, train=replace(task.train, y=y))


def test_digits_are_bytes_again():
    from sklearn.datasets import load_digits

    expected = torch.from_numpy(load_digits().images) / 16
    task = load_splits("digits")
    assert task.train.x.dtype == torch.uint8
    assert (task.train.x.double() / 255 - expected).abs().max() <= 1 / 255
    assert torch.equal(task.test.x, task.train.x)
    assert task.name == "digits/all"


def test_digits_can_be_trained_on_in_part_and_all_are_judged(digits):
    whole = load_splits("digits").test
    assert digits.name == "digits/all, trained on 256"
    assert torch.equal(digits.train.x, whole.x[:256])
    assert torch.equal(digits.train.y, whole.y[:256])
    assert torch.equal(digits.test.x, whole.x)
    assert digits.n_classes == 10


def test_so_many_of_the_first_images_are_trained_on_and_all_others_judged(monkeypatch):
    parts = {split: images("mnist", (4, 4), n, split) for split, n in (("train", 20), ("test", 9))}
    monkeypatch.setattr(image_splits, "load", lambda name, *, split, root: parts[split])
    task = load_splits("mnist", n_samples=8)
    assert task.name == "mnist/test, trained on 8"
    assert torch.equal(task.train.x, parts["train"].x[:8])
    assert torch.equal(task.train.y, parts["train"].y[:8])
    assert task.test is parts["test"]
    assert len(load_splits("mnist").train) == 20


@pytest.mark.parametrize("method", METHODS)
def test_every_method_goes_on_from_the_starts_and_gives_finite_numbers(digits, shared, method):
    config = replace(SHORT, method=method)
    measured, made = measure(config, digits, 0, folder=shared)
    judged = ("accuracy", "nmi", "ari", "clusters_used")
    assert set(measured) == {"loss", *judged, *(f"train_{name}" for name in judged)}
    assert all(math.isfinite(value) for value in measured.values())
    trained, run, seconds = fit(config, digits, 0, folder=shared)
    assert run.steps == 3
    assert measured["loss"] == run.history[-1]["loss"]
    begun = agreed_start(config, digits, 0, folder=shared)
    assert made["seconds"] == seconds == begun.seconds + run.seconds  # not only those of what was not found
    assert begun.seconds > 0 < run.seconds
    assert not torch.equal(weights(begun.model), weights(trained))
    assert not trained.training


@pytest.mark.parametrize("name", ["vgg4", "resnet18"])
def test_every_network_takes_a_step(digits, name):
    config = replace(SCRATCH, network=name, epochs=0.1, batch_size=16)
    model, run, _ = fit(config, replace(digits, train=replace(digits.train, x=digits.train.x[:16], y=None)), 0)
    assert run.steps == 1
    assert predictions(config, model, images("digits", (8, 8))).shape == (6, 10)


@pytest.mark.parametrize("method", METHODS)
def test_labels_are_not_seen_by_a_method(digits, method):
    config = replace(SCRATCH, method=method)
    y = digits.train.y
    expected = weights(fit(config, digits, 0).model)
    for other in (y[torch.randperm(len(y))], None):
        assert torch.equal(weights(fit(config, relabelled(digits, other), 0).model), expected)


def test_labels_are_not_seen_by_what_comes_before_a_method(digits):
    y = digits.train.y
    expected = agreed_start(SHORT, digits, 0)
    for other in (y[torch.randperm(len(y))], None):
        found = agreed_start(SHORT, relabelled(digits, other), 0)
        assert torch.equal(weights(found.model), weights(expected.model))
        assert found.losses == expected.losses


def test_a_seed_decides_first_weights_and_run(digits):
    runs = [weights(fit(SHORT, digits, seed).model) for seed in (0, 0, 1)]
    assert torch.equal(runs[0], runs[1])
    assert not torch.equal(runs[0], runs[2])


def test_a_new_network_is_taught_what_the_starts_agree_on(digits):
    config = replace(SHORT, n_starts=3)
    found = agreed_start(config, digits, 2)
    starts = [train_start(config, digits, 2, start) for start in range(3)]
    assert found.losses == [final_loss(run) for _, run in starts]
    by_loss = sorted(range(3), key=lambda start: found.losses[start])
    votes = [predictions(config, model, digits.train).softmax(1) for model, _ in starts]
    agreed = consensus([votes[start] for start in by_loss])
    for labels, probs in zip(found.labels, [*votes, agreed], strict=True):
        assert torch.equal(labels, probs.argmax(1))
    taught = network(config, digits.train, torch.Generator().manual_seed(2998))
    train(taught, FixedLabels(agreed), views(config, digits.train), config.training(2998, config.agreement_epochs))
    assert torch.equal(weights(found.model), weights(taught))


def test_methods_go_on_from_the_same_network_with_and_without_checkpoints(digits, tmp_path):
    reverse, sela = (replace(SHORT, method=method) for method in ("reverse_cross_entropy", "sela"))
    alone = {config.method: weights(fit(config, digits, 0).model) for config in (reverse, sela)}
    assert torch.equal(weights(fit(reverse, digits, 0, folder=tmp_path).model), alone["reverse_cross_entropy"])
    folders = {path.name for path in tmp_path.iterdir()}
    assert len(folders) == 2 + 1 + 1  # starts, what they agree on, the method
    assert torch.equal(weights(fit(sela, digits, 0, folder=tmp_path).model), alone["sela"])
    (new,) = {path.name for path in tmp_path.iterdir()} - folders
    assert new.startswith("sela,")


def test_another_seed_or_number_of_images_has_starts_of_its_own(digits, tmp_path):
    fewer = replace(load_splits("digits", n_samples=200), test=digits.test)
    others = ((digits, 0), (digits, 1), (fewer, 0))
    losses = [agreed_start(SHORT, task, seed, folder=tmp_path).losses for task, seed in others]
    assert len({loss for each in losses for loss in each}) == 6
    assert len(list(tmp_path.iterdir())) == 9


def test_without_starts_a_method_begins_with_first_weights(digits):
    config = replace(SCRATCH, method="reverse_cross_entropy", epochs=1e-3, learning_rate=1e-12)
    model = fit(config, digits, 3).model
    first = network(config, digits.train, torch.Generator().manual_seed(3000))
    for ours, theirs in zip(model.parameters(), first.parameters(), strict=True):
        assert torch.allclose(ours, theirs, atol=1e-10)


def test_starts_and_their_agreement_are_judged_on_the_images_they_saw(digits, shared):
    measured, made = measure_starts(SHORT, digits, 0, folder=shared)
    found = agreed_start(SHORT, digits, 0, folder=shared)
    expected = {f"loss, start {start}": loss for start, loss in enumerate(found.losses)}
    for name, labels in zip(("start 0", "start 1", "agreement"), found.labels, strict=True):
        expected[f"accuracy, {name}"] = clustering_accuracy(digits.train.y, labels)
    assert measured == expected
    assert made["seconds"] == found.seconds


def test_a_measurement_goes_on_from_its_checkpoints(digits, tmp_path):
    config = replace(SHORT, method="sela")
    first = measure(config, digits, 0, folder=tmp_path)
    assert measure(config, digits, 0, folder=tmp_path) == first  # its seconds, too
    with pytest.raises(ValueError, match="another run"):
        measure(replace(config, learning_rate=0.1), digits, 0, folder=tmp_path)


def test_each_method_is_what_its_name_says(digits):
    def made(method, **settings):
        config = DeepConfig(method, fairness_weight=2.0, **settings)
        return objective(config, torch.nn.Linear(1, 1), digits.train)

    assert made("mutual_information") == MutualInformation(2.0)
    imsat = made("imsat")
    assert isinstance(imsat, VirtualAdversarial)
    assert imsat.objective == MutualInformation(2.0)
    assert len(imsat.x) == len(imsat.radius) == len(digits.train)
    assert made("gemini_mmd_ovo").features.shape == (len(digits.train), 64)
    assert isinstance(made("sela"), WholeSetLabels)
    usual, reverse, collision = (made(f"{name}cross_entropy") for name in ("", "reverse_", "collision_"))
    assert {type(coupling) for coupling in (usual, reverse, collision, made("mi_adm"))} == {SelfLabeling}
    assert usual.solver == reverse.solver  # the very same pseudo-labels
    assert (usual.divergence, reverse.divergence) == ("cross_entropy", None)
    assert collision.solver.divergence == "collision_cross_entropy"
    assert made("sela", batch_size=128).refresh_every == len(digits.train) // 128 // 2


def test_vgg4_sees_the_middle_24_pixels_of_28_in_training_and_judging():
    data = images("mnist", (28, 28))
    config = DeepConfig("imsat", "vgg4")
    change = augmentation(data, "vgg4")
    seen = change.apply(data.x.float().unsqueeze(1) / 255, Draws(6, torch.Generator().manual_seed(0)))
    assert seen.shape == (6, 1, 24, 24)
    x = torch.randint(0, 256, (12, 28, 28), dtype=torch.uint8)
    perturbed = objective(config, torch.nn.Linear(1, 1), replace(data, x=x, y=None)).x
    assert torch.equal(perturbed, x[:, None, 2:26, 2:26].float() / 255)
    model = network(config, data, torch.Generator().manual_seed(0)).eval()
    expected = model(data.x[:, None, 2:26, 2:26].float() / 255)
    torch.testing.assert_close(predictions(replace(config, precision="float32"), model, data), expected)


@pytest.mark.parametrize(
    ("name", "shape", "is_mirrored"),
    [
        ("mnist", (28, 28), False),
        ("usps", (16, 16), False),
        ("fashion_mnist", (28, 28), True),
        ("cifar10", (3, 32, 32), True),
    ],
)
@pytest.mark.parametrize("of", ["conv_net", "resnet18"])
def test_views_keep_the_size_and_only_what_has_no_handedness_is_mirrored(name, shape, is_mirrored, of):
    data = images(name, shape)
    change = augmentation(data, of)
    x = data.x.float().view(6, -1, *shape[-2:]) / 255
    assert change.apply(x, Draws(6, torch.Generator().manual_seed(0))).shape == x.shape
    assert ("RandomHorizontalFlip" in {type(step).__name__ for step in change.augmentations}) == is_mirrored
    assert network(DeepConfig(network=of), data, torch.Generator().manual_seed(0)).eval()(x).shape == (6, 10)


def configurations(digits):
    """Of all runs of all tables and sizes, by what the rows call them."""
    for table, size in product(TABLES, SIZES):
        for cell in cells(table, digits, size, n_seeds=1):
            if cell.table != STARTS:
                yield cell.method, replace(cell.measure.args[0], size="any")


def test_rows_have_names_of_their_own_in_every_table_and_size(digits):
    names = [cell.key for table, size in product(PARTS, SIZES) for cell in cells(table, digits, size)]
    assert len(names) == len(set(names)) > 50


def test_runs_of_one_name_have_one_configuration(digits):
    """They share their checkpoints."""
    by_name = {}
    for name, config in configurations(digits):
        assert by_name.setdefault(name, config) == config


def test_methods_that_share_starts_agree_on_all_that_starts_depend_on(digits):
    starts = {}
    for _, config in configurations(digits):
        if config.n_starts:
            needs = (config.training(0, config.start_epochs), config.n_clusters)
            assert starts.setdefault((config.network, config.start_epochs), needs) == needs
    assert len(starts) > 1


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("table", [*TABLES, AUTOENCODER])
def test_tables_ask_for_their_size_every_seed_and_as_many_clusters_as_there_are_classes(table, size):
    task = load_splits("digits")
    three = replace(task, test=replace(task.test, y=task.test.y % 3))
    todo = list(cells(table, three, size, device="cpu"))
    assert {cell.seed for cell in todo} == set(range(SEEDS[size]))
    assert {cell.size for cell in todo} == {size}
    configs = [cell.measure.args[0] for cell in todo]
    assert {(config.size, config.device, config.n_clusters) for config in configs} == {(size, "cpu", 3)}
    one_seed = list(cells(table, three, size, n_seeds=1))
    assert {cell.method for cell in one_seed} == {cell.method for cell in todo}
    assert len(one_seed) * SEEDS[size] == len(todo)


def test_the_command_writes_the_rows_of_every_cell_once(digits, tmp_path, capsys):
    out = tmp_path / "rows.csv"
    command = ["--out", str(out), "--size", "smoke", "--datasets", "digits", "--n-samples", "256", "--device", "cpu"]
    command += ["--checkpoints", str(tmp_path / "checkpoints")]
    deep_run.main(command)
    rows = read_rows(out)
    todo = [cell for part in PARTS for cell in cells(part, digits, "smoke")]
    assert {(row.table, row.dataset, row.method, row.seed) for row in rows} == {
        (cell.table, "digits/all, trained on 256", cell.method, 0) for cell in todo
    }
    found = {(row.table, row.method, row.metric) for row in rows}
    assert len(found) == len(rows)
    for cell in todo:
        metrics = {metric for *named, metric in found if named == [cell.table, cell.method]}
        assert "accuracy, agreement" in metrics if cell.table == STARTS else {"accuracy", "nmi", "ari"} < metrics
    assert {(row.size, row.device) for row in rows} == {("smoke", "cpu")}
    assert all(math.isfinite(row.value) for row in rows)
    before = out.read_bytes()
    deep_run.main(command)
    assert out.read_bytes() == before


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"method": "k-means"}, "method must be one of mutual_information, .*, got 'k-means'"),
        ({"network": "mlp"}, "network must be one of conv_net, vgg4, resnet18, got 'mlp'"),
        ({"fairness_weight": -1.0}, "fairness_weight must be a finite number >= 0"),
        ({"n_starts": -1}, "n_starts must be a whole number of at least 0"),
        ({"n_clusters": 0}, "n_clusters must be a whole number of at least 1"),
        ({"start_epochs": math.nan}, "epochs must be a finite number > 0"),
        ({"agreement_epochs": 0.0}, "epochs must be a finite number > 0"),
        ({"epochs": 0.0}, "epochs must be a finite number > 0"),
        ({"batch_size": 0}, "batch_size must be"),
        ({"precision": "int8"}, "precision must be one of"),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        DeepConfig(**settings)


def test_a_method_that_is_not_there_is_refused_by_the_command(tmp_path, capsys):
    with pytest.raises(SystemExit):
        deep_run.main(["--out", str(tmp_path / "rows.csv"), "--parts", "nothing"])
    assert "invalid choice: 'nothing'" in capsys.readouterr().err


def test_images_without_labels_cannot_be_judged(digits):
    task = replace(digits, test=replace(digits.test, y=None))
    with pytest.raises(ValueError, match="digits has no labels to judge a clustering by"):
        measure(SCRATCH, task, 0)
