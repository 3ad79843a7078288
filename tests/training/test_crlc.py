"""The objective of contrastive clustering is the sum of its parts, head by head, and trains, resumes and chooses."""

import dataclasses
import math

import pytest
import torch
from training_runs import pictures, views

from paperlib.information import entropy
from paperlib.losses import feature_contrastive_loss, logit_bound_loss, probability_contrastive_loss
from paperlib.losses.contrastive import CRITICS
from paperlib.models import ContrastiveNetwork, ConvNet, MultiHead
from paperlib.training import (
    Crlc,
    EachHead,
    RunningPrior,
    Scan,
    Temi,
    TrainingConfig,
    Views,
    VirtualAdversarial,
    best_head,
    head_losses,
    mean_prediction,
    predict,
    train,
)


def outputs(n_heads=3, n=8, k=4):
    generator = torch.Generator().manual_seed(0)
    logits = 12 * torch.randn(2, n, n_heads, k, generator=generator, dtype=torch.float64)
    return logits, torch.randn(2, n, 5, generator=generator, dtype=torch.float64)


def network(n_heads=3):
    generator = torch.Generator().manual_seed(0)
    trunk = ConvNet(4, image_size=16, widths=(4, 8), generator=generator)
    return ContrastiveNetwork(
        trunk.features, trunk.n_features, 4, n_heads=n_heads, n_hidden=8, n_embedding=4, generator=generator
    )


@pytest.mark.parametrize("entropy_of", ["batch", "samples"])
@pytest.mark.parametrize("critic", CRITICS)
def test_the_loss_is_the_weighted_sum_of_its_parts(critic, entropy_of):
    logits, embeddings = outputs()
    heads = []
    for head in logits.unbind(2):
        probs = head.softmax(-1)
        spread = (entropy(probs.mean(1)) if entropy_of == "batch" else entropy(probs)).mean()
        contrast = probability_contrastive_loss(*head, critic=critic, smoothing=0.02)
        bound = (logit_bound_loss(head[0], bound=20.0) + logit_bound_loss(head[1], bound=20.0)) / 2
        heads.append(contrast - 1.5 * spread + 0.1 * bound)
    settings = {"smoothing": 0.02, "bound": 20.0, "bound_weight": 0.1, "entropy_weight": 1.5, "temperature": 0.5}
    objective = Crlc(critic, feature_weight=3.0, entropy_of=entropy_of, **settings)
    expected = torch.stack(heads).mean() + 3 * feature_contrastive_loss(*embeddings, temperature=0.5)
    torch.testing.assert_close(objective((logits, embeddings)), expected)
    torch.testing.assert_close(objective.per_head((logits, embeddings)), torch.stack(heads))


def test_per_sample_entropy_rewards_predictions_that_say_nothing():
    nothing = torch.zeros(2, 8, 4)
    sure = 20 * torch.eye(4)[torch.arange(8) % 4].expand(2, 8, 4)
    right, mistaken = (Crlc(feature_weight=0, entropy_of=which) for which in ("batch", "samples"))
    assert right(sure) < right(nothing) - 1
    assert mistaken(sure) - mistaken(nothing) > right(sure) - right(nothing) + 1


def test_one_head_needs_no_axis_of_heads_and_no_embedding_where_features_weigh_nothing():
    logits, embeddings = outputs(n_heads=1)
    objective = Crlc(feature_weight=0.0)
    assert torch.equal(objective(logits[:, :, 0]), objective((logits, embeddings)))


def test_the_prior_is_a_running_mean_of_each_heads_predictions():
    objective = Crlc("log_dot_prior", feature_weight=0, smoothing=0.0)
    first, second = outputs()[0], outputs()[0].flip(1) / 3
    objective(first)
    means = [logits.softmax(-1).mean((0, 1)) for logits in (first, second)]
    torch.testing.assert_close(objective.prior.value, means[0])
    before = objective.per_head(second)
    torch.testing.assert_close(objective.prior.value, means[0])  # judging heads does not move it
    objective(second)
    torch.testing.assert_close(objective.prior.value, 0.9 * means[0] + 0.1 * means[1])
    assert not torch.allclose(objective.per_head(second), before)


def test_another_critic_keeps_no_prior():
    objective = Crlc("log_dot", feature_weight=0)
    objective(outputs()[0])
    assert objective.state_dict() == {}


@pytest.mark.parametrize("critic", ["log_dot", "log_dot_prior"])
def test_a_run_that_stops_goes_on_to_the_same_weights_and_prior(tmp_path, critic):
    def run():
        model, objective = network(), Crlc(critic)
        config = TrainingConfig(epochs=2, batch_size=16, learning_rate=3e-3)
        train(model, objective, views(), config, folder=tmp_path, checkpoint_every=5)
        return model.state_dict(), objective.state_dict()

    whole = run()
    for file in (max(tmp_path.glob(f"*.{kind}")) for kind in ("json", "safetensors")):
        file.unlink()  # as if the run had been stopped after the checkpoint before
    resumed = run()
    for found, expected in zip(resumed, whole, strict=True):
        assert found.keys() == expected.keys()
        for name in found:
            assert torch.equal(found[name], expected[name]), name
    assert bool(whole[1]) == (critic == "log_dot_prior")


def test_training_separates_bars_that_lie_from_bars_that_stand_and_the_choice_of_a_head_sees_no_label():
    model, objective = network(), Crlc(feature_weight=1.0)
    config = TrainingConfig(epochs=15, batch_size=32, learning_rate=1e-2)
    run = train(model, objective, views(), config, log_every=10)
    assert run.history[-1]["clusters_used"] >= 2
    losses = head_losses(model, objective, views(), batch_size=32)
    assert losses.shape == (3,)
    chosen = predict(model, pictures())[:, int(losses.argmin())].argmax(1)
    lying, standing = set(chosen[:48].tolist()), set(chosen[48:].tolist())
    assert not lying & standing


