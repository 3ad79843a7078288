"""Predictions and generic optimisers that the tests of the solvers share."""

import numpy as np
import torch
from scipy.optimize import minimize


def predictions(n=30, k=4, *, seed=0, scale=2.0, tilt=0.0, dtype=torch.float64):
    """Rows of a softmax of normal logits of a given scale; ``tilt`` favours the later clusters."""
    generator = torch.Generator().manual_seed(seed)
    logits = scale * torch.randn(n, k, generator=generator, dtype=torch.float64)
    return (logits + tilt * torch.linspace(0, 1, k, dtype=torch.float64)).softmax(1).to(dtype)


def uniform(k):
    """The uniform prior."""
    return torch.full((k,), 1 / k, dtype=torch.float64)


def generic_optimum(value, sigma):
    """Least ``value(log_targets)`` by L-BFGS on a softmax re-parametrisation of the targets; it, and the targets."""

    def value_and_gradient(flat):
        free = torch.from_numpy(flat).view_as(sigma).requires_grad_()
        result = value(free.log_softmax(1))
        (gradient,) = torch.autograd.grad(result, free)
        return result.item(), gradient.numpy().ravel()

    options = {"maxiter": 20000, "maxfun": 40000, "ftol": 1e-16, "gtol": 1e-10}
    found = minimize(value_and_gradient, np.zeros(sigma.numel()), jac=True, method="L-BFGS-B", options=options)
    return found.fun, torch.from_numpy(found.x).view_as(sigma).softmax(1)


def reverse_optimum(sigma, weight, prior):
    """Least value of the reverse cross-entropy with strong fairness."""

    def value(log_y):
        return -(sigma * log_y).sum(1).mean() - weight * (prior * log_y.exp().mean(0).log()).sum()

    return generic_optimum(value, sigma)[0]
