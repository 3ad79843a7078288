"""Many small networks in one: what differs by a seed trains as one batch."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from paperlib._checks import check_whole
from paperlib.models._initial import draw


class TanhEnsemble(nn.Module):
    """Independent networks of one shape, their parameters stacked: a tanh after the first layer, the others linear.

    The networks of the toy problems of Ohl et al. (arXiv 2210.06300, the authors' code): with ``hidden=(20, 20)``
    linear, tanh, linear, linear (Gaussians and Student-t); with ``hidden=(10,)`` linear, tanh, linear (moons).

    Each member is drawn from a seed of its own and equals, to the last bit, the network that torch's linear layers make
    after ``torch.manual_seed(seed)``, or an ensemble of that one seed. The members share nothing: with the sum of their
    losses and an optimiser that acts entry by entry (SGD, Adam), each trains as it would alone, up to rounding.

    Args:
        n_features: :math:`d`.
        n_clusters: :math:`k`.
        seeds: one for each of the :math:`S` members.
        hidden: widths of the hidden layers, at least one.

    Raises:
        ValueError: if there is no seed or no hidden layer, a width is no whole number of at least 1, or a seed no whole
            number of at least 0.
    """

    def __init__(
        self, n_features: int, n_clusters: int, *, seeds: Sequence[int], hidden: Sequence[int] = (20, 20)
    ) -> None:
        super().__init__()
        if len(seeds) == 0 or len(hidden) == 0:
            raise ValueError(f"seeds and hidden must not be empty, got {list(seeds)} and {list(hidden)}")
        generators = [torch.Generator().manual_seed(check_whole(seed, "a seed", 0)) for seed in seeds]
        self.n_features = check_whole(n_features, "n_features")
        inner = [check_whole(width, "a width in hidden") for width in hidden]
        widths = [self.n_features, *inner, check_whole(n_clusters, "n_clusters")]
        self.weights, self.biases = nn.ParameterList(), nn.ParameterList()
        for n_in, n_out in pairwise(widths):
            weight, bias = torch.empty(len(seeds), n_out, n_in), torch.empty(len(seeds), n_out)
            for member, generator in enumerate(generators):
                draw(weight[member], bias[member], generator)
            self.weights.append(weight)
            self.biases.append(bias)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of every member.

        Cost: O(n S) times the number of weights of a member, in as many batched products as there are layers.

        Args:
            x: shape ``[n, S, d]``, for each member its own samples; ``[n, 1, d]`` for all members the same ones.

        Returns:
            Shape ``[S, n, k]``.

        Raises:
            ValueError: if ``x`` has another shape.
        """
        n_members = len(self.biases[0])
        if x.ndim != 3 or x.shape[1] not in (1, n_members) or x.shape[2] != self.n_features:
            raise ValueError(
                f"x has shape {list(x.shape)}; [n, {n_members}, {self.n_features}], or 1 in the middle, is needed"
            )
        z = x.transpose(0, 1)
        for depth, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            z = z @ weight.mT + bias.unsqueeze(1)
            if depth == 0:
                z = z.tanh()
        return z
