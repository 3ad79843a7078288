"""Soft regularised K-means on the codes of an autoencoder that is trained with it."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from sklearn.cluster import KMeans
from torch import Tensor, nn

from paperlib import soft_kmeans
from paperlib._checks import check_positive, check_whole
from paperlib.models import ConvAutoencoder
from paperlib.training.batches import rows_at


class CodeAndError(nn.Module):
    """An autoencoder as `train` runs it: images to codes ``[b, d]`` and errors of reconstruction ``[b]``.

    The error is a mean over the batch, the same for each of its samples. In evaluation mode the codes are clean.
    """

    def __init__(self, autoencoder: ConvAutoencoder) -> None:
        super().__init__()
        self.autoencoder = autoencoder

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Codes and errors; images lie between 0 and 1 and are scaled to what the autoencoder takes, -1 to 1."""
        code, error = self.autoencoder.code_and_loss(2 * images - 1)
        return code, error.expand(len(images))


@dataclass(frozen=True)
class Reconstruction:
    """The error of reconstruction alone: how the autoencoder is pretrained."""

    def __call__(self, outputs: tuple[Tensor, Tensor], index: Tensor | None = None) -> Tensor:
        """The mean error of the outputs of `CodeAndError`."""
        return outputs[1].mean()

    def predictions(self, outputs: tuple[Tensor, Tensor]) -> None:
        """None: there are no clusters yet."""


@dataclass
class DeepSoftKMeans:
    r"""Codes are drawn to the centres of their clusters, while the images must stay reconstructible.

    .. math::
        \frac{1}{\lambda k} \Bigl[ \frac1n \sum_{ic} q_{ic} \|z_i - c_c\|^2 - \frac1n \sum_i \|z_i\|^2 \Bigr]
        + \text{reconstruction}.

    Centres :math:`c` and assignments :math:`q` are held fixed while the network learns and renewed every
    ``refresh_every`` steps, an epoch in the paper: first the centres, then the assignments. The first assignments are
    those of K-means.

    Source: Jabi, Pedersoli, Mitiche and Ben Ayed, arXiv 1810.04246, and the authors' published code; their choice of
    the best epoch by agreement with the first labels is left out.
    Cost: a renewal is one pass over the data and O(n k d), on the CPU.

    Attributes:
        n_clusters: :math:`k`.
        refresh_every: steps from one renewal to the next.
        penalty: :math:`\lambda`, positive; the authors' is the default.
        n_init: starts of K-means.
        seed: of K-means.
        centers: ``[k, d]``, None before the first renewal.
        assignments: ``[n, k]``, likewise.
    """

    n_clusters: int
    refresh_every: int
    penalty: float = 1e-4
    n_init: int = 10
    seed: int = 0
    centers: Tensor | None = field(default=None, repr=False, compare=False)
    assignments: Tensor | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_whole(self.n_clusters, "n_clusters"), check_whole(self.refresh_every, "refresh_every")
        check_positive(self.penalty, "penalty")

    @property
    def is_new(self) -> bool:
        """Whether there are no centres yet."""
        return self.centers is None

    def refresh(self, codes: Tensor) -> None:
        """Renew centres and assignments from the codes of all samples, ``[n, d]``."""
        z = codes.detach().double().cpu().numpy()
        if self.assignments is None:
            labels = KMeans(self.n_clusters, n_init=self.n_init, random_state=self.seed).fit_predict(z)
            q = torch.nn.functional.one_hot(torch.from_numpy(labels).long(), self.n_clusters).double().numpy()
        else:
            q = self.assignments.double().cpu().numpy()
        centers = soft_kmeans.weighted_means(z, q)
        self.centers = torch.from_numpy(centers).to(codes)
        self.assignments = torch.from_numpy(soft_kmeans.soft_assignments(z, centers, self.penalty)).to(codes)

    def __call__(self, outputs: tuple[Tensor, Tensor], index: Tensor | None = None) -> Tensor:
        """The loss of the outputs of `CodeAndError`, in nats but for the reconstruction.

        Raises:
            RuntimeError: before the first `refresh`.
        """
        if self.centers is None or self.assignments is None:
            raise RuntimeError("there are no centres yet: call refresh(codes of all samples) first, as train() does")
        codes, errors = outputs
        centers, q = self.centers.to(codes), rows_at(self.assignments, index).to(codes)
        # |z - c|^2 - |z|^2 = |c|^2 - 2 z.c, and the rows of q sum to one
        scatter = (q * (centers.square().sum(1) - 2 * codes @ centers.mT)).sum(-1).mean()
        return scatter / (self.penalty * self.n_clusters) + errors.mean()

    def predictions(self, outputs: tuple[Tensor, Tensor]) -> Tensor:
        r"""Logits of the posteriors :math:`p_{ic} \propto \exp(c_c^\top z_i / \lambda k + \tfrac12 \ln \hat q_c)`."""
        return self.posterior_logits(outputs[0])

    def posterior_logits(self, codes: Tensor) -> Tensor:
        """The same for codes ``[b, d]``; the likeliest is the label."""
        if self.centers is None or self.assignments is None:
            raise RuntimeError("there are no centres yet: call refresh(codes of all samples) first, as train() does")
        centers, shares = self.centers.to(codes), self.assignments.mean(0).to(codes)
        return codes @ centers.mT / (self.penalty * self.n_clusters) + shares.log() / 2

    def state_dict(self) -> dict[str, Tensor]:
        """Centres and assignments, for a checkpoint."""
        if self.centers is None or self.assignments is None:
            return {}
        return {"centers": self.centers, "assignments": self.assignments}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """The converse; of nothing, there are no centres."""
        self.centers, self.assignments = state.get("centers"), state.get("assignments")
