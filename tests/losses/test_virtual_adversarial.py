"""Virtual adversarial training against loops without automatic differentiation, closed forms and finite differences."""

import math

import pytest
import torch
from torch import nn

from paperlib.losses import virtual_adversarial_loss
from paperlib.models import MLP


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def network(**options):
    return MLP(3, 4, hidden=(6,), activation="tanh", generator=seeded(), **options).double()


def samples(n=5, *shape, dtype=torch.float64):
    return 2 * torch.randn(n, *(shape or (3,)), generator=seeded(1), dtype=dtype)


def linear(weight, bias, dtype=torch.float64):
    model = nn.Linear(len(weight[0]), len(weight), dtype=dtype)
    model.load_state_dict({"weight": torch.tensor(weight, dtype=dtype), "bias": torch.tensor(bias, dtype=dtype)})
    return model


class Recorder(nn.Module):
    """Keeps every input that its model sees."""

    def __init__(self, model):
        super().__init__()
        self.model, self.seen = model, []

    def forward(self, x):
        self.seen.append(x.detach())
        return self.model(x)


def divergence(p_logits, q_logits):
    p, q = (torch.softmax(logits, -1).tolist() for logits in (p_logits, q_logits))
    return sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))


@torch.no_grad()
def the_papers_own_loop(model, x, noise, *, radius, xi, n_power_iterations):
    """One sample after the other, its gradient by differences."""
    total, h = 0.0, 1e-5
    for row, direction, epsilon in zip(x, noise, radius, strict=True):

        def smoothness(step, row=row):
            return divergence(model(row[None])[0], model((row + step)[None])[0])

        direction = direction / direction.norm()
        for _ in range(n_power_iterations):
            steps = h * torch.eye(len(row), dtype=row.dtype)
            slope = [smoothness(xi * direction + step) - smoothness(xi * direction - step) for step in steps]
            direction = torch.tensor(slope, dtype=row.dtype) / math.hypot(*slope)
        total += smoothness(epsilon * direction)
    return total / len(x)