def test_the_loss_of_each_head_is_its_mean_over_full_batches_in_evaluation_mode():
    model, objective = network().train(), Crlc()
    data = Views(pictures(), (None, None))
    logits = predict(model, pictures())
    whole = objective.per_head(torch.stack([logits, logits]))
    torch.testing.assert_close(head_losses(model, objective, data, batch_size=500), whole)
    assert model.training


def test_the_loss_of_each_head_may_be_that_of_any_objective_and_one_view():
    heads = MultiHead(torch.nn.Flatten(), 256, 4, n_heads=3, generator=torch.Generator().manual_seed(0))
    seen = []

    def loss(logits, index):
        seen.append(index)
        return logits.softmax(-1)[:, 0].mean()

    losses = head_losses(heads, EachHead(loss), pictures(), batch_size=40)
    assert [len(index) for index in seen] == [40] * 6  # two batches of three heads; sixteen samples are left
    batches = torch.cat([seen[0], seen[3]])
    assert len(batches.unique()) == 80
    torch.testing.assert_close(losses, predict(heads, pictures())[batches].softmax(-1)[:, :, 0].mean(0))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"critic": "cosine"}, "critic must be one of log_dot"),
        ({"entropy_of": "rows"}, "entropy_of must be one of batch, samples"),
        ({"feature_weight": -1.0}, "feature_weight must be a finite number >= 0"),
        ({"smoothing": 1.0}, "smoothing must be a number with 0 <= smoothing < 1"),
        ({"smoothing": None}, "smoothing must be a number with 0 <= smoothing < 1"),
        ({"temperature": 0.0}, "temperature must be a finite number > 0"),
        ({"bound": -1.0}, "bound must be a finite number > 0"),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        Crlc(**settings)


def test_outputs_that_do_not_fit_are_refused():
    logits, embeddings = outputs()
    with pytest.raises(ValueError, match="give Views two augmentations"):
        Crlc()((logits[:1], embeddings[:1]))
    with pytest.raises(ValueError, match="the model gives no embeddings; use ContrastiveNetwork"):
        Crlc()(logits)
    with pytest.raises(ValueError, match=r"embeddings must have shape \[2, b, e\], of the samples of the logits"):
        Crlc()((logits, embeddings[:, 1:]))
    with pytest.raises(ValueError, match="with b >= 2 is needed"):
        Crlc(feature_weight=0)(logits[:, :1])
    with pytest.raises(TypeError, match="prior must be a RunningPrior, got float"):
        Crlc(prior=0.9)


def test_what_the_prior_holds_is_no_setting_of_the_run_but_its_momentum_is(tmp_path):
    moved = Crlc("log_dot_prior", feature_weight=0)
    moved(outputs()[0])
    assert moved == dataclasses.replace(moved, prior=RunningPrior())
    config = TrainingConfig(batch_size=16)
    train(network(), Crlc("log_dot_prior"), views(), config, folder=tmp_path)
    with pytest.raises(ValueError, match="momentum"):
        train(network(), Crlc("log_dot_prior", prior=RunningPrior(0.5)), views(), config, folder=tmp_path)


@pytest.mark.parametrize("make", [Temi, lambda: Crlc("log_dot_prior", feature_weight=0)])
def test_an_objective_with_a_prior_for_each_head_is_not_given_one_head_at_a_time(make):
    for wrapper in (EachHead, lambda one: VirtualAdversarial(one, network(), pictures().float())):
        with pytest.raises(TypeError, match="which keeps something from batch to batch"):
            wrapper(make())


def test_embeddings_weigh_nothing_but_take_part_so_that_processes_can_share_a_batch():
    model = network()
    x = torch.rand(16, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    logits, embeddings = (one.unflatten(0, (2, -1)) for one in model(x))
    Crlc(feature_weight=0)((logits, embeddings)).backward()
    for parameter in model.embedding.parameters():
        assert parameter.grad is not None
        assert not parameter.grad.any()


def test_the_history_follows_the_first_head():
    logits, _ = outputs()
    torch.testing.assert_close(Crlc().predictions(logits), mean_prediction(logits[:, :, 0]))


def test_heads_are_judged_on_random_batches_in_the_precision_that_is_asked_for():
    model, data, drawn = network(), Views(pictures(), (None, None)), []

    class Watch:
        def per_head(self, given, index):
            drawn.append((index.tolist(), given[0]))
            return given[0].mean((0, 1, 3))

    for precision in ("float32", "bfloat16"):
        head_losses(model, Watch(), data, batch_size=32, precision=precision)
    (first, exact), (again, rounded) = drawn[0], drawn[3]
    assert first == again != list(range(32))
    assert exact.dtype == rounded.dtype == torch.float32
    assert not torch.equal(exact, rounded)


def test_the_best_head_is_the_lowest_that_is_a_number():
    assert best_head(torch.tensor([2.0, math.nan, 1.0, math.inf])) == 2
    with pytest.raises(ValueError, match="no head has a finite loss"):
        best_head(torch.tensor([math.nan, math.inf]))


def test_an_objective_without_a_loss_of_each_head_is_refused():
    with pytest.raises(TypeError, match="Scan has no loss of each head; wrap it in EachHead"):
        head_losses(network(), Scan(), views())
    with pytest.raises(ValueError, match="precision must be one of float32"):
        head_losses(network(), Crlc(), views(), precision="half")
