import matplotlib

matplotlib.use("Agg")
import time

_t = time.process_time()
import math
import warnings

import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning

from paperlib.data import gaussian_blobs, two_strips
from paperlib.estimators import EntropyClustering
from paperlib.information import (
    entropy,
    entropy_from_logits,
    kl_divergence,
    mutual_information,
)
from paperlib.losses import mutual_information_loss
from paperlib.metrics import (
    adjusted_rand_index,
    clustering_accuracy,
    clusters_used,
)
from paperlib.models import LinearSoftmax
from paperlib.plotting import decision_regions, scatter, use_house_style
from paperlib.training import MutualInformation, minimize_full_batch

use_house_style()
torch.set_num_threads(1)  # arrays this small are done fastest by one thread
warnings.simplefilter("ignore", ConvergenceWarning)  # it says that clusters are empty: here, that is the subject
blobs = gaussian_blobs(300, 4, seed=5)
x, n, k = blobs.x, 300, 4  # float64, [n, 2]
print("   [%.1fs]" % (time.process_time() - _t))


def best_fit(x, k, gamma):
    options = {"gamma": gamma, "n_init": 10, "random_state": 0}
    fits = [EntropyClustering(k, init=init, **options).fit(x) for init in ("random", "k-means")]
    return min(fits, key=lambda fit: fit.loss_)


critical = float(torch.linalg.eigvalsh(torch.cov(x.T, correction=0))[-1]) / (2 * k)
figure, axes = plt.subplots(2, 2, figsize=(7.6, 6), sharex=True, sharey=True)
for axis, factor in zip(axes.flat, (3, 1, 0.1, 0.001), strict=True):
    model = best_fit(x, k, factor * critical)
    decision_regions(model.predict_proba, x, ax=axis)
    scatter(x, model.labels_, ax=axis)
    axis.set_title(f"{factor:g} × critical: {clusters_used(model.labels_)} of {k} clusters used")
for axis in axes[1]:
    axis.set_xlabel("feature 1")
for axis in axes[:, 0]:
    axis.set_ylabel("feature 2")
plt.show()
print("   [%.1fs]" % (time.process_time() - _t))
generator = torch.Generator().manual_seed(0)
logits = 2 * torch.randn(n, k, generator=generator, dtype=torch.float64)
probs = torch.softmax(logits, 1)

first = entropy(probs.mean(0)) - entropy(probs).mean()
second = kl_divergence(probs, probs.mean(0)).mean()
loss = mutual_information_loss(logits)
print(f"I = {first:.6f} = {second:.6f} nats")
print(f"ln k - loss = {math.log(k) - loss:.6f} nats")
print("   [%.1fs]" % (time.process_time() - _t))
for s in (0, 5, 10, 20):
    constant = torch.zeros(n, k, dtype=torch.float64)
    constant[:, 0] = s
    decisiveness, loss = (
        entropy_from_logits(constant).mean(),
        mutual_information_loss(constant),
    )
    print(f"s = {s:2d}:  mean entropy {decisiveness:.1e},  with fairness {loss:.4f} nats")
print("   [%.1fs]" % (time.process_time() - _t))


def mean_entropy(logits):
    return entropy_from_logits(logits).mean()


def search(objective, seed):
    weight = (
        torch.randn(
            k,
            2,
            generator=torch.Generator().manual_seed(seed),
            dtype=x.dtype,
        )
        / x.std()
    )
    model = LinearSoftmax(weight, -weight @ x.mean(0), mean=x.mean(0), scale=float(x.std()))
    minimize_full_batch(model, objective, x)
    return model(x).detach()


for name, objective in (
    ("decisive only", mean_entropy),
    ("both", mutual_information_loss),
):
    ends = [search(objective, seed) for seed in range(10)]
    print(
        f"{name:13s}: clusters used, of {k}:",
        *(clusters_used(end.argmax(1)) for end in ends),
    )
print("   [%.1fs]" % (time.process_time() - _t))
z = (x - x.mean(0)) / x.std()
uniform = torch.full((k,), 1 / k, dtype=torch.float64)
for size in (0, 1, 10):
    fair = size * z @ torch.randn(2, k, generator=generator, dtype=torch.float64)
    for _ in range(2000):
        fair = fair + (uniform / torch.softmax(fair, 1).mean(0)).log()
    assert abs(kl_divergence(torch.softmax(fair, 1).mean(0), uniform)) < 1e-10
    print(f"weights of size {size:3d}:  perfectly fair, mean entropy {mean_entropy(fair):.3f} nats")
print("   [%.1fs]" % (time.process_time() - _t))


