r"""Linear self-labelling of features that stay on the disk: value and gradient in passes over the file.

What is minimised is the loss of `paperlib.training.SelfLabeling` for a linear softmax, plus the penalty:

.. math::
    \min_y \; \frac1n \sum_i D(\sigma_i, y_i) + \lambda F(\bar y) + \gamma \sum_c \|v_c\|^2,
    \qquad \sigma_i = \operatorname{softmax}(V x_i + b),

with reverse cross-entropy as :math:`D` and :math:`F = KL(u \| \bar y)` in Zhang and Boykov (arXiv 2301.11405), or the
other couplings that `paperlib.pseudo_labels.ExpectationMaximization` has. All but the targets is a sum over samples.
"""

from __future__ import annotations

import os
import warnings
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor

from paperlib._checks import check_prior, check_weight, check_whole
from paperlib.losses import fairness_loss, self_labeling_loss
from paperlib.models import LinearSoftmax
from paperlib.pseudo_labels import ExpectationMaximization, PseudoLabels
from paperlib.pseudo_labels._rows import over_ranks, work_type

if TYPE_CHECKING:
    from torch.distributed import ProcessGroup

_CHUNK = 2**20  # entries of x that are worked on at once


class StreamedStep(NamedTuple):
    """Loss, gradient and pseudo-labels at one weight and bias.

    Attributes:
        value: the loss plus the penalty, in nats, over the rows of all ranks.
        weight_gradient: of ``value`` by the weight, ``[k, d]``, in float64 on the weight's device.
        bias_gradient: by the bias, ``[k]``, likewise.
        labels: what the solver returned; its targets are this rank's.
    """

    value: float
    weight_gradient: Tensor
    bias_gradient: Tensor
    labels: PseudoLabels


def open_features(path: str | os.PathLike[str]) -> Tensor:
    """The array of a ``.npy`` file as a tensor, read from the disk where it is used; it must not be written to.

    Cost: none before it is used.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is not a ``.npy`` file, or holds Python objects.
    """
    try:
        array = np.lib.format.open_memmap(path, mode="r")
    except (ValueError, EOFError) as error:
        raise ValueError(f"{path} is no .npy file of numbers: {error}; write one with numpy.save") from error
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The given NumPy array is not writable")
        return torch.from_numpy(array)


