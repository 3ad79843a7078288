"""Features given up one by one: the regularisation path of Sparse GEMINI, for any objective."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor, nn

from paperlib._checks import check_positive, check_whole
from paperlib.training.batches import random_batches
from paperlib.training.objectives import Objective

_MOMENTUM = 0.9
_LEAST_GAIN = 0.01  # of the penalised score, in a fraction; less does not count as progress
_FIRST_SHARE = 0.01  # of the full model's score, that the first penalty may take


class SparseModel(Protocol):
    """A module whose features can be switched off: `paperlib.models.SparseLinear`, `paperlib.models.LassoNet`."""

    def __call__(self, x: Tensor) -> Tensor:
        """Logits ``[n, k]`` of ``x`` ``[n, d]``."""
        ...

    def parameters(self) -> Iterator[nn.Parameter]:
        """All that is trained."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """As in torch."""
        ...

    def prox_(self, threshold: float) -> None:
        """Apply the proximal operator of ``threshold * norms().sum()``, in place."""
        ...

    def norms(self) -> Tensor:
        """The norms that are penalised."""
        ...

    def selected(self) -> Tensor:
        """Which features are on, shape ``[d]``, bool."""
        ...


class SparseStep(NamedTuple):
    """A model of the path.

    Attributes:
        alpha: weight of the penalty; zero for the full model, the first step.
        score: minus the objective, without the penalty; higher is better.
        selected: which features are on, shape ``[d]``, bool.
        state: the model's state dict, copied.
    """

    alpha: float
    score: float
    selected: Tensor
    state: dict[str, Tensor]

    @property
    def n_features(self) -> int:
        """The number of features that are on."""
        return int(self.selected.sum())


def sparse_path(
    model: SparseModel,
    objective: Objective,
    x: Tensor,
    *,
    min_features: int = 2,
    alpha: float | None = None,
    factor: float = 1.05,
    batch_size: int | None = None,
    learning_rate: float = 0.01,
    max_iter: int = 100,
    patience: int = 10,
    on_selection: Callable[[Tensor], Objective] | None = None,
    generator: torch.Generator | None = None,
) -> list[SparseStep]:
    r"""Minimise :math:`L(\theta) + \alpha \sum_g \|W_g\|_2` for growing :math:`\alpha`, each time from the last model.

    The model comes fitted, without penalty; it is changed in place and ends as the last of the path. For each
    :math:`\alpha`, proximal gradient steps with Nesterov momentum, started at rest:

    .. math::
        \tilde\theta = \theta_t + 0.9\, (\theta_t - \theta_{t-1}), \qquad
        \theta_{t+1} = \operatorname{prox}_{\eta \alpha} \bigl( \tilde\theta - \eta \nabla L(\tilde\theta) \bigr).

    At a fixed point of the linear model :math:`\nabla_{W_g} L = -\alpha W_g / \|W_g\|` where a group is on. (Momentum
    on gradients, with the proximal operator after it, would solve for a tenth of :math:`\alpha`.) A local method:
    :math:`L` is not convex in general, and a feature that is off can come back.

    Source: Ohl et al., Sparse GEMINI, arXiv 2302.03391, with momentum, factor, patience and the rule of
    :func:`sparsest_step` as in the authors' code; the first :math:`\alpha` and the form of the momentum are ours.
    Cost: for each step at most ``max_iter`` epochs, most often little more than ``patience``, and a copy of the model.

    Args:
        model: on the device of ``x`` unless there are batches, which are moved to it.
        objective: maps logits ``[b, k]`` and the positions ``[b]`` of their samples in ``x`` to a scalar to minimise;
            None stands for all samples in order.
        x: inputs, shape ``[n, d]``.
        min_features: stop when no more than these are on.
        alpha: the first weight. When None, 1 % of the full model's score over its sum of norms: then the first
            penalised optimum keeps at least 99 % of the score.
        factor: from one weight to the next, above one.
        batch_size: samples in a batch, cut to ``n``; a last batch that is not full is dropped. When None, all samples.
        learning_rate: step size :math:`\eta`.
        max_iter: limit on the epochs a step.
        patience: a step ends after as many epochs without a gain of 1 % in the penalised score, a mean over the epoch.
        on_selection: called with the features ``[d]`` that are on when they have changed, for the objective to train
            with from there on, such as one whose distances are of these features alone. Scores stay those of
            ``objective``, so that they can be compared.
        generator: CPU generator that orders the samples; not used without batches.

    Returns:
        The full model, then a step for each weight. With batches a score is the mean over the same random batches.

    Raises:
        ValueError: if an argument is out of range, or ``alpha`` is None and the full model's score is not positive.
        FloatingPointError: if the objective is not finite.
    """
    check_whole(min_features, "min_features", 0), check_whole(max_iter, "max_iter"), check_whole(patience, "patience")
    check_positive(learning_rate, "learning_rate")
    if not check_positive(factor, "factor") > 1:
        raise ValueError(f"factor={factor!r} must be above 1, or the penalty would not grow")
    if batch_size is not None:
        batch_size = min(check_whole(batch_size, "batch_size"), len(x))
    scored = random_batches(len(x), batch_size, generator)
    full = _record(model, objective, x, scored, 0.0)
    weight = _first_alpha(full.score, model) if alpha is None else check_positive(alpha, "alpha")
    path, trained = [full], objective
    while path[-1].n_features > min_features:
        if on_selection and len(path) > 1 and not torch.equal(path[-1].selected, path[-2].selected):
            trained = on_selection(path[-1].selected)
        goal, waited = -math.inf, 0
        before = [parameter.detach().clone() for parameter in model.parameters()]
        for _ in range(max_iter):
            batches = random_batches(len(x), batch_size, generator)
            losses = [_step(model, trained, x, index, weight, learning_rate, before) for index in batches]
            score = -_finite_mean(losses, weight)
            waited += 1
            if score > goal:
                goal, waited = score + _LEAST_GAIN * abs(score), 0
            if waited == patience:
                break
        path.append(_record(model, objective, x, scored, weight))
        weight *= factor
    return path


def sparsest_step(path: Sequence[SparseStep], *, share: float = 0.9) -> SparseStep:
    """The step with the fewest features among those that keep ``share`` of the full model's score.

    Of steps with as many features, the one of the highest score. Load its ``state`` into the model.

    Args:
        path: from :func:`sparse_path`; the first step is the full model.
        share: between zero and one.

    Raises:
        ValueError: if ``share`` is out of range, or the full model's score is not positive: a share of it says nothing
            then; add a constant to the objective, such as ``log k`` for the mutual information loss.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"share must be between 0 and 1, got {share!r}")
    full = path[0].score
    if not full > 0:
        raise ValueError(
            f"the full model has a score of {full:.6g}; a share of it says something only if it is positive: subtract "
            "from the objective its value for equal logits"
        )
    return min((step for step in path if step.score >= share * full), key=lambda step: (step.n_features, -step.score))