@pytest.mark.parametrize("n_power_iterations", [0, 1, 3])
@pytest.mark.parametrize(("radius", "xi"), [(1.0, 10.0), (0.3, 0.5), (torch.tensor([0.1, 0.0, 2.0, 1.0, 0.5]), 1.0)])
def test_loss_equals_the_loop_over_samples(radius, xi, n_power_iterations):
    model, x = network(), samples()
    options = {"xi": xi, "n_power_iterations": n_power_iterations}
    loss = virtual_adversarial_loss(model, x, radius=radius, generator=seeded(2), **options)
    noise = torch.randn(x.shape, generator=seeded(2), dtype=x.dtype)
    radii = radius.tolist() if isinstance(radius, torch.Tensor) else [radius] * len(x)
    assert loss.item() == pytest.approx(the_papers_own_loop(model, x, noise, radius=radii, **options), rel=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_two_linear_classes_are_pushed_along_the_difference_of_their_weights(dtype):
    model, x = Recorder(linear([[1.0, -2.0], [0.5, 1.0]], [0.3, -0.1], dtype)), samples(6, 2, dtype=dtype)
    loss = virtual_adversarial_loss(model, x, model(x), radius=0.7, xi=1.0, generator=seeded())
    random, pushed = model.seen[1] - x, model.seen[2] - x
    difference = torch.tensor([0.5, -3.0], dtype=dtype)
    unit = difference / difference.norm()
    expected = 0.7 * torch.sign(random @ unit)[:, None] * unit  # the random direction says to which side
    torch.testing.assert_close(pushed, expected)

    margin = x @ difference + 0.4
    moved = margin + expected @ difference
    p, log = torch.sigmoid(margin), nn.functional.logsigmoid
    closed = p * (log(margin) - log(moved)) + (1 - p) * (log(-margin) - log(-moved))
    assert loss.dtype == dtype
    torch.testing.assert_close(loss, closed.mean())


def test_many_iterations_with_a_small_step_find_the_top_eigenvector_of_the_curvature():
    model, x, radius = network(), samples(1), 1e-3
    small = {"radius": radius, "xi": 1e-3}
    p = model(x).softmax(1)[0]
    jacobian = torch.autograd.functional.jacobian(lambda row: model(row[None])[0], x[0])
    curvature = jacobian.T @ (torch.diag(p) - torch.outer(p, p)) @ jacobian
    largest = torch.linalg.eigvalsh(curvature)[-1].item()
    best = virtual_adversarial_loss(model, x, n_power_iterations=100, **small, generator=seeded()).item()
    assert best == pytest.approx(radius**2 / 2 * largest, rel=1e-2)
    undirected = [
        virtual_adversarial_loss(model, x, n_power_iterations=0, **small, generator=seeded(s)) for s in range(9)
    ]
    assert max(undirected).item() < best


def test_every_step_has_the_length_of_its_sample_over_all_axes():
    model, x = Recorder(MLP(12, 3, generator=seeded())), samples(4, 3, 2, 2, dtype=torch.float32)
    radius = torch.tensor([0.5, 0.0, 2.0, 1.0])
    virtual_adversarial_loss(model, x, model(x), radius=radius, xi=4.0, generator=seeded())
    first, last = ((seen - x).flatten(1).norm(dim=1) for seen in model.seen[1:])
    torch.testing.assert_close(first, torch.full((4,), 4.0))
    torch.testing.assert_close(last, radius)


def test_a_radius_of_zero_costs_nothing():
    assert virtual_adversarial_loss(network(), samples(), radius=0.0).item() == 0.0
    assert virtual_adversarial_loss(network(), samples(), radius=torch.zeros(5)).item() == 0.0


def test_a_model_that_ignores_its_input_costs_nothing_and_has_a_finite_gradient():
    model = linear([[0.0, 0.0], [0.0, 0.0]], [1.0, -1.0])
    loss = virtual_adversarial_loss(model, samples(4, 2))
    loss.backward()
    assert loss.item() == 0.0
    assert bool(model.weight.grad.isfinite().all())


def test_the_direction_is_found_where_the_squares_of_its_gradient_underflow():
    model, x = Recorder(linear([[0.0, 0.0], [0.6, 0.8]], [0.0, -60.0], torch.float32)), torch.zeros(3, 2)
    virtual_adversarial_loss(model, x, model(x), xi=1.0, generator=seeded())
    pushed = model.seen[-1]
    torch.testing.assert_close(pushed, torch.sign(pushed[:, :1]) * torch.tensor([[0.6, 0.8]]))


def test_the_direction_stays_where_the_gradient_is_zero():
    model, x = nn.Hardtanh(), torch.zeros(3, 2)  # flat as far out as the step of length 10 leads
    random, iterated = (
        virtual_adversarial_loss(model, x, n_power_iterations=number, radius=0.5, generator=seeded()).item()
        for number in (0, 1)
    )
    assert random == iterated > 0


def test_logits_at_hand_change_nothing_and_receive_no_gradient():
    model, x = network(), samples()
    logits = model(x).detach().requires_grad_()
    given, computed = (virtual_adversarial_loss(model, x, at_hand, generator=seeded()) for at_hand in (logits, None))
    assert given.item() == computed.item()
    given.backward()
    assert logits.grad is None


def test_gradient_equals_finite_differences_with_step_and_prediction_held():
    model, x = Recorder(network()), samples()
    clean = model(x).detach()
    parameters = list(model.parameters())
    loss = virtual_adversarial_loss(model, x, clean, generator=seeded())
    gradients = torch.autograd.grad(loss, parameters)
    moved = model.seen[-1]

    @torch.no_grad()
    def held():
        return sum(divergence(p, q) for p, q in zip(clean, model(moved), strict=True)) / len(x)

    assert loss.item() == pytest.approx(held())
    for parameter, gradient in zip(parameters, gradients, strict=True):
        entries = parameter.data.view(-1)  # shares the memory of the parameter
        for index, slope in enumerate(gradient.flatten().tolist()):
            before = entries[index].item()
            values = []
            for h in (1e-5, -1e-5):
                entries[index] = before + h
                values.append(held())
            entries[index] = before
            assert slope == pytest.approx((values[0] - values[1]) / 2e-5, rel=1e-5, abs=1e-8)


def test_no_gradient_is_left_in_the_model():
    model, x = network(), samples()
    loss = virtual_adversarial_loss(model, x)
    assert all(parameter.grad is None for parameter in model.parameters())
    loss.backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_a_model_in_training_keeps_its_running_statistics_and_normalises_by_the_batch():
    model, x = network(batch_norm=True).train(), samples(20)
    logits = model(x)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    loss = virtual_adversarial_loss(model, x, generator=seeded())
    loss.backward()
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert model.training
    assert virtual_adversarial_loss(model, x, logits, radius=0.0).item() == 0.0
    in_evaluation = virtual_adversarial_loss(model.eval(), x, generator=seeded())
    assert loss.item() != pytest.approx(in_evaluation.item(), rel=1e-2)


def test_it_can_be_evaluated_where_nothing_requires_a_gradient():
    model, x = network(), samples()
    trained = virtual_adversarial_loss(model, x, generator=seeded())
    assert trained.requires_grad
    with torch.no_grad():
        evaluated = virtual_adversarial_loss(model, x, generator=seeded())
    frozen = virtual_adversarial_loss(model.requires_grad_(False), x, generator=seeded())
    assert trained.item() == evaluated.item() == frozen.item()
    assert not evaluated.requires_grad
    assert not frozen.requires_grad


def test_a_generator_decides_the_direction_and_leaves_the_global_one_alone():
    before = torch.random.get_rng_state()
    first, again, other = (
        virtual_adversarial_loss(network(), samples(), n_power_iterations=0, generator=seeded(seed)).item()
        for seed in (0, 0, 1)
    )
    assert first == again != other
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"x": [[0.0, 1.0, 2.0]]}, TypeError, "x must be a floating-point tensor, got list"),
        ({"x": torch.zeros(5, 3, dtype=torch.uint8)}, TypeError, "got torch.uint8; use torch.as_tensor"),
        ({"x": torch.zeros(3)}, ValueError, r"x must have shape \[n >= 1, ...\] and hold numbers, got \[3\]"),
        ({"x": torch.zeros(0, 3)}, ValueError, r"got \[0, 3\]"),
        ({"logits": torch.zeros(4, 2)}, ValueError, "one row for each of the 5 samples of x, got 4"),
        ({"logits": torch.zeros(5)}, ValueError, r"logits must have shape \[n >= 1, k >= 1\], got \[5\]"),
        ({"radius": -1.0}, ValueError, "radius must be a finite number >= 0, got -1.0"),
        ({"radius": torch.ones(4)}, ValueError, r"have shape \[5\], one a sample, got \[4\]"),
        ({"radius": torch.tensor([1.0, 1, 1, 1, -2])}, ValueError, "finite numbers >= 0, got numbers from -2 to 1"),
        ({"radius": torch.tensor([1.0, 1, 1, 1, math.nan])}, ValueError, "got numbers from nan"),
        ({"xi": 0.0}, ValueError, "xi must be a finite number > 0, got 0.0"),
        ({"n_power_iterations": -1}, ValueError, "n_power_iterations must be a whole number of at least 0, got -1"),
    ],
)
def test_bad_input_is_refused_with_what_was_given(change, error, message):
    arguments = {"x": samples(), **change}
    with pytest.raises(error, match=message):
        virtual_adversarial_loss(network(), arguments.pop("x"), **arguments)
