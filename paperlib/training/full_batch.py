"""Full-batch minimisation by L-BFGS (SciPy's L-BFGS-B)."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from torch import Tensor, nn
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from paperlib.training.result import TrainingResult


def minimize_full_batch(
    model: nn.Module,
    objective: Callable[[Tensor], Tensor],
    x: Tensor,
    *,
    gamma: float = 0.0,
    max_iter: int = 500,
    tol: float = 1e-7,
) -> TrainingResult:
    """Minimise ``objective(model(x)) + gamma * model.penalty()`` over the model's parameters, in place.

    Limited-memory BFGS (Liu and Nocedal 1989) with memory 10. A local method: the value never rises, but where it ends
    depends on the start.

    Cost: one forward and one backward pass over ``x`` an evaluation, about 1.1 evaluations an iteration. Data and
    model stay where they are, CPU or GPU; the vector of parameters alone visits the CPU, once an evaluation.

    Args:
        model: maps ``x`` to logits ``[n, k]``; has ``penalty()`` where ``gamma`` is not zero.
        objective: maps logits to a scalar, in nats.
        x: inputs, shape ``[n, d]``, on the model's device.
        gamma: weight of the penalty, at least zero.
        max_iter: limit on the iterations; twice as many evaluations are allowed.
        tol: stop when an iteration lowers the value by less than ``tol * max(1, |value|)``.
    """
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    like = parameters[0]

    def evaluate(vector: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        vector_to_parameters(torch.from_numpy(vector).to(like), parameters)
        value = objective(model(x))
        if gamma:
            value = value + gamma * model.penalty()  # type: ignore[operator]
        gradient = parameters_to_vector(torch.autograd.grad(value, parameters, materialize_grads=True))
        number = value.item()
        return (number if math.isfinite(number) else math.inf), gradient.double().cpu().numpy()

    start = parameters_to_vector(parameters).detach().double().cpu().numpy()
    options = {"maxiter": max_iter, "maxfun": 2 * max_iter, "maxcor": 10, "ftol": tol, "gtol": 1e-9}
    found = minimize(evaluate, start, jac=True, method="L-BFGS-B", options=options)
    vector_to_parameters(torch.from_numpy(found.x).to(like), parameters)
    settled = found.status == 0 and math.isfinite(found.fun)
    return TrainingResult(float(found.fun), int(found.nit), int(found.nfev), bool(settled))