def slabs(x, k, angle, sharpness):
    t = x @ torch.tensor([math.cos(angle), math.sin(angle)], dtype=x.dtype)
    ordered = t.sort().values.view(k, -1)
    thresholds = (ordered[:-1, -1] + ordered[1:, 0]) / 2
    offsets = torch.cat([torch.zeros(1, dtype=x.dtype), thresholds.cumsum(0)])
    return sharpness * (torch.arange(k) * t[:, None] - offsets)


for degrees in range(5, 180, 30):
    cut = slabs(x, k, math.radians(degrees), 1e6)
    assert mutual_information_loss(cut) < 1e-9
    agreement = adjusted_rand_index(blobs.y, cut.argmax(1))
    print(f"{degrees:3d} degrees:  loss < 1e-9 nats, agreement {agreement:.2f}")
print("   [%.1fs]" % (time.process_time() - _t))
A, shift = (
    torch.tensor([[3.0, -1.0], [0.5, 0.2]], dtype=x.dtype),
    torch.tensor([10.0, -4.0], dtype=x.dtype),
)
V, b = (
    torch.randn(k, 2, generator=generator, dtype=x.dtype),
    torch.randn(k, generator=generator, dtype=x.dtype),
)
V_mapped = V @ torch.linalg.inv(A)
difference = (x @ V.T + b) - ((x @ A.T + shift) @ V_mapped.T + b - V_mapped @ shift)
print(f"largest difference of a logit below 1e-10: {bool(difference.abs().max() < 1e-10)}")
print(f"penalty: {V.square().sum():.2f} before, {V_mapped.square().sum():.2f} after")
assert difference.abs().max() < 1e-10
print("   [%.1fs]" % (time.process_time() - _t))
strips = two_strips()
for stretch in (1, 2):
    stretched = strips.x.numpy() * [1, stretch]
    entropic = EntropyClustering(2, gamma=0.1, init="random", n_init=20, random_state=0).fit(stretched)
    kmeans = KMeans(2, n_init=20, random_state=0).fit(stretched)
    found = [adjusted_rand_index(strips.y, labels) for labels in (entropic.labels_, kmeans.labels_)]
    print(f"vertical axis × {stretch}:  entropy {found[0]:.2f}, K-means {found[1]:.2f}")
print("   [%.1fs]" % (time.process_time() - _t))
critical = float(torch.linalg.eigvalsh(torch.cov(x.T, correction=0))[-1]) / (2 * k)


def objective_at(gamma):
    return lambda weight: mutual_information_loss(x @ weight.T) + gamma * weight.square().sum()


for factor in (0.98, 1.0, 1.02):
    gamma = factor * critical
    hessian = torch.autograd.functional.hessian(objective_at(gamma), torch.zeros(k, 2, dtype=x.dtype))
    smallest = torch.linalg.eigvalsh(hessian.reshape(2 * k, 2 * k))[0]
    assert abs(smallest - 2 * (gamma - critical)) < 1e-8
    print(f"{factor:.2f} × critical:  smallest eigenvalue {smallest + 1e-12:+.4f}")
print("   [%.1fs]" % (time.process_time() - _t))


def fit(x, start, gamma, bias=None):
    bias = torch.zeros(len(start), dtype=x.dtype) if bias is None else bias
    model = LinearSoftmax(
        start,
        bias - start @ x.mean(0),
        mean=x.mean(0),
        scale=float(x.std()),
    )
    return model, minimize_full_batch(model, MutualInformation(), x, gamma=gamma, max_iter=2000, tol=1e-14).value


values, vectors = torch.linalg.eigh(torch.cov(x.T, correction=0))
start = torch.tensor([[0.1, 0.1], [-0.1, -0.1]], dtype=x.dtype)
for factor in (0.9, 0.98, 0.998):
    model, value = fit(x, start, factor * float(values[-1]) / 4)
    w = (model.coef[0] - model.coef[1]).detach()
    cosine = abs(w @ vectors[:, -1]) / w.norm()
    bound = 1 - (1 - factor) * values[-1] / (values[-1] - values[0])
    assert cosine**2 >= bound
    print(
        f"{factor:.3f} × critical:  |w| = {w.norm():.4f},  cosine with e1",
        end=" ",
    )
    print(f"{cosine:.6f}, at least {bound.sqrt():.4f}")
