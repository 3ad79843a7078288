"""The computer algebra: every step is zero, and the term that is dropped has a slope, the one computed numerically."""

import numpy as np
import pytest
import sympy

from paperlib.theory.equivalence import soft_kmeans_identity
from paperlib.theory.equivalence_algebra import derive_equivalence

IDENTITIES = (
    "split off the normaliser",
    "cancel fairness",
    "minimise over theta",
    "split the scatter",
    "join",
    "balance",
)


@pytest.mark.parametrize("size", [(1, 2, 1), (3, 2, 2), (2, 3, 1)])
def test_every_step_is_an_identity_but_that_the_normaliser_has_a_slope(size):
    steps = derive_equivalence(*size)
    assert tuple(steps)[:-1] == IDENTITIES
    assert all(steps[name] == 0 for name in IDENTITIES)
    assert steps["slope of the normaliser"] != 0


def test_the_symbolic_slope_is_the_numeric_one():
    rng = np.random.default_rng(0)
    x, q = rng.standard_normal((3, 2)), rng.dirichlet(np.ones(2), 3)
    found = soft_kmeans_identity(x, q, 0.3)
    values = {f"x{i + 1}{j + 1}": x[i, j] for i in range(3) for j in range(2)}
    values |= {f"theta{c + 1}{j + 1}": found.theta[c, j] for c in range(2) for j in range(2)}
    values |= {f"b{c + 1}": found.bias[c] for c in range(2)}
    slope = derive_equivalence(3, 2, 2)["slope of the normaliser"]
    number = float(slope.subs({symbol: values[symbol.name] for symbol in slope.free_symbols}))
    assert number == pytest.approx(found.dropped_gradient_theta[0, 0], abs=1e-12)
    assert isinstance(slope, sympy.Expr)