def create_rows(path: str | os.PathLike[str], n: int, k: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """A new ``.npy`` file of zeros ``[n, k]`` as a tensor; what is written to the tensor is written to the file.

    Cost: the file may take its space, ``n k`` numbers, only as it is filled: see that the disk has room.

    Raises:
        OSError: if the file cannot be made.
    """
    kind = torch.empty(0, dtype=dtype).numpy().dtype
    return torch.from_numpy(np.lib.format.open_memmap(path, "w+", kind, (n, k)))


@torch.no_grad()
def streamed_step(
    weight: Tensor,
    bias: Tensor,
    x: Tensor,
    solver: ExpectationMaximization,
    *,
    gamma: float = 0.0,
    prior: Tensor | None = None,
    probs: Tensor | None = None,
    targets: Tensor | None = None,
    warm_start: bool = False,
    chunk_rows: int | None = None,
    group: ProcessGroup | None = None,
) -> StreamedStep:
    r"""Predict all rows, solve for their pseudo-labels, and take the value and its gradient, chunk by chunk.

    With the targets held fixed (envelope theorem) and :math:`G_{ic} = \partial D(\sigma_i, y_i) / \partial l_{ic}` by
    the logits, the gradient is :math:`\frac1n G^\top X + 2 \gamma V` by the weight and :math:`\frac1n G^\top 1` by the
    bias. Sums over chunks are kept in float64. The gradient is that of the least value as far as the solver's gap is
    closed.

    Cost: two passes over ``x``, O(n k d) each; between them the solver's passes over ``probs`` and ``targets``. Memory
    beside what is given: one chunk of each array, and a few vectors of ``[n]`` in the solver's checks; on a GPU the
    solver takes all rows at once, some more arrays of ``[n, k]``. Over ranks one
    vector of ``k`` numbers an iteration of the solver, and one of ``k d + 2 k + 2`` in the end.

    Args:
        weight: :math:`V`, shape ``[k, d]``; its device and type are those of the work.
        bias: :math:`b`, shape ``[k]``.
        x: features, shape ``[n, d]``, of any type, wherever they lie: `open_features`, or a tensor in memory.
        solver: which pseudo-labels, with the weight of fairness.
        gamma: multiplies :math:`\sum_c \|v_c\|^2`, as in the estimators; at least zero.
        prior: :math:`u`, shape ``[k]``; uniform when None.
        probs: where the predictions are written, ``[n, k]`` of the weight's type, such as `create_rows`; their device
            is where pseudo-labels are solved for, and must be one that ``group`` can reach (NCCL: the GPU). A new
            tensor beside ``weight`` when None.
        targets: where the targets are written, like ``probs``. A new tensor when None.
        warm_start: start the solver at what ``targets`` holds, the result of a step before.
        chunk_rows: rows of ``x`` at once; None for as many as make about a million entries.
        group: ranks over which the rows are sharded; each calls this with its own rows (it may have none), the same
            weight, bias and settings. All get the same value and gradient.

    Raises:
        TypeError: if ``weight`` is not a floating-point tensor, ``bias`` not one of its type, or ``x`` no tensor.
        ValueError: if a shape, type or number does not fit, ``warm_start`` is set without ``targets``, or predictions
            are not finite.
        RuntimeError: if another rank's predictions are refused. A shape or setting that is wrong on one rank alone
            is an error there, and the others wait.
    """
    _check_shapes(weight, bias, x, probs, targets)
    if warm_start and targets is None:
        raise ValueError("warm_start=True needs targets, those of the step before; give them, or leave it out")
    gamma = check_weight(gamma, "gamma")
    rows = max(1, _CHUNK // weight.shape[1]) if chunk_rows is None else check_whole(chunk_rows, "chunk_rows")
    probs = weight.new_empty(len(x), len(weight)) if probs is None else probs
    predict_into(probs, weight, bias, x, rows)
    start = targets if warm_start else None
    found = solver.solve(probs, prior=prior, start=start, out=targets, group=group, warn=False)
    totals = over_ranks(sums_over_rows(found.targets, weight, bias, x, solver, rows), group)
    totals[:-1] /= totals[-1].clone()
    k, d = weight.shape
    by_weight, by_bias, marginal, coupling, _ = totals.split((k * d, k, k, 1, 1))
    fairness = fairness_loss(marginal, check_prior(prior, marginal), direction=solver.direction)
    weight = weight.to(totals)
    value = coupling + solver.fairness_weight * fairness + gamma * weight.square().sum()
    return StreamedStep(float(value), by_weight.view(k, d) + 2 * gamma * weight, by_bias, found)


def predict_into(probs: Tensor, weight: Tensor, bias: Tensor, x: Tensor, rows: int) -> None:
    """The first pass: write the predictions, ``rows`` at a time. Shapes as in `streamed_step`."""
    for part, into in zip(x.split(rows), probs.split(rows), strict=True):
        into.copy_(_logits(weight, bias, part)[0].softmax(1))


def sums_over_rows(
    targets: Tensor, weight: Tensor, bias: Tensor, x: Tensor, solver: ExpectationMaximization, rows: int
) -> Tensor:
    """The second pass: sums over the rows, in float64, of all that is summed; shapes as in `streamed_step`.

    Returns:
        The gradient of the coupling by the weight, ``k d`` numbers, and by the bias, ``k``; the targets, ``k``; the
        coupling; and the number of rows.
    """
    k, d = weight.shape
    totals = torch.zeros(k * d + 2 * k + 2, dtype=work_type(weight), device=weight.device)
    by_weight, by_bias, marginal, coupling, n = totals.split((k * d, k, k, 1, 1))  # views
    for part, labels in zip(x.split(rows), targets.split(rows), strict=True):
        if not len(part):
            continue  # a rank without rows
        logits, part = _logits(weight, bias, part)
        labels = labels.to(weight, non_blocking=True)
        with torch.enable_grad():
            mean = self_labeling_loss(logits.requires_grad_(), labels, divergence=solver.divergence)
            (by_logits,) = torch.autograd.grad(len(part) * mean, logits)
        by_weight.view(k, d).add_(by_logits.T @ part)
        by_bias += by_logits.sum(0)
        marginal += labels.sum(0)
        coupling += len(part) * mean.detach()
        n += len(part)
    return totals


def minimize_streamed(
    model: LinearSoftmax,
    solver: ExpectationMaximization,
    x: Tensor,
    *,
    gamma: float = 0.0,
    prior: Tensor | None = None,
    probs: Tensor | None = None,
    targets: Tensor | None = None,
    steps: int = 50,
    optimizer: torch.optim.Optimizer | None = None,
    chunk_rows: int | None = None,
    group: ProcessGroup | None = None,
) -> StreamedStep:
    """Minimise the loss over a linear model's parameters, in place, by steps over all rows.

    A local method, so the start decides: fit a sample of the rows that fits into memory with
    `paperlib.estimators.EntropyClustering`, and start here from its rows and biases.

    Cost: `streamed_step` an evaluation, and one more at the end; L-BFGS may take 1.25 evaluations a step. Pseudo-
    labels are solved for from those of the evaluation before.

    Args:
        model: the start; ranks must have the same.
        solver: its gap is the noise of the values, so with L-BFGS let its ``tolerance`` be small.
        x: features, shape ``[n, d]``.
        gamma: weight of the penalty.
        prior: proportions ``[k]``.
        probs: as in `streamed_step`.
        targets: likewise; what they hold is not the start.
        steps: of the optimiser; L-BFGS ends sooner where it finds nothing lower.
        optimizer: of the model's parameters; None for `torch.optim.LBFGS` with memory 10 and strong Wolfe conditions.
        chunk_rows: rows at once.
        group: ranks over which the rows are sharded.

    Returns:
        The step at the final parameters, its gradient being that by `LinearSoftmax.coef` and ``intercept``; ``probs``
        and ``targets`` belong to them too.

    Raises:
        TypeError, ValueError, RuntimeError: as `streamed_step` does, and if ``steps`` is no whole number above zero.
    """
    calls = check_whole(steps, "steps")
    if optimizer is None:
        parameters = list(model.parameters())
        optimizer = torch.optim.LBFGS(parameters, max_iter=steps, history_size=10, line_search_fn="strong_wolfe")
        calls = 1
    take = partial(streamed_step, x=x, solver=solver, gamma=gamma, prior=prior, chunk_rows=chunk_rows, group=group)
    probs = model.weight.new_empty(len(x), len(model.weight)) if probs is None else probs
    targets = torch.empty_like(probs) if targets is None else targets
    warm_start = False

    def evaluate() -> StreamedStep:
        where = model.coef.detach(), model.intercept.detach()
        return take(*where, probs=probs, targets=targets, warm_start=warm_start)

    def closure() -> float:
        nonlocal warm_start
        step, coef = evaluate(), model.coef
        warm_start = True
        optimizer.zero_grad(set_to_none=True)
        by = step.weight_gradient.to(coef), step.bias_gradient.to(coef)
        torch.autograd.backward((coef, model.intercept), by)
        return step.value

    for _ in range(calls):
        optimizer.step(closure)
    return evaluate()


def _logits(weight: Tensor, bias: Tensor, part: Tensor) -> tuple[Tensor, Tensor]:
    part = part.to(weight, non_blocking=True)
    return torch.nn.functional.linear(part, weight, bias), part


def _check_shapes(weight: Tensor, bias: Tensor, x: Tensor, probs: Tensor | None, targets: Tensor | None) -> None:
    if not isinstance(weight, Tensor) or not weight.is_floating_point():
        raise TypeError(
            f"weight must be a floating-point tensor, got {getattr(weight, 'dtype', type(weight).__name__)}"
        )
    for name, given in (("bias", bias), ("x", x)):
        if not isinstance(given, Tensor):
            advice = "wrap an array by torch.from_numpy, or open a file by open_features"
            raise TypeError(f"{name} must be a tensor, got {type(given).__name__}; {advice}")
    if bias.dtype != weight.dtype:
        raise TypeError(f"bias must have the weight's type {weight.dtype}, got {bias.dtype}")
    if weight.ndim != 2 or bias.shape != weight.shape[:1] or x.ndim != 2 or x.shape[1] != weight.shape[1]:
        shapes = ", ".join(str(list(array.shape)) for array in (weight, bias, x))
        raise ValueError(f"weight, bias and x must have shapes [k, d], [k] and [n, d], got {shapes}")
    for name, array in (("probs", probs), ("targets", targets)):
        if array is not None and (array.shape != (len(x), len(weight)) or array.dtype != weight.dtype):
            raise ValueError(
                f"{name} must have shape {[len(x), len(weight)]} and the weight's type {weight.dtype}, got "
                f"{list(array.shape)} and {array.dtype}"
            )
