"""The training loop: what it minimises, what it reports, how it stops and goes on."""

import math
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from training_runs import blobs, conv_net, labels_of_the_whole_set, mlp, pictures, run, views

from paperlib.information import kl_divergence
from paperlib.losses import mutual_information_loss
from paperlib.models import MLP, ConvAutoencoder, MultiHead
from paperlib.pseudo_labels import ClosedFormAlternatingDirection, ExpectationMaximization
from paperlib.training import (
    CodeAndError,
    EachHead,
    MutualInformation,
    Reconstruction,
    Scheduled,
    SelfLabeling,
    TrainingConfig,
    Views,
    WarmStart,
    WholeSetLabels,
    loop,
    mean_prediction,
    predict,
    train,
)
from paperlib.training.checkpoints import load_checkpoint
from paperlib.training.diagnosis import signs

SCRIPT = Path(__file__).with_name("training_runs.py")
CALM = TrainingConfig(epochs=20, batch_size=60, learning_rate=0.02)


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def same(first, second):
    pairs = zip(first.state_dict().items(), second.state_dict().items(), strict=True)
    return all(a == b and torch.equal(u, v) for (a, u), (b, v) in pairs)


def test_a_run_lowers_the_loss_and_finds_the_clusters():
    x, model = blobs(), mlp()
    before = mutual_information_loss(model(x)).item()
    found = train(model, MutualInformation(), x, CALM, log_every=10)
    assert mutual_information_loss(model(x)).item() < 0.1 < before
    assert found.steps == 80
    assert [record["step"] for record in found.history] == list(range(10, 81, 10))
    assert found.history[-1]["clusters_used"] == 3
    assert found.history[-1]["confident_share"] > 0.9


def test_one_step_of_gradient_descent_is_written_out():
    x, model, twin = blobs(60), mlp(), mlp()
    train(model, MutualInformation(), x, TrainingConfig(batch_size=60, optimizer="sgd", schedule="constant"))
    mutual_information_loss(twin(x)).backward()
    for ours, theirs in zip(model.parameters(), twin.parameters(), strict=True):
        assert torch.allclose(ours, theirs - 1e-3 * theirs.grad, atol=1e-15)


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_decay_can_spare_biases_and_scales(optimizer):
    def after_a_step(**settings):
        model = mlp()
        before = [parameter.detach().clone() for parameter in model.parameters()]
        config = TrainingConfig(batch_size=240, learning_rate=0.1, weight_decay=0.5, schedule="constant", **settings)
        train(model, lambda logits, index: 0 * logits.sum(), blobs(), replace(config, optimizer=optimizer))
        return before, list(model.parameters())

    for now, was in zip(*reversed(after_a_step()), strict=True):
        torch.testing.assert_close(now, 0.95 * was)
    for now, was in zip(*reversed(after_a_step(decay_vectors=False)), strict=True):
        torch.testing.assert_close(now, (0.95 if was.ndim > 1 else 1) * was)


def test_an_epoch_sees_every_sample_once_and_the_next_in_another_order():
    seen = []

    def objective(logits, index):
        seen.append(index)
        return logits.square().mean()

    train(mlp(), objective, blobs(), TrainingConfig(epochs=2, batch_size=60))
    first, second = torch.cat(seen[:4]), torch.cat(seen[4:])
    assert torch.equal(first.sort().values, torch.arange(240))
    assert torch.equal(second.sort().values, torch.arange(240))
    assert not torch.equal(first, second)


def test_views_reach_the_objective_as_an_axis_of_their_own():
    shapes = []

    def objective(logits, index):
        shapes.append(logits.shape)
        return logits.square().mean()

    train(conv_net(), objective, views(), TrainingConfig(batch_size=8, epochs=0.1))
    assert set(shapes) == {(2, 8, 4)}


