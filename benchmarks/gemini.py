"""GEMINI here beside GemClus, the authors' package, in turn and in one process; and a step beside its matrix products.

Run: ``.venv/bin/python benchmarks/gemini.py linear|mlp|step [threads]`` (``pip install 'paperlib[peers]'`` first).

- ``linear``: the same data, objective, first weights, Adam, step size and number of full-batch iterations, to the same
  value; both are printed, and beside them a whole `GeminiClustering` with its defaults.
- ``mlp``: digits, batches of 200, the same network width, step size and epochs: GemClus as shipped, GemClus with the
  one wrong factor of its backward pass put right, and ours; adjusted Rand index of every seed, objective and seconds.
- ``step``: a million samples, d = 64, k = 10: value and gradient of the linear MMD, and a step of the whole linear
  model, beside the matrix products that each needs.
"""

from __future__ import annotations

import inspect
import resource
import statistics
import sys
import textwrap
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

from paperlib.data import gaussian_blobs, load
from paperlib.estimators import GeminiClustering
from paperlib.losses import gemini
from paperlib.metrics import adjusted_rand_index
from paperlib.models import MLP, LinearSoftmax
from paperlib.training import Gemini, minimize_mini_batch

ROUNDS = 3


def timed(call: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    result = call()
    return time.perf_counter() - start, result


def linear(n: int = 3000, k: int = 10, d: int = 64, rate: float = 1e-2) -> None:
    """Whole fits, by the same iterations from the same kind of start, to the same value."""
    from gemclus.linear import LinearMMD

    warm_up = torch.randn(100, 4)
    minimize_mini_batch(
        LinearSoftmax(warm_up[:3], warm_up[:3, 0]), Gemini("kl_ova"), warm_up, batch_size=100, max_iter=2
    )
    x = gaussian_blobs(n, k, n_features=d, spread=3.0, seed=0).x
    x = (x - x.mean(0)) / x.std(0)
    for kind, iterations in (("ova", 60), ("ovo", 200)):
        ratios, objective = [], f"mmd_{kind}"
        criterion = Gemini(objective, features=x)
        for seed in range(ROUNDS):
            theirs = LinearMMD(k, ovo=kind == "ovo", max_iter=iterations, learning_rate=rate, random_state=seed)
            seconds, _ = timed(lambda model=theirs: model.fit(x.numpy()))
            target = -float(criterion(torch.from_numpy(theirs.predict_proba(x.numpy())).log()))
            start = LinearMMD(k, max_iter=1, learning_rate=1e-300, random_state=seed).fit(x[: 10 * k].numpy())
            ours = LinearSoftmax(torch.from_numpy(start.W_.T.copy()), torch.from_numpy(start.b_[0].copy()))
            options = {"batch_size": n, "max_iter": iterations, "learning_rate": rate, "schedule": "constant"}
            our_seconds, result = timed(
                lambda model=ours, criterion=criterion, options=options: minimize_mini_batch(
                    model, criterion, x, **options
                )
            )
            estimator = GeminiClustering(k, objective=objective, random_state=seed)
            whole_seconds, _ = timed(lambda model=estimator: model.fit(x))
            ratios.append(seconds / our_seconds)
            print(
                f"{objective} n={n} k={k} seed {seed}, {iterations} iterations: GemClus {seconds:.2f} s, {target:.4f}; "
                f"ours {our_seconds:.3f} s, {-result.value:.4f}, {ratios[-1]:.0f}x; "
                f"GeminiClustering, 10 starts to the end {whole_seconds:.2f} s, {estimator.objective_:.4f}",
                flush=True,
            )
        print(f"{objective}: median {statistics.median(ratios):.0f}x", flush=True)


def corrected() -> type:
    """GemClus's MLP with the weights, not their gradient, in its backward pass."""
    from gemclus.mlp import MLPMMD, MLPModel

    source = textwrap.dedent(inspect.getsource(MLPModel._compute_grads))
    if source.count("@ W2_grad.T") != 1:
        raise RuntimeError("this version of GemClus has another backward pass; compare with it as it is")
    namespace = dict(vars(sys.modules[MLPModel.__module__]))
    exec(source.replace("@ W2_grad.T", "@ self.W2_.T"), namespace)
    return type("CorrectedMLPMMD", (MLPMMD,), {"_compute_grads": namespace["_compute_grads"]})


def mlp(n_seeds: int = 5, hidden: int = 100, epochs: int = 200) -> None:
    """Digits: agreement with the classes, objective, seconds."""
    from gemclus.mlp import MLPMMD

    data = load("digits")
    x, y = data.x.double().numpy(), data.y.numpy()
    given = torch.from_numpy(x)
    for rate in (1e-2, 1e-3):
        theirs = {"ovo": True, "n_hidden_dim": hidden, "batch_size": 200, "max_iter": epochs, "learning_rate": rate}
        makers = {
            "GemClus as shipped": lambda seed, theirs=theirs: MLPMMD(10, random_state=seed, **theirs),
            "GemClus corrected": lambda seed, theirs=theirs: corrected()(10, random_state=seed, **theirs),
            "ours": lambda seed, rate=rate: GeminiClustering(
                10,
                objective="mmd_ovo",
                model=MLP(64, 10, hidden=(hidden,)),
                batch_size=200,
                max_iter=epochs,
                learning_rate=rate,
                tol=0.0,
                n_init=1,
                random_state=seed,
            ),
            "ours, model='mlp'": lambda seed, rate=rate: GeminiClustering(
                10,
                objective="mmd_ovo",
                model="mlp",
                batch_size=200,
                max_iter=epochs,
                learning_rate=rate,
                n_init=1,
                random_state=seed,
            ),
        }
        for name, make in makers.items():
            agreement, values, seconds = [], [], []
            for seed in range(n_seeds):
                took, model = timed(lambda make=make, seed=seed: make(seed).fit(x))
                probs = torch.from_numpy(model.predict_proba(x)).double()
                values.append(float(gemini(probs.log(), "mmd_ovo", features=given)))
                agreement.append(adjusted_rand_index(y, probs.argmax(1).numpy()))
                seconds.append(took)
            print(
                f"step size {rate:g}, {name:20s} ARI {np.mean(agreement):.3f} "
                f"({' '.join(f'{a:.3f}' for a in agreement)}), objective {np.mean(values):.2f}, "
                f"{statistics.median(seconds):.2f} s",
                flush=True,
            )


def step(n: int = 1_000_000, d: int = 64, k: int = 10, rounds: int = 9) -> None:
    """One value and gradient, float32."""
    generator = torch.Generator().manual_seed(0)
    x, weight = torch.randn(n, d, generator=generator), 0.1 * torch.randn(k, d, generator=generator)
    probs, direction = (x @ weight.T).softmax(1), torch.randn(k, d, generator=generator)
    weight.requires_grad_()
    logits = (x @ weight.detach().T).requires_grad_()

    def objective() -> None:
        torch.autograd.grad(gemini(logits, "mmd_ova", features=x), logits)

    def model() -> None:
        torch.autograd.grad(gemini(x @ weight.T, "mmd_ova", features=x), weight)

    def two_products() -> None:
        _ = probs.T @ x
        _ = x @ direction.T

    def four_products() -> None:
        two_products()
        two_products()

    calls = {"objective": objective, "two products": two_products, "model": model, "four products": four_products}
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            seconds[name].append(timed(call)[0])
    median = {name: statistics.median(values[1:]) for name, values in seconds.items()}
    print({name: f"{value * 1e3:.0f} ms" for name, value in median.items()})
    print(f"value and gradient of the objective: {median['objective'] / median['two products']:.2f} x its two products")
    print(f"step of the whole model: {median['model'] / median['four products']:.2f} x its four products, ", end="")
    print(f"{median['model'] / median['two products']:.2f} x two of them")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"samples {x.numel() * 4 / 2**20:.0f} MiB, peak memory of the process {peak:.0f} MiB")


if __name__ == "__main__":
    warnings.simplefilter("ignore", ConvergenceWarning)
    part, threads = sys.argv[1] if len(sys.argv) > 1 else "step", int(sys.argv[2]) if len(sys.argv) > 2 else 2
    torch.set_num_threads(threads)
    with threadpool_limits(threads):
        {"linear": linear, "mlp": mlp, "step": step}[part]()
