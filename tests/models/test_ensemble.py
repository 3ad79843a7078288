"""The ensemble: each member is the network of its seed, and stays alone."""

from itertools import pairwise

import pytest
import torch
from torch import nn

from paperlib.losses import mutual_information_loss
from paperlib.models import TanhEnsemble

SEEDS = (3, 0, 11)


def alone(seed, *, hidden=(20, 20), d=2, k=4):
    """One member, from torch's own layers after torch.manual_seed."""
    widths = (d, *hidden, k)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        layers = [nn.Linear(n_in, n_out) for n_in, n_out in pairwise(widths)]
    return nn.Sequential(layers[0], nn.Tanh(), *layers[1:])


def samples(n=30, members=3, d=2):
    return torch.randn(n, members, d, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("hidden", [(20, 20), (10,)])
def test_each_member_is_the_network_that_torch_makes_from_its_seed(hidden):
    model, x = TanhEnsemble(2, 4, seeds=SEEDS, hidden=hidden), samples()
    logits = model(x)
    assert logits.shape == (3, 30, 4)
    for member, seed in enumerate(SEEDS):
        network = alone(seed, hidden=hidden)
        parameters = [p for pair in zip(model.weights, model.biases, strict=True) for p in pair]
        assert all(torch.equal(p[member], q) for p, q in zip(parameters, network.parameters(), strict=True))
        torch.testing.assert_close(logits[member], network(x[:, member]))


def test_a_member_among_others_is_the_member_made_alone():
    together, single = TanhEnsemble(2, 4, seeds=SEEDS), TanhEnsemble(2, 4, seeds=[SEEDS[1]])
    assert all(torch.equal(p[1], q[0]) for p, q in zip(together.parameters(), single.parameters(), strict=True))


def test_members_trained_as_one_batch_end_where_they_end_alone():
    model, x = TanhEnsemble(2, 4, seeds=SEEDS).double(), samples().double()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(20):
        optimizer.zero_grad()
        sum(mutual_information_loss(logits) for logits in model(x)).backward()
        optimizer.step()
    for member, seed in enumerate(SEEDS):
        network = alone(seed).double()
        optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
        for _ in range(20):
            optimizer.zero_grad()
            mutual_information_loss(network(x[:, member])).backward()
            optimizer.step()
        torch.testing.assert_close(model(x)[member], network(x[:, member]))


def test_one_set_of_samples_goes_to_all_members():
    model, x = TanhEnsemble(2, 4, seeds=SEEDS), samples(members=1)
    torch.testing.assert_close(model(x), model(x.expand(-1, 3, -1)))


def test_the_loss_of_one_member_moves_no_other():
    model = TanhEnsemble(2, 4, seeds=SEEDS)
    mutual_information_loss(model(samples())[1]).backward()
    for parameter in model.parameters():
        assert parameter.grad[[0, 2]].abs().max() == 0
        assert parameter.grad[1].abs().max() > 0


def test_the_global_generator_is_left_alone():
    before = torch.random.get_rng_state()
    TanhEnsemble(2, 4, seeds=SEEDS)
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: TanhEnsemble(2, 4, seeds=[]), r"seeds and hidden must not be empty, got \[\] and \[20, 20\]"),
        (lambda: TanhEnsemble(2, 4, seeds=[0], hidden=()), r"must not be empty, got \[0\] and \[\]"),
        (lambda: TanhEnsemble(2, 4, seeds=[-1]), "a seed must be a whole number of at least 0, got -1"),
        (lambda: TanhEnsemble(0, 4, seeds=[0]), "n_features must be a whole number of at least 1, got 0"),
        (lambda: TanhEnsemble(2, 0, seeds=[0]), "n_clusters must be a whole number of at least 1, got 0"),
        (lambda: TanhEnsemble(2, 4, seeds=[0], hidden=(0,)), "a width in hidden must be a whole number"),
        (
            lambda: TanhEnsemble(2, 4, seeds=SEEDS)(samples(members=2)),
            r"x has shape \[30, 2, 2\]; \[n, 3, 2\], or 1 in",
        ),
        (lambda: TanhEnsemble(2, 4, seeds=SEEDS)(samples(d=3)), r"x has shape \[30, 3, 3\]"),
        (lambda: TanhEnsemble(2, 4, seeds=SEEDS)(torch.zeros(5, 2)), r"x has shape \[5, 2\]"),
    ],
)
def test_what_does_not_fit_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