def test_the_mean_prediction_is_the_mean_of_the_predictions():
    logits = torch.randn(3, 5, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 20
    assert torch.allclose(mean_prediction(logits).exp(), logits.softmax(-1).mean(0), atol=1e-15)
    single = logits[0]
    assert mean_prediction(single) is single


def test_the_entropy_of_the_mean_prediction_is_decisiveness_plus_disagreement():
    logits = torch.randn(2, 7, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    probs = logits.softmax(-1)
    mean = probs.mean(0)
    entropies = -(probs * probs.log()).sum(-1).mean(0)
    divergence = kl_divergence(probs, mean.expand_as(probs)).mean(0)
    assert torch.allclose(-(mean * mean.log()).sum(-1), entropies + divergence, atol=1e-14)


def test_heads_are_averaged_and_can_be_compared():
    logits = torch.randn(2, 9, 3, 4, generator=torch.Generator().manual_seed(0))
    objective = EachHead(MutualInformation())
    each = [MutualInformation()(logits[:, :, head]) for head in range(3)]
    assert torch.allclose(objective.per_head(logits), torch.stack(each))
    assert torch.isclose(objective(logits), torch.stack(each).mean())


def test_a_staged_objective_is_asked_before_every_step():
    asked = []

    def make(progress):
        asked.append(progress)
        return MutualInformation()

    train(mlp(), Scheduled(make), blobs(), TrainingConfig(batch_size=60))
    assert asked == [0.0, 0.25, 0.5, 0.75]


def test_a_warm_start_changes_the_objective_once():
    first, then = MutualInformation(1.0), MutualInformation(2.0)
    objective = WarmStart(first, then, share=0.5)
    assert [objective.at(progress) for progress in (0, 0.49, 0.5, 1)] == [first, first, then, then]
    with pytest.raises(ValueError, match="between 0 and 1, got 2"):
        WarmStart(first, then, share=2)


def test_labels_of_the_whole_set_are_renewed_every_so_many_steps():
    objective = labels_of_the_whole_set()
    solved = []
    refresh = objective.then.refresh
    objective.then.refresh = lambda logits: solved.append(logits.shape) or refresh(logits)
    train(conv_net(), objective, views(), TrainingConfig(epochs=4, batch_size=8))
    assert solved == [(96, 4)] * 7  # steps 15, 20, ..., 45 of 48: the others are of the warm start
    targets = objective.then.targets
    assert targets.shape == (96, 4)
    assert torch.allclose(targets.sum(1), torch.ones(96))


def test_labels_are_solved_for_as_soon_as_they_are_needed():
    objective = WarmStart(MutualInformation(), labels_of_the_whole_set().then, share=0.06)
    steps = []
    refresh = objective.then.refresh
    objective.then.refresh = lambda logits: steps.append(len(steps)) or refresh(logits)
    train(conv_net(), objective, views(), TrainingConfig(epochs=0.4, batch_size=8))  # steps 0 to 4
    assert len(steps) == 1


def test_an_objective_used_again_forgets_the_labels_of_its_first_run():
    def once(objective):
        model = mlp()
        train(model, objective, blobs(), TrainingConfig(batch_size=60, learning_rate=0.02))
        return model

    def made():
        labels = WholeSetLabels(ExpectationMaximization(fairness_weight=3.0), refresh_every=100)
        return WarmStart(MutualInformation(), labels, share=0.2)

    expected, used = once(made()), made()
    train(mlp(seed=1), used, blobs(300), TrainingConfig(batch_size=60))  # its 300 labels would pass for some of these
    assert used.then.targets.shape == (300, 3)
    assert same(once(used), expected)
    assert used.then.targets.shape == (240, 3)


def test_pseudo_labels_of_the_closed_form_are_learnt_from():
    objective = SelfLabeling(ClosedFormAlternatingDirection())
    model = mlp()
    before = objective(model(blobs())).item()
    found = train(model, objective, blobs(), CALM)
    assert objective(model(blobs())).item() < before - 0.5
    assert found.history[-1]["clusters_used"] == 3


def test_labels_that_were_never_solved_are_refused():
    with pytest.raises(RuntimeError, match="call refresh"):
        labels_of_the_whole_set().then(torch.zeros(2, 4), None)


@pytest.mark.parametrize("kind", ["batch", "whole set"])
@pytest.mark.parametrize("settings", [{}, {"precision": "bfloat16", "channels_last": True}, {"optimizer": "sgd"}])
def test_a_run_that_is_cut_goes_on_to_the_last_bit(tmp_path, monkeypatch, kind, settings):
    whole, history = run(tmp_path / "whole", kind, **settings)
    calls = []

    def stop(folder, checkpoint):
        save(folder, checkpoint)
        calls.append(checkpoint.step)
        if len(calls) in (2, 5, 9):
            raise KeyboardInterrupt

    save = loop.save_checkpoint
    monkeypatch.setattr(loop, "save_checkpoint", stop)
    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path / "cut", kind, **settings)
    resumed, same_history = run(tmp_path / "cut", kind, **settings)
    assert calls[:5] == [3, 6, 9, 12, 15]
    assert same(whole, resumed)
    assert history.history == same_history.history
    again, once_more = run(tmp_path / "cut", kind, **settings)  # a finished run is not run again
    assert same(whole, again)
    assert once_more == same_history  # its seconds, too


@pytest.mark.slow
def test_a_run_that_is_killed_at_random_moments_goes_on_to_the_last_bit(tmp_path):
    whole, _ = run(tmp_path / "whole")
    command = [sys.executable, str(SCRIPT), str(tmp_path / "killed"), "--pause", "0.1"]
    environment = os.environ | {"PYTHONPATH": str(SCRIPT.parents[2]), "OMP_NUM_THREADS": "1"}
    moments = torch.rand(3, generator=torch.Generator().manual_seed(0)).tolist()
    steps = [0]
    for moment in moments:
        process = subprocess.Popen(command, env=environment)
        _wait_for_checkpoint(tmp_path / "killed", after=steps[-1])
        time.sleep(moment)
        process.send_signal(signal.SIGKILL)
        assert process.wait(timeout=60) == -signal.SIGKILL
        steps.append(_newest(tmp_path / "killed"))
    assert steps == sorted(set(steps))
    assert steps[-1] < 48
    resumed, _ = run(tmp_path / "killed")
    assert same(whole, resumed)


def _newest(folder):
    return max((int(path.stem.split("-")[1]) for path in folder.glob("step-*.json")), default=0)


def _wait_for_checkpoint(folder, after):
    end = time.monotonic() + 60
    while _newest(folder) <= after:
        assert time.monotonic() < end, "no checkpoint was written"
        time.sleep(0.02)


def test_a_damaged_checkpoint_is_refused_and_the_one_before_is_used(tmp_path):
    whole, history = run(tmp_path)
    newest = max(tmp_path.glob("*.safetensors"))
    newest.write_bytes(newest.read_bytes()[:-7])
    with pytest.warns(UserWarning, match="is damaged and not used"):
        resumed, same_history = run(tmp_path)
    assert same(whole, resumed)
    assert history.history == same_history.history


def test_checkpoints_of_other_settings_are_refused(tmp_path):
    run(tmp_path)
    with pytest.raises(ValueError, match=r"another run \(learning_rate=0.003 there, 0.5 here\)"):
        run(tmp_path, learning_rate=0.5)


@pytest.mark.parametrize(
    ("objective", "data", "message"),
    [
        (MutualInformation(2.0), blobs(), r"\(objective={.*'fairness_weight': 1.0.*} there, {.*: 2.0.*} here\)"),
        (SelfLabeling(ClosedFormAlternatingDirection()), blobs(), r"\(objective={'name': 'Mutual.* there, .*'SelfLab"),
        (MutualInformation(), blobs(250), r"\(samples=\[240, 2\] there, \[250, 2\] here\)"),
        (MutualInformation(), Views(blobs(), [None, None]), r"\(views=1 there, 2 here\)"),
    ],
    ids=["weight", "objective", "samples", "views"],
)
def test_checkpoints_of_another_objective_or_of_other_data_are_refused(tmp_path, objective, data, message):
    config = TrainingConfig(batch_size=60)
    train(mlp(), MutualInformation(), blobs(), config, folder=tmp_path)
    model = mlp()
    with pytest.raises(ValueError, match=f"holds checkpoints of another run {message}"):
        train(model, objective, data, config, folder=tmp_path)
    assert same(model, mlp())


def test_the_seconds_of_a_run_that_was_cut_are_counted(tmp_path, monkeypatch):
    ticks = iter(range(10**6))
    monkeypatch.setattr(loop, "time", SimpleNamespace(perf_counter=lambda: float(next(ticks))))  # a second a step

    def once(objective):
        config = TrainingConfig(epochs=2, batch_size=60)
        return train(mlp(), Scheduled(objective), blobs(), config, folder=tmp_path, checkpoint_every=2)

    def cut(progress):
        if progress == 5 / 8:
            raise KeyboardInterrupt
        return MutualInformation()

    with pytest.raises(KeyboardInterrupt):
        once(cut)
    assert load_checkpoint(tmp_path).state["seconds"] == 4
    assert once(lambda progress: MutualInformation()).seconds == 8
    assert once(cut).seconds == 8  # of a run found whole


def test_checkpoints_of_another_model_are_refused(tmp_path):
    config = TrainingConfig(batch_size=60)
    train(mlp(), MutualInformation(), blobs(), config, folder=tmp_path)
    other = MLP(2, 3, hidden=(5,)).double()
    with pytest.raises(ValueError, match="of another model"):
        train(other, MutualInformation(), blobs(), config, folder=tmp_path)


def test_the_global_random_numbers_and_the_mode_are_as_before():
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    model = conv_net().eval()
    train(model, MutualInformation(), views(), TrainingConfig(batch_size=8))
    assert torch.equal(torch.rand(4), expected)
    assert not model.training


def test_a_seed_decides_a_run():
    runs = []
    for seed in (0, 0, 1):
        model = conv_net()
        train(model, MutualInformation(), views(), TrainingConfig(batch_size=8, seed=seed))
        runs.append(model)
    assert same(runs[0], runs[1])
    assert not same(runs[0], runs[2])


def test_parts_of_a_batch_give_the_gradient_of_the_whole():
    x, one, parts = blobs(), mlp(), mlp()
    train(one, MutualInformation(), x, CALM)
    train(parts, MutualInformation(), x, TrainingConfig(epochs=20, batch_size=60, learning_rate=0.02, micro_batch=7))
    for ours, theirs in zip(parts.parameters(), one.parameters(), strict=True):
        assert torch.allclose(ours, theirs, atol=1e-10)


def test_channels_last_and_bfloat16_stay_close_to_the_plain_run():
    plain, fast = conv_net(), conv_net()
    config = TrainingConfig(batch_size=32, epochs=2)
    quick = replace(config, precision="bfloat16", channels_last=True)
    a = train(plain, MutualInformation(), views(), config, log_every=1)
    b = train(fast, MutualInformation(), views(), quick, log_every=1)
    assert b.history[0]["loss"] == pytest.approx(a.history[0]["loss"], abs=0.02)
    assert all(parameter.dtype == torch.float32 for parameter in fast.parameters())


def test_predictions_are_those_of_evaluation_in_the_order_of_the_data():
    model = conv_net()
    x = pictures().float().unsqueeze(1) / 255
    logits = predict(model, views(), batch_size=7)
    assert torch.allclose(logits, model.eval()(x), atol=1e-5)
    assert torch.allclose(predict(model, pictures(), rows=slice(90, None)), logits[90:], atol=1e-5)
    model.train()
    predict(model, views())
    assert model.training


def test_dead_clusters_are_warned_of_with_the_knob():
    model = mlp()
    with torch.no_grad():
        model.layers[-1].bias[0] = 50.0
    with pytest.warns(UserWarning, match="2 of 3 clusters have hardly a sample left: raise the obj"):
        train(model, lambda logits, index: 0 * logits.sum(), blobs(), TrainingConfig(batch_size=60), log_every=1)


def test_a_run_that_decides_nothing_is_warned_of():
    model = mlp()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    with pytest.warns(UserWarning, match="still nearly uniform: raise learning_rate"):
        train(model, lambda logits, index: 0 * logits.sum(), blobs(), TrainingConfig(batch_size=60), log_every=1)


def test_a_loss_that_is_not_finite_stops_the_run():
    with pytest.raises(FloatingPointError, match="the loss is nan at step 1"):
        train(
            mlp(),
            lambda logits, index: logits.sum() * math.nan,
            blobs(),
            TrainingConfig(batch_size=60),
            log_every=1,
        )


def test_a_loss_that_is_not_finite_is_never_kept(tmp_path):
    def objective(progress):
        return MutualInformation() if progress < 0.5 else lambda logits, index: logits.sum() * math.nan

    config = TrainingConfig(epochs=2, batch_size=60)
    with pytest.raises(FloatingPointError, match="the loss is nan at step 6"):
        train(mlp(), Scheduled(objective), blobs(), config, folder=tmp_path, checkpoint_every=2, log_every=50)
    kept = load_checkpoint(tmp_path)
    assert kept.step == 4
    assert all(value.isfinite().all() for value in kept.tensors.values())


@pytest.mark.parametrize("n_views", [1, 2])
def test_the_history_of_a_model_with_heads_is_of_its_first(n_views):
    """A second head without a live cluster would be warned of; with one view, samples might pass for views."""
    x = blobs(60)
    model = MultiHead(torch.nn.Identity(), 2, 3, n_heads=2, generator=torch.Generator().manual_seed(1)).double()
    with torch.no_grad():
        model.bias[1, 0] = 50.0
    logits = model(x)[:, 0].detach()
    assert signs(logits)["clusters_used"] == 3
    config = TrainingConfig(batch_size=60, learning_rate=1e-9)
    found = train(model, EachHead(MutualInformation()), Views(x, [None] * n_views), config)
    assert {name: found.history[0][name] for name in signs(logits)} == pytest.approx(signs(logits))


def test_an_objective_without_predictions_is_not_watched():
    autoencoder = ConvAutoencoder(4, image_size=16, generator=torch.Generator().manual_seed(0))
    config = TrainingConfig(epochs=2, batch_size=48)
    found = train(CodeAndError(autoencoder), Reconstruction(), pictures(), config, log_every=2)
    assert [record.keys() for record in found.history] == [{"step", "loss", "learning_rate"}] * 2


def test_outputs_that_are_no_logits_are_not_watched_either():
    class Two(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = mlp()

        def forward(self, x):
            return self.inner(x), x

    found = train(Two(), lambda outputs, index: outputs[0].square().mean(), blobs(), TrainingConfig(batch_size=60))
    assert found.history[0].keys() == {"step", "loss", "learning_rate"}


def test_the_progress_bar_shows_the_last_record_and_only_if_asked(capsys):
    config = TrainingConfig(batch_size=60)
    found = train(mlp(), MutualInformation(), blobs(), config, log_every=2, progress=True)
    drawn = capsys.readouterr().err
    assert "4/4" in drawn
    for record in found.history:
        assert f"loss={record['loss']:.3g}" in drawn
    train(mlp(), MutualInformation(), blobs(), config)
    assert capsys.readouterr().err == ""


def test_a_batch_larger_than_the_data_is_refused():
    with pytest.raises(ValueError, match="there are 10 samples; batch_size=256"):
        train(mlp(), MutualInformation(), blobs()[:10])


def test_float16_on_a_cpu_is_refused():
    with pytest.raises(ValueError, match="use 'bfloat16' on a CPU"):
        train(mlp(), MutualInformation(), blobs(), TrainingConfig(batch_size=60, precision="float16"))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"epochs": 0}, "epochs must be a finite number > 0"),
        ({"batch_size": 0}, "batch_size must be"),
        ({"optimizer": "lion"}, "optimizer must be one of 'adam', 'adamw', 'sgd', got 'lion'"),
        ({"precision": "int8"}, "precision must be one of 'float32', 'bfloat16', 'float16', got 'int8'"),
        ({"schedule": "step"}, "schedule must be one of 'one_cycle', 'cosine', 'constant', got 'step'"),
        ({"micro_batch": 0}, "micro_batch must be"),
        ({"seed": -1}, "seed must be"),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        TrainingConfig(**settings)


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"x": torch.zeros(3, 2, dtype=torch.int64)}, TypeError, "floating point or uint8, got torch.int64"),
        ({"x": torch.zeros(0, 2)}, ValueError, r"\[n >= 1, ...\], got \[0, 2\]"),
        ({"x": torch.zeros(3, 2), "augmentations": ()}, ValueError, "one for each view"),
        ({"x": torch.zeros(3, 2), "neighbors": torch.zeros(2, 4, dtype=torch.int64)}, ValueError, r"int64 \[3, m\]"),
    ],
)
def test_views_that_make_no_sense_are_refused(given, error, message):
    with pytest.raises(error, match=message):
        Views(**given)


