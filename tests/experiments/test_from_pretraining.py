"""paperlib.experiments.from_pretraining: the runs of joint training, on small images; its trunks and command line."""

import os
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from paperlib.data.augmentations import Draws
from paperlib.experiments import from_pretraining, read_rows
from paperlib.experiments.deep_self_labeling import ImageSplits
from paperlib.experiments.from_pretraining import augmentation, first_steps, fit, measure, neighbors, network, objective
from paperlib.experiments.from_pretraining_config import METHODS, WEIGHTED, PretrainedConfig, config_for
from paperlib.experiments.from_pretraining_run import main
from paperlib.experiments.image_sets import IMAGE_SETS, synthetic_images
from paperlib.experiments.pretrained_network import Trunk, read_trunk
from paperlib.information import entropy
from paperlib.losses import (
    confident_cross_entropy,
    logit_bound_loss,
    mutual_information_loss,
    probability_contrastive_loss,
    scan_loss,
    temi_loss,
)
from paperlib.training import MutualInformation, SelfLabeling, WarmStart, predict

SMOKE = {"size": "smoke", "device": "cpu", "batch_size": 8, "scan_batch": 8}
CPU = config_for("scan", **SMOKE)


@pytest.fixture(scope="module")
def task():
    return synthetic_images("cifar10", 24, side=8)


def weights(model):
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


def test_the_paper_size_has_the_settings_of_scan():
    second, third = config_for("scan"), config_for("scan_self_labeling")
    assert (second.scan_epochs, second.scan_batch, third.epochs, third.batch_size) == (50, 128, 200, 1000)
    coarse = config_for("scan", "cifar100_20")
    assert (coarse.scan_epochs, coarse.scan_batch) == (100, 512)
    assert (config_for("scan", "stl10").scan_epochs, config_for("scan_self_labeling", "stl10").epochs) == (100, 100)
    for method in METHODS:
        training = config_for(method).training("scan", 3)
        assert (training.learning_rate, training.weight_decay, training.seed) == (1e-4, 1e-4, 3)
        assert (training.optimizer, training.schedule) == ("adam", "constant")


def test_a_run_is_step_two_and_then_the_method():
    assert CPU.steps == ("scan",)
    assert config_for("crlc").steps == config_for("crlc", after_scan=False).steps == ("crlc",)
    assert config_for("imsat").steps == ("scan", "imsat")
    assert config_for("imsat", after_scan=False).steps == ("imsat",)
    assert config_for("scan_self_labeling", after_scan=False).steps == ("scan", "scan_self_labeling")


def test_names_tell_runs_apart_and_say_where_the_trunk_is_from():
    trunk = Trunk("simclr_cifar10", {})
    assert CPU.name(None) == "random trunk, scan 1 epochs"
    assert config_for("scan").name(trunk) == "trunk simclr_cifar10, scan 50 epochs"
    configs = [config_for(method, after_scan=after) for method in WEIGHTED for after in (True, False)]
    assert len({config.name(trunk) for config in [*configs, *map(config_for, METHODS[:2])]}) == 10


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"method": "simclr"}, "method must be one of scan, scan_self_labeling"),
        ({"dataset": "mnist"}, "dataset must be one of cifar10, cifar100_20, stl10"),
        ({"fairness_weight": -1.0}, "fairness_weight"),
        ({"n_neighbors": 0}, "n_neighbors"),
        ({"learning_rate": 0.0}, "learning_rate"),
    ],
)
def test_a_setting_out_of_range_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        replace(PretrainedConfig(), **change)


def test_synthetic_images_have_the_true_shape_and_a_name_that_is_no_set():
    for name, given in IMAGE_SETS.items():
        made = synthetic_images(name, 40)
        assert made.train.x.shape == (40, 3, given.side, given.side)
        assert made.train.x.dtype == torch.uint8
        assert int(made.train.y.max()) < given.n_clusters
        assert made.name.startswith("synthetic ")
        assert made.train.x.float().std() > 70  # of random bytes


def test_images_are_normalised_by_the_network_so_that_a_grey_mean_is_zero(task):
    model = network(CPU, 0)
    mean, std = (
        torch.tensor(values).view(3, 1, 1) for values in (IMAGE_SETS["cifar10"].mean, IMAGE_SETS["cifar10"].std)
    )
    assert model.normalized(mean.expand(2, 3, 8, 8)).abs().max() == 0
    assert torch.allclose(model.normalized((mean + std).expand(2, 3, 8, 8)), torch.ones(()), atol=1e-5)
    x = torch.rand(2, 3, 8, 8)
    assert torch.equal(model(x), model.network((x - mean) / std))


