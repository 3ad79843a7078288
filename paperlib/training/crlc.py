"""Contrastive clustering across views: cluster heads and an embedding, trained together."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

import torch
from torch import Tensor

from paperlib._checks import check_choice, check_positive, check_weight
from paperlib.information import entropy
from paperlib.losses.contrastive import (
    CRITICS,
    Critic,
    check_smoothing,
    contrast_of,
    feature_contrastive_loss,
    logit_bound_loss,
    smoothed,
)
from paperlib.training.mean_prediction import mean_prediction
from paperlib.training.running_prior import KeepsPrior, RunningPrior
from paperlib.training.two_views import with_heads

EntropyOf = Literal["batch", "samples"]


@dataclass
class Crlc(KeepsPrior):
    r"""The loss of CRLC, :math:`\frac1h \sum_s [L_{PC}^s - \lambda_1 H^s + w L_b^s] + \lambda_2 L_{FC}`, of two views.

    :math:`L_{PC}` is :func:`paperlib.losses.probability_contrastive_loss` of a head, :math:`H` the entropy of its mean
    prediction over the batch, a view at a time and then averaged, :math:`L_b` is
    :func:`paperlib.losses.logit_bound_loss`, and :math:`L_{FC}` is
    :func:`paperlib.losses.feature_contrastive_loss` of the embeddings. Smoothing concerns :math:`L_{PC}` alone.

    Source: Do, Tran and Venkatesh 2021 (arXiv 2107.11635) and the authors' code. The paper is reported to weigh entropy
    by 1; the code's default for CIFAR-10 is 2.

    Cost beside the model's: O(h b k) for the critics ``"log_dot"`` and ``"log_dot_prior"``, O(h b^2 k) for the others,
    and O(b^2 e) for the embeddings. Memory is that of the losses, for every head. On several processes each computes
    the loss of the whole batch.

    Attributes:
        critic: of the predictions.
        entropy_weight: :math:`\lambda_1`.
        feature_weight: :math:`\lambda_2`; with 0 a model without embeddings will do.
        cluster_weight: of the mean over heads; with 0 features alone are learnt.
        entropy_of: ``"batch"``; or ``"samples"`` for the mean entropy of single predictions, a mistake that is here to
            show what it costs: it rewards predictions that say nothing.
        temperature: of the embeddings' contrast.
        smoothing: of the predictions' contrast.
        bound: of the logits, and
        bound_weight: :math:`w`, what it weighs.
        prior: of the critic ``"log_dot_prior"``: a running mean of the (smoothed) predictions, one for each head.

    Raises:
        TypeError: if ``prior`` is no `RunningPrior`.
        ValueError: if a setting is out of its range.
    """

    critic: Critic = "log_dot"
    entropy_weight: float = 1.0
    feature_weight: float = 10.0
    cluster_weight: float = 1.0
    entropy_of: EntropyOf = "batch"
    temperature: float = 0.1
    smoothing: float = 0.01
    bound: float = 25.0
    bound_weight: float = 0.01
    prior: RunningPrior = field(default_factory=RunningPrior)

    def __post_init__(self) -> None:
        check_choice(self.critic, "critic", CRITICS)
        check_choice(self.entropy_of, "entropy_of", get_args(EntropyOf))
        for name in ("entropy_weight", "feature_weight", "cluster_weight", "bound_weight"):
            check_weight(getattr(self, name), name)
        check_positive(self.temperature, "temperature"), check_positive(self.bound, "bound")
        check_smoothing(self.smoothing)
        if not isinstance(self.prior, RunningPrior):
            raise TypeError(f"prior must be a RunningPrior, got {type(self.prior).__name__}")

    def __call__(self, outputs: Tensor | tuple[Tensor, Tensor], index: Tensor | None = None) -> Tensor:
        """The loss, in nats.

        Args:
            outputs: logits ``[2, b, k]``, or ``[2, b, h, k]`` of several heads, and embeddings ``[2, b, e]``; logits
                alone where ``feature_weight`` is 0.
            index: not used.

        Raises:
            ValueError: if there are not two views, or no embeddings where they are needed.
        """
        logits, embeddings = outputs if isinstance(outputs, tuple) else (outputs, None)
        logits = with_heads(logits)
        loss = self.cluster_weight * self._of_heads(logits, learn_prior=self.critic == "log_dot_prior").mean()
        if embeddings is None:
            if self.feature_weight > 0:
                raise ValueError("the model gives no embeddings; use ContrastiveNetwork, or feature_weight=0")
            return loss
        if embeddings.ndim != 3 or embeddings.shape[:2] != logits.shape[:2]:
            given = f"{list(embeddings.shape)} beside logits {list(logits.shape)}"
            raise ValueError(f"embeddings must have shape [2, b, e], of the samples of the logits; got {given}")
        if self.feature_weight == 0:
            return loss + 0 * embeddings.sum()  # several processes ask that every parameter take part
        return loss + self.feature_weight * feature_contrastive_loss(*embeddings, temperature=self.temperature)

    def per_head(self, outputs: Tensor | tuple[Tensor, Tensor], index: Tensor | None = None) -> Tensor:
        """The part of each cluster head, shape ``[h]``, of outputs as above; the lowest chooses one without labels.

        The running prior stays as it is.
        """
        return self._of_heads(with_heads(outputs[0] if isinstance(outputs, tuple) else outputs))

    def predictions(self, outputs: Tensor | tuple[Tensor, Tensor]) -> Tensor:
        """Logits ``[b, k]`` of the first head's mean prediction over the views, for the history."""
        return mean_prediction(with_heads(outputs[0] if isinstance(outputs, tuple) else outputs)[:, :, 0])

    def _of_heads(self, logits: Tensor, *, learn_prior: bool = False) -> Tensor:
        """The part of each head ``[h]`` of logits ``[2, b, h, k]``; the batch may be taken into the prior first."""
        log_probs = logits.log_softmax(-1)
        smooth = smoothed(log_probs, self.smoothing)
        if learn_prior:
            self.prior.update(smooth.detach().exp().mean((0, 1)))
        heads = zip(logits.unbind(2), log_probs.unbind(2), smooth.unbind(2), self.prior.of_heads(logits), strict=True)
        return torch.stack([self._of_head(*head) for head in heads])

    def _of_head(self, logits: Tensor, log_probs: Tensor, smooth: Tensor, prior: Tensor | None) -> Tensor:
        loss = contrast_of(smooth.flatten(0, 1), self.critic, prior)
        if self.entropy_weight > 0:
            probs = log_probs.exp()
            spread = entropy(probs.mean(1) if self.entropy_of == "batch" else probs).mean()
            loss = loss - self.entropy_weight * spread
        if self.bound_weight > 0:
            loss = loss + self.bound_weight * logit_bound_loss(logits.flatten(0, 1), bound=self.bound)
        return loss
