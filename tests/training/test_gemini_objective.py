"""The GEMINI objectives with their geometry bound: whatever a batch is, it gets its own rows."""

from functools import partial

import pytest
import torch

from paperlib.kernels import GramOperator, Kernel, distances
from paperlib.losses import gemini, virtual_adversarial_loss
from paperlib.models import MLP
from paperlib.training import Gemini, VirtualAdversarial, minimize_mini_batch

pytest.importorskip("ot")


def problem(n=20, k=3, d=2):
    generator = torch.Generator().manual_seed(0)
    return tuple(torch.randn(n, m, generator=generator, dtype=torch.float64) for m in (k, d))


def cases():
    _, x = problem()
    kernel = Kernel("rbf", gamma=0.5)
    squares = partial(distances, metric="sqeuclidean")
    return [
        ("tv_ovo", {}, lambda rows: {}),
        ("mmd_ova", {"features": x}, lambda rows: {"features": x[rows]}),
        ("mmd_ovo", {"affinity": kernel(x, x)}, lambda rows: {"affinity": kernel(x[rows], x[rows])}),
        ("mmd_ovo", {"affinity": GramOperator(x, kernel)}, lambda rows: {"affinity": kernel(x[rows], x[rows])}),
        ("wasserstein_ova", {"features": x}, lambda rows: {"features": x[rows]}),
        (
            "wasserstein_ovo",
            {"features": x, "distance": squares},
            lambda rows: {"affinity": distances(x[rows], "sqeuclidean")},
        ),
    ]


@pytest.mark.parametrize("case", range(6))
def test_a_batch_gets_its_own_rows_and_no_index_means_all(case):
    objective, bound, expected = cases()[case]
    logits, _ = problem()
    everything, batch = torch.arange(20), torch.tensor([7, 3, 11, 0, 19, 4])
    torch.testing.assert_close(Gemini(objective, **bound)(logits), -gemini(logits, objective, **expected(everything)))
    torch.testing.assert_close(
        Gemini(objective, **bound)(logits[batch], batch), -gemini(logits[batch], objective, **expected(batch))
    )


def test_features_follow_the_dtype_of_the_logits():
    logits, x = problem()
    assert Gemini("mmd_ova", features=x)(logits.float()).dtype == torch.float32


def test_virtual_adversarial_training_adds_the_smoothness_of_the_batch():
    _, x = problem()
    model = MLP(2, 3, hidden=(5,), generator=torch.Generator().manual_seed(1)).double()
    batch = torch.tensor([2, 9, 5])
    plain = Gemini("kl_ova")
    both = VirtualAdversarial(plain, model, x, 2.5, 0.3, torch.Generator().manual_seed(4))
    smoothness = virtual_adversarial_loss(model, x[batch], radius=0.3, generator=torch.Generator().manual_seed(4))
    torch.testing.assert_close(both(model(x[batch]), batch), plain(model(x[batch])) + 2.5 * smoothness)


def test_training_on_batches_sees_the_geometry_of_the_batch():
    """A feature that tells the two halves apart and is hidden from the model's loss leads the model."""
    x = torch.linspace(-1, 1, 200, dtype=torch.float64)[:, None]
    model = MLP(1, 2, hidden=(8,), generator=torch.Generator().manual_seed(0)).double()
    halves = torch.sign(x - 0.5)
    minimize_mini_batch(
        model,
        Gemini("mmd_ova", features=halves),
        x,
        batch_size=50,
        max_iter=150,
        learning_rate=0.02,
        generator=torch.Generator().manual_seed(0),
    )
    labels = model(x).argmax(1)
    agreement = (labels == (halves[:, 0] > 0)).double().mean()
    assert max(agreement, 1 - agreement) > 0.98