def test_neighbours_are_the_nearest_in_the_trunks_features_and_the_image_itself(task):
    model, x = network(CPU, 0).eval(), task.train.x
    found = neighbors(replace(CPU, n_neighbors=3), model, x)
    assert found.shape == (24, 4)
    assert found[:, 3].tolist() == list(range(24))
    features = nn.functional.normalize(model.features(x / 255).detach(), dim=1)
    for i, similar in enumerate(features @ features.T):
        others = [j for j in similar.argsort(descending=True).tolist() if j != i]
        assert set(found[i, :3].tolist()) == set(others[:3])
    assert neighbors(CPU, model, x[:5]).shape == (5, 5)


def test_the_steps_have_their_losses(task):
    model, x = network(CPU, 0), task.train.x
    views = torch.randn(2, 8, 10, generator=torch.Generator().manual_seed(0)) * 9
    index = torch.arange(8)

    def value(method):
        return objective(config_for(method, fairness_weight=2.0), method, model, x)(views, index)

    assert torch.equal(value("scan"), scan_loss(*views, entropy_weight=5.0))
    assert torch.equal(value("temi"), temi_loss(*views))
    contrast = probability_contrastive_loss(*views, smoothing=0.01)
    fairness = sum(entropy(one.softmax(1).mean(0)) for one in views) / 2
    bound = logit_bound_loss(views.flatten(0, 1))
    torch.testing.assert_close(value("crlc"), contrast - fairness + 0.01 * bound)
    assert torch.equal(value("scan_self_labeling"), confident_cross_entropy(*views, threshold=0.99))
    mean = views.softmax(-1).mean(0).log()
    assert torch.allclose(value("mutual_information"), mutual_information_loss(mean, fairness_weight=2.0))
    for method in ("reverse_cross_entropy", "collision_cross_entropy"):
        found = objective(config_for(method, fairness_weight=2.0), method, model, x)
        assert isinstance(found, SelfLabeling)
        assert (found.solver.fairness_weight, found.solver.divergence) == (2.0, method)
        cold = objective(config_for(method, after_scan=False), method, model, x)
        assert isinstance(cold, WarmStart)
        assert cold.first == MutualInformation()


def test_only_the_labels_of_step_three_come_from_images_that_are_not_changed(task, monkeypatch):
    seen = {}

    def spy(model, goal, views, settings, **_):
        seen[type(goal).__name__] = views

    monkeypatch.setattr(from_pretraining, "train", spy)
    fit(config_for("scan_self_labeling", **SMOKE), task, 0)
    assert seen["ConfidentLabels"].augmentations[0] is None
    assert seen["ConfidentLabels"].neighbors is None
    assert None not in seen["Scan"].augmentations
    assert seen["Scan"].neighbors.shape == (24, 21)


def test_a_strong_view_has_a_hole_of_scans_size():
    for name, hole in (("cifar10", 16), ("stl10", 32)):
        data = synthetic_images(name, 2).train
        changed = augmentation(replace(CPU, dataset=name), data).apply(torch.ones(2, *data.x.shape[1:]), Draws(2))
        assert changed.shape == (2, *data.x.shape[1:])
        assert 0 < int((changed[0, 0] == 0).sum()) <= hole**2  # less where it reaches over the edge


@pytest.mark.parametrize("method", ["scan_self_labeling", "collision_cross_entropy", "imsat", "temi", "crlc"])
def test_a_run_moves_the_trunk_and_gives_numbers(task, method):
    config = config_for(method, **SMOKE)
    start = network(config, 0)
    model, runs = fit(config, task, 0)
    assert [run.steps for run in runs] == [3] * len(config.steps)
    assert not torch.equal(weights(model.features), weights(start.features))
    assert predict(model, task.test.x).shape == (24, 10)


def test_labels_do_not_enter_but_in_the_judgement(task):
    other = ImageSplits("other", replace(task.train, y=1 - (task.train.y > 4).long()), task.test)
    one, two = (fit(CPU, images, 0)[0] for images in (task, other))
    assert torch.equal(weights(one), weights(two))