print("   [%.1fs]" % (time.process_time() - _t))
gamma = 1.5 * critical  # with k = 4, lambda_1 / 4 is twice the critical gamma
from_zero = 1e-3 * torch.randn(k, 2, generator=torch.Generator().manual_seed(0), dtype=x.dtype)
two_halves = torch.zeros(k, 2, dtype=x.dtype)
two_halves[0], two_halves[1] = 0.1 * vectors[:, -1], -0.1 * vectors[:, -1]
two_open = torch.tensor([0, 0, -9, -9], dtype=x.dtype)
for name, start, bias in (
    ("near zero", from_zero, None),
    ("two halves", two_halves, two_open),
):
    model, value = fit(x, start, gamma, bias)
    gain = abs(round(math.log(k) - value, 4))
    penalty = gamma * model.penalty().item()
    print(f"from {name:10s}: objective ln k - {gain:.4f}, penalty {penalty:.4f}")
print("   [%.1fs]" % (time.process_time() - _t))
by_hand = sum(-p * math.log(p) for row in probs.tolist() for p in row) / n
by_hand += sum(m * math.log(m * k) for m in probs.mean(0).tolist())
assert abs(by_hand - mutual_information_loss(logits)) < 1e-12

balanced = 100 * torch.eye(k, dtype=x.dtype).repeat(n // k, 1)
assert abs(mutual_information_loss(balanced)) < 1e-12
assert abs(mutual_information_loss(torch.zeros(n, k)) - math.log(k)) < 1e-6

covariance = torch.cov(x.T, correction=0)
for size in torch.logspace(-3, 1, 200, dtype=x.dtype):
    V = size * torch.randn(k, 2, generator=generator, dtype=x.dtype)
    offset = 3 * torch.randn(k, generator=generator, dtype=x.dtype)
    information = mutual_information((x - x.mean(0)) @ V.T + offset)
    assert information <= torch.trace(V @ covariance @ V.T) / 4 + 1e-12
print("   [%.1fs]" % (time.process_time() - _t))
critical_at = {wrong: critical * k / wrong for wrong in (3, 6)}
for wrong, price in ((3, "auto"), (6, "auto"), (6, 1e-4 * critical_at[6])):
    model = best_fit(x, wrong, price)
    sizes = sorted(np.bincount(model.labels_, minlength=wrong).tolist())
    share = model.gamma_ / model.critical_gamma_
    print(f"k = {wrong}, {share:.4f} × critical:  cluster sizes {sizes}")
print("   [%.1fs]" % (time.process_time() - _t))
shares = [0.8, 0.2]
for spread in (1, 3):
    sets = [gaussian_blobs(400, 2, seed=seed, spread=spread, weights=shares) for seed in range(8)]
    for name, prior in (("uniform prior", None), ("true prior", shares)):
        fits = [EntropyClustering(2, prior=prior, random_state=0).fit(data.x) for data in sets]
        scores = [clustering_accuracy(data.y, model.labels_) for data, model in zip(sets, fits, strict=True)]
        print(f"spread {spread}, {name}: mean {np.mean(scores):.3f} of")
        print("   ", *(f"{score:.2f}" for score in scores))
print("   [%.1fs]" % (time.process_time() - _t))
f = torch.linspace(0, 6, 6001, dtype=torch.float64, requires_grad=True)
entropy_from_logits(torch.stack([f, torch.zeros_like(f)], 1)).sum().backward()
assert torch.allclose(f.grad, -f * torch.sigmoid(f) * torch.sigmoid(-f), atol=1e-12)
hardest = f[f.grad.argmin()].item()
print(f"the hardest pull is at f = {hardest:.3f}, where p = {1 / (1 + math.exp(-hardest)):.3f}")
print("   [%.1fs]" % (time.process_time() - _t))


def whiten(points):
    centred = points - points.mean(0)
    return centred @ np.linalg.inv(np.linalg.cholesky(np.cov(centred.T, bias=True))).T


for stretch in (1, 2):
    whitened = whiten(strips.x.numpy() * [1, stretch])
    model = EntropyClustering(2, gamma=0.01, init="random", n_init=20, random_state=0).fit(whitened)
    agreement = adjusted_rand_index(strips.y, model.labels_)
    print(f"vertical axis × {stretch}:  agreement {agreement:.2f}, loss {model.loss_:.6f} nats")
print("   [%.1fs]" % (time.process_time() - _t))
for weight in (0.5, 1.0, 2.0):

    def of_bias(bias, weight=weight):
        return mutual_information_loss(bias.expand(n, k), fairness_weight=weight)

    hessian = torch.autograd.functional.hessian(of_bias, torch.zeros(k, dtype=x.dtype))
    eigenvalues = np.linalg.eigvalsh(hessian.numpy())
    assert np.allclose(
        eigenvalues,
        sorted([0.0] + [(weight - 1) / k] * (k - 1)),
        atol=1e-12,
    )
    print(
        f"weight {weight}:",
        *(f"{value + 1e-12:+.3f}" for value in eigenvalues),
    )
print("total", time.process_time() - _t)
