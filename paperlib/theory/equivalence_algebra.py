"""The algebra of `paperlib.theory.equivalence` done by a computer algebra system, for every real number at once."""

from __future__ import annotations

from typing import Any


def derive_equivalence(n: int = 3, k: int = 2, d: int = 2) -> dict[str, Any]:
    r"""Each step as left side less right side, its numerator expanded by sympy: zero where the step is an identity.

    Symbols stand for all :math:`x_{ij}`, :math:`\theta_{kj}` and :math:`b_k`, for :math:`\lambda`, and for as many
    :math:`q_{ik}` as rows that sum to one leave free. Numbers of points, clusters and features are given: the algebra
    is the same for any, and the proof on paper has sums in the place of these few terms.

    Args:
        n: points, at least 1.
        k: clusters, at least 2; two take a second, three some more.
        d: features, at least 1.

    Returns:
        A sympy expression a step, the first six zero and the last not:

        - ``"split off the normaliser"``: :math:`J - J_0 - \frac2n \sum_i \ln Z_i`;
        - ``"cancel fairness"``: what is left of :math:`\sum_k \hat q_k \ln \hat q_k` beside the bias;
        - ``"minimise over theta"``: the squared gradient of :math:`J_0` at the closed form;
        - ``"split the scatter"``: within plus between is the whole, times n;
        - ``"join"``: :math:`J_0 - S` less the remainder, for any :math:`q`;
        - ``"balance"``: the remainder where :math:`\hat q_k = 1/k`;
        - ``"slope of the normaliser"``: the derivative of :math:`\frac2n \sum_i \ln Z_i` by :math:`\theta_{11}`.
    """
    import sympy  # here, because it takes a second to load and nothing else needs it

    penalty = sympy.Symbol("lambda", positive=True)
    x = sympy.Matrix(n, d, lambda i, j: sympy.Symbol(f"x{i + 1}{j + 1}", real=True))
    theta = sympy.Matrix(k, d, lambda c, j: sympy.Symbol(f"theta{c + 1}{j + 1}", real=True))
    bias = sympy.Matrix(k, 1, lambda c, _: sympy.Symbol(f"b{c + 1}", real=True))
    points, clusters, pairs = range(n), range(k), [(i, c) for i in range(n) for c in range(k)]
    # Symbols are the shares and all rows but the first; what makes rows and shares add up is then expressed by them.
    share = [sympy.Symbol(f"s{c + 1}", positive=True) for c in clusters]
    share[-1] = 1 - sum(share[:-1])
    q = sympy.Matrix(n, k, lambda i, c: sympy.Symbol(f"q{i + 1}{c + 1}", positive=True))
    for i, c in pairs:
        q[i, c] = q[i, c] if c < k - 1 else 1 - sum(q[i, other] for other in range(k - 1))
    for c in clusters:
        q[0, c] = n * share[c] - sum(q[i, c] for i in points[1:])
    center = [sum((q[i, c] * x[i, :] for i in points), sympy.zeros(1, d)) / (n * share[c]) for c in clusters]
    logits = x * theta.T + sympy.ones(n, 1) * bias.T
    normalizer = [sum(sympy.exp(logits[i, c]) for c in clusters) for i in points]
    norms = penalty * sum(entry**2 for entry in theta)
    fairness = sum(share[c] * sympy.log(share[c]) for c in clusters)
    certainty = sum(q[i, c] * sympy.log(q[i, c]) for i, c in pairs) / n

    def split(log_probs: Any) -> Any:
        coupling = sum(q[i, c] * (sympy.log(q[i, c]) - log_probs(i, c)) for i, c in pairs) / n
        return fairness - sum(q[i, c] * log_probs(i, c) for i, c in pairs) / n + norms + coupling

    kept = split(lambda i, c: logits[i, c])
    dropped = 2 * sum(sympy.log(normalizer[i]) for i in points) / n
    whole = split(lambda i, c: logits[i, c] - sympy.log(normalizer[i]))
    halved = {bias[c]: sympy.log(share[c]) / 2 for c in clusters}
    weights = {theta[c, j]: share[c] * center[c][j] / penalty for c in clusters for j in range(d)}

    between = sum(share[c] * center[c].dot(center[c]) for c in clusters)
    within = sum(q[i, c] * (x[i, :] - center[c]).dot(x[i, :] - center[c]) for i, c in pairs) / n
    total = sum(x[i, :].dot(x[i, :]) for i in points) / n
    soft_kmeans = (within - total) / (penalty * k) + certainty
    remainder = (
        -sum(share[c] * (share[c] - sympy.Rational(1, k)) * center[c].dot(center[c]) for c in clusters) / penalty
    )
    steps = {
        "split off the normaliser": whole - kept - dropped,
        "cancel fairness": fairness - 2 * sum(share[c] * halved[bias[c]] for c in clusters),
        "minimise over theta": sum(sympy.diff(kept, entry).subs(weights) ** 2 for entry in theta),
        "split the scatter": n * (within + between - total),
        "join": kept.subs(halved).subs(weights) - soft_kmeans - remainder,
        "balance": remainder.subs({symbol: sympy.Rational(1, k) for symbol in share[:-1]}),
    }
    simplified = {name: sympy.expand(sympy.numer(sympy.together(step))) for name, step in steps.items()}
    return simplified | {"slope of the normaliser": sympy.diff(dropped, theta[0, 0])}