def test_a_view_of_a_neighbour_shows_a_neighbour():
    from paperlib.data.augmentations import Draws

    x = torch.arange(10.0).view(10, 1)
    neighbors = torch.stack([(torch.arange(10) + 1) % 10, (torch.arange(10) + 2) % 10], 1)
    index = torch.tensor([3, 9, 0, 7])
    seen = set()
    for seed in range(20):
        own, other = Views(x, (None, None), neighbors).draw(index, Draws(4, torch.Generator().manual_seed(seed)))
        assert torch.equal(own, x[index])
        step = (other - own).flatten() % 10
        seen |= set(step.tolist())
    assert seen == {1.0, 2.0}


def test_tensorboard_is_asked_for_by_its_extra(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(ImportError, match=r"pip install 'paperlib\[tensorboard\]'"):
        train(mlp(), MutualInformation(), blobs(), TrainingConfig(batch_size=60), tensorboard=tmp_path)


def test_tensorboard_gets_every_record(monkeypatch, tmp_path):
    written = []

    class SummaryWriter:
        def __init__(self, folder, purge_step):
            written.append((folder, purge_step))

        def add_scalar(self, name, value, step):
            written.append((name, value, step))

        def close(self):
            written.append("closed")

    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", SimpleNamespace(SummaryWriter=SummaryWriter))
    found = train(mlp(), MutualInformation(), blobs(), TrainingConfig(batch_size=60), tensorboard=tmp_path, log_every=2)
    expected = [(name, value, r["step"]) for r in found.history for name, value in r.items() if name != "step"]
    assert written == [(str(tmp_path), None), *expected, "closed"]


def test_weights_that_are_not_finite_are_never_kept(tmp_path):
    def objective(logits, index):
        return (logits - logits.detach()).abs().sqrt().sum()  # zero, with a slope that is none

    with pytest.raises(FloatingPointError, match="is not finite after step 1"):
        train(mlp(), objective, blobs(), TrainingConfig(batch_size=60), folder=tmp_path, checkpoint_every=1)
    assert not list(tmp_path.iterdir())
