"""Points, costs and measures that the tests of transport share, and the value that potentials give."""

import torch


def random_measures(m, n, *, seed=0, zeros=False, spread=1.0):
    """Rows of probabilities ``[m, n]``; with ``zeros`` about a third of the points have no mass."""
    generator = torch.Generator().manual_seed(seed)
    weights = (spread * torch.randn(m, n, generator=generator, dtype=torch.float64)).exp()
    if zeros:
        weights[torch.rand(m, n, generator=generator) < 0.35] = 0
        weights[:, 0] += weights.sum(1) == 0
    return weights / weights.sum(1, keepdim=True)


def random_points(n, d=2, *, seed=0):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def distances(x):
    return (x[:, None] - x[None]).norm(dim=2)


def costs(n, *, seed=0):
    """Two metrics, the second with many ties; a power, which is none; and two that charge what stays in place."""
    euclidean = distances(random_points(n, seed=seed))
    noise = torch.rand(n, n, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    ring = torch.arange(n)
    steps = (ring[:, None] - ring).abs()
    hops = torch.minimum(steps, n - steps).double()
    return {
        "euclidean": euclidean,
        "hops": hops,
        "squared": euclidean**2,
        "toll": hops + torch.eye(n, dtype=torch.float64) / 2,
        "positive": noise + noise.T,
    }


def values(found, measures, pairs):
    """The transport distance of each pair, ``[p]``."""
    return (found.f * measures[pairs[0]]).sum(1) + (found.g * measures[pairs[1]]).sum(1)