def test_step_two_is_done_once_where_methods_share_its_checkpoints(task, tmp_path, monkeypatch):
    measured, _ = measure(CPU, task, 0, checkpoints=tmp_path)
    steps = []
    step = from_pretraining.Scan.__call__
    monkeypatch.setattr(from_pretraining.Scan, "__call__", lambda *given: steps.append(1) or step(*given))
    config = config_for("mutual_information", **SMOKE)
    after, _ = measure(config, task, 0, checkpoints=tmp_path)
    assert steps == []
    assert after == pytest.approx(measure(config, task, 0)[0], abs=1e-6)
    assert len(steps) == 3
    assert len(list(tmp_path.iterdir())) == 2
    assert set(measured) == {"loss", "clusters_used", "accuracy", "nmi", "ari"}


@pytest.mark.parametrize("kind", ["safetensors", "torch", "SCAN's", "under state_dict"])
def test_a_trunk_is_read_from_a_file_of_either_kind(kind, tmp_path):
    source = network(CPU, 7).network.features.state_dict()
    state = {f"backbone.{name}": value.contiguous() for name, value in source.items()}
    path = tmp_path / ("simclr.safetensors" if kind == "safetensors" else "simclr.pth.tar")
    if kind == "safetensors":
        save_file(state, path)
    else:
        torch.save({"torch": state, "SCAN's": {"model": state, "head": 0}}.get(kind, {"state_dict": state}), path)
    trunk = read_trunk(path)
    assert trunk.name == "simclr"
    model = network(CPU, 0, trunk)
    assert torch.equal(weights(model.features), weights(network(CPU, 7).features))
    assert torch.equal(model.network.head.weight, network(CPU, 0).network.head.weight)


def test_a_file_without_tensors_is_refused(tmp_path):
    torch.save({"epoch": 3}, tmp_path / "a.pt")
    with pytest.raises(ValueError, match="holds no tensors by name"):
        read_trunk(tmp_path / "a.pt")
    with pytest.raises(FileNotFoundError):
        read_trunk(tmp_path / "b.safetensors")


def test_first_steps_are_real_steps_of_the_batch_of_the_run(monkeypatch):
    seen = []
    monkeypatch.setattr(from_pretraining, "synthetic_images", lambda name, n: synthetic_images(name, n, side=8))
    actual = from_pretraining.train

    def spy(model, *given, **options):
        before = weights(model)
        run = actual(model, *given, **options)
        seen.append((run.steps, given[-1].batch_size, not torch.equal(before, weights(model))))
        return run

    monkeypatch.setattr(from_pretraining, "train", spy)
    found, made = first_steps(config_for("collision_cross_entropy", device="cpu"), 2)
    assert seen == [(2, 128, True)]
    assert found["seconds_per_step"] == pytest.approx(made["seconds"] / 2)
    assert found["cpu_seconds_per_step"] > 0
    assert found["peak_memory"] > 100


def test_the_command_writes_rows_that_say_what_was_random(monkeypatch, tmp_path):
    small = lambda name, n: synthetic_images(name, min(n, 16), side=8)  # noqa: E731
    monkeypatch.setattr("paperlib.experiments.from_pretraining_run.synthetic_images", small)
    out = tmp_path / "rows.csv"
    common = ["--out", str(out), "--size", "smoke", "--methods", "scan", "--device", "cpu"]
    main([*common, "--synthetic"])
    monkeypatch.setattr(from_pretraining, "synthetic_images", small)
    main([*common, "--first-steps", "1"])
    rows = read_rows(out)
    by_table = {row.table: row for row in rows}
    assert by_table["from pretraining"].dataset == "synthetic cifar10, 16 images of random bytes"
    assert by_table["from pretraining"].method == "random trunk, scan 1 epochs"
    assert by_table["first steps"].dataset == "synthetic cifar10"
    assert by_table["first steps"].method == "scan, batch 16, float32"
    with pytest.raises(SystemExit):
        main([*common, "--datasets", "cifar10", "stl10", "--trunk", "simclr_cifar10.safetensors"])


@pytest.mark.slow
def test_two_ranks_write_their_rows_once(tmp_path):
    module = "paperlib.experiments.from_pretraining_run"
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", module]
    command += ["--size", "smoke", "--device", "cpu", "--methods", "scan", "--out", str(tmp_path / "rows.csv")]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    for extra in (["--synthetic", "--n-samples", "32"], ["--first-steps", "1"]):
        done = subprocess.run([*command, *extra], env=environment, capture_output=True, text=True, timeout=280)
        assert done.returncode == 0, done.stderr
    rows = read_rows(tmp_path / "rows.csv")
    assert sorted({row.method for row in rows}) == [
        "random trunk, scan 1 epochs",
        "scan, batch 16, float32, 2 processes",
    ]
    assert len({(row.method, row.metric) for row in rows}) == len(rows) == 8
