"""Deep self-labelling from pixels: every method and table, at a size of seconds."""

import math
from dataclasses import replace
from itertools import product

import pytest
import torch

from paperlib.data import Dataset
from paperlib.data.augmentations import Draws
from paperlib.experiments import deep_run, deep_self_labeling, read_rows
from paperlib.experiments.deep_self_labeling import (
    METHODS,
    DeepConfig,
    augmentation,
    fit,
    load_splits,
    measure,
    measure_starts,
    network,
    objective,
    predictions,
    train_start,
)
from paperlib.experiments.deep_tables import SEEDS, SIZES, STARTS, TABLES, cells
from paperlib.training import MutualInformation, SelfLabeling, VirtualAdversarial, WholeSetLabels

pytestmark = [
    pytest.mark.filterwarnings("ignore:every prediction is still nearly uniform"),
    pytest.mark.filterwarnings("ignore:.* clusters have hardly a sample left"),
]
SHORT = DeepConfig(n_starts=2, start_epochs=0.1, epochs=0.2, batch_size=128, device="cpu", size="smoke")


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def digits():
    return load_splits("digits")


def images(name, shape, n=6, split="train"):
    x = torch.randint(0, 256, (n, *shape), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return Dataset(x, torch.arange(n) % 3, name, "made up", "none", split)


def weights(model):
    return torch.cat([value.flatten().double() for value in model.state_dict().values()])


def test_digits_are_bytes_again(digits):
    from sklearn.datasets import load_digits

    expected = torch.from_numpy(load_digits().images) / 16
    assert digits.train.x.dtype == torch.uint8
    assert (digits.train.x.double() / 255 - expected).abs().max() <= 1 / 255


def test_so_many_of_the_first_images_are_trained_on_and_all_others_judged(monkeypatch):
    parts = {split: images("mnist", (4, 4), n, split) for split, n in (("train", 20), ("test", 9))}
    monkeypatch.setattr(deep_self_labeling, "load", lambda name, *, split, root: parts[split])
    task = load_splits("mnist", n_samples=8)
    assert task.name == "mnist/test, trained on 8"
    assert torch.equal(task.train.x, parts["train"].x[:8])
    assert torch.equal(task.train.y, parts["train"].y[:8])
    assert task.test is parts["test"]
    assert len(load_splits("mnist").train) == 20


@pytest.mark.parametrize("method", METHODS)
def test_every_method_takes_steps_and_gives_finite_numbers(digits, method):
    config = replace(SHORT, method=method)
    measured, made = measure(config, digits, 0)
    judged = ("accuracy", "nmi", "ari", "clusters_used")
    assert set(measured) == {"loss", *judged, *(f"train_{name}" for name in judged)}
    assert all(math.isfinite(value) for value in measured.values())
    assert made["seconds"] > 0
    trained, run, losses = fit(config, digits, 0)
    assert run.steps == 3
    starts = [train_start(config, digits, 0, start) for start in range(2)]
    assert losses == [run.history[-1]["loss"] for _, run in starts]
    best, _ = starts[losses.index(min(losses))]
    assert not torch.equal(weights(best), weights(trained))
    assert not trained.training


@pytest.mark.parametrize("name", ["vgg4", "resnet18"])
def test_every_network_takes_a_step(digits, name):
    config = replace(SHORT, network=name, n_starts=1, start_epochs=0.02, epochs=0.02, batch_size=32)
    model, run, losses = fit(config, digits, 0)
    assert (run.steps, len(losses)) == (1, 1)
    assert predictions(config, model, images("digits", (8, 8))).shape == (6, 10)


@pytest.mark.parametrize("method", METHODS)
def test_labels_are_not_seen_in_training(digits, method):
    y = digits.train.y
    permuted = replace(digits, train=replace(digits.train, y=y[torch.randperm(len(y))]))
    unlabelled = replace(digits, train=replace(digits.train, y=None))
    config = replace(SHORT, method=method)
    expected = weights(fit(config, digits, 0).model)
    for task in (permuted, unlabelled):
        assert torch.equal(weights(fit(config, task, 0).model), expected)


def test_a_seed_decides_first_weights_and_run(digits):
    runs = [weights(fit(SHORT, digits, seed).model) for seed in (0, 0, 1)]
    assert torch.equal(runs[0], runs[1])
    assert not torch.equal(runs[0], runs[2])


def test_methods_go_on_from_the_same_starts_with_and_without_checkpoints(digits, tmp_path):
    reverse, sela = (replace(SHORT, method=method) for method in ("reverse_cross_entropy", "sela"))
    alone = {config.method: weights(fit(config, digits, 0).model) for config in (reverse, sela)}
    losses = fit(reverse, digits, 0, folder=tmp_path).start_losses
    folders = {path.name for path in tmp_path.iterdir()}
    together = fit(sela, digits, 0, folder=tmp_path)
    assert together.start_losses == losses
    assert torch.equal(weights(together.model), alone["sela"])
    assert torch.equal(weights(fit(reverse, digits, 0, folder=tmp_path).model), alone["reverse_cross_entropy"])
    new = {path.name for path in tmp_path.iterdir()} - folders
    assert len(new) == 1
    assert new.pop().startswith("sela,")
    other = fit(sela, digits, 1, folder=tmp_path)
    assert other.start_losses != losses


def test_without_starts_a_method_begins_with_first_weights(digits):
    config = replace(SHORT, method="reverse_cross_entropy", n_starts=0, epochs=1e-3, learning_rate=1e-12)
    model, _, losses = fit(config, digits, 3)
    first = network(config, digits.train, torch.Generator().manual_seed(3000))
    assert losses == []
    for ours, theirs in zip(model.parameters(), first.parameters(), strict=True):
        assert torch.allclose(ours, theirs, atol=1e-10)


def test_starts_are_judged_one_by_one(digits):
    measured, _ = measure_starts(SHORT, digits, 0)
    assert set(measured) == {f"{name}, start {start}" for name in ("loss", "accuracy") for start in range(2)}
    assert [measured[f"loss, start {start}"] for start in range(2)] == fit(SHORT, digits, 0).start_losses


def test_a_measurement_goes_on_from_its_checkpoints(digits, tmp_path):
    config = replace(SHORT, method="sela")
    first, _ = measure(config, digits, 0, folder=tmp_path)
    again, _ = measure(config, digits, 0, folder=tmp_path)
    assert again == first
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


def test_rows_have_names_of_their_own_in_every_table_and_size(digits):
    names = [cell.key for table, size in product(TABLES, SIZES) for cell in cells(table, digits, size)]
    assert len(names) == len(set(names)) > 50


def test_runs_of_a_table_have_names_of_their_own_beside_their_settings(digits):
    """Two cells of one name would share their checkpoints."""
    for size in SIZES:
        configs = {cell.method: cell.measure.args[0] for table in TABLES for cell in cells(table, digits, size)}
        for table in TABLES:
            for cell in cells(table, digits, size):
                if cell.table != STARTS:
                    assert cell.measure.args[0] == configs[cell.method]


@pytest.mark.parametrize("size", SIZES)
def test_tables_ask_for_their_size_and_every_seed(digits, size):
    for table in TABLES:
        todo = list(cells(table, digits, size, device="cpu"))
        assert {cell.seed for cell in todo} == set(range(SEEDS[size]))
        assert {cell.size for cell in todo} == {size}
        configs = [cell.measure.args[0] for cell in todo]
        assert {config.size for config in configs} == {size}
        assert {config.device for config in configs} == {"cpu"}
        assert {cell.method for cell in cells(table, digits, size, n_seeds=1)} == {cell.method for cell in todo}
        assert len(list(cells(table, digits, size, n_seeds=1))) * SEEDS[size] == len(todo)


def test_the_command_writes_the_rows_of_every_cell_once(digits, tmp_path, capsys):
    out = tmp_path / "rows.csv"
    command = ["--out", str(out), "--size", "smoke", "--datasets", "digits", "--n-samples", "512", "--device", "cpu"]
    command += ["--parts", "end_to_end", "from_scratch"]
    deep_run.main([*command, "--checkpoints", str(tmp_path / "checkpoints")])
    rows = read_rows(out)
    todo = [cell for table in ("end to end", "from scratch") for cell in cells(table, digits, "smoke")]
    assert {(row.table, row.method, row.seed) for row in rows} == {
        (cell.table, cell.method, cell.seed) for cell in todo
    }
    assert len(rows) == sum(4 if cell.table == STARTS else 9 for cell in todo)
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
        measure(SHORT, task, 0)