def _loss(model: SparseModel, objective: Objective, x: Tensor, index: Tensor | None) -> Tensor:
    if index is None:
        return objective(model(x), None)
    return objective(model(x[index].to(next(model.parameters()).device, non_blocking=True)), index)


@torch.no_grad()
def _record(
    model: SparseModel, objective: Objective, x: Tensor, batches: Sequence[Tensor | None], alpha: float
) -> SparseStep:
    score = -_finite_mean([_loss(model, objective, x, index) for index in batches], alpha)
    state = {name: value.detach().clone() for name, value in model.state_dict().items()}
    return SparseStep(alpha, score, model.selected(), state)


def _first_alpha(score: float, model: SparseModel) -> float:
    norms = float(model.norms().sum())
    if not (score > 0 and norms > 0):
        raise ValueError(
            f"the full model has a score of {score:.6g} and a sum of norms of {norms:.6g}; where they are not both "
            "positive, give alpha"
        )
    return _FIRST_SHARE * score / norms


def _step(
    model: SparseModel,
    objective: Objective,
    x: Tensor,
    index: Tensor | None,
    alpha: float,
    learning_rate: float,
    before: Sequence[Tensor],
) -> Tensor:
    """One step, in place; ``before`` holds the last parameters and takes the present. Returns the penalised loss."""
    parameters = list(model.parameters())
    with torch.no_grad():
        for parameter, last in zip(parameters, before, strict=True):
            ahead = parameter + _MOMENTUM * (parameter - last)
            last.copy_(parameter)
            parameter.copy_(ahead)
    loss = _loss(model, objective, x, index)
    penalised = loss.detach() + alpha * model.norms().sum()
    gradients = torch.autograd.grad(loss, parameters, materialize_grads=True)
    with torch.no_grad():
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.sub_(gradient, alpha=learning_rate)
    model.prox_(learning_rate * alpha)
    return penalised


def _finite_mean(losses: Sequence[Tensor], alpha: float) -> float:
    mean = float(torch.stack(list(losses)).mean())
    if not math.isfinite(mean):
        raise FloatingPointError(f"the objective is {mean} at alpha={alpha:.6g}; lower learning_rate, or look at x")
    return mean
