"""Signs of how a run is going, from predictions alone; and a warning that names the knob when clusters die."""

from __future__ import annotations

import math
import warnings

import torch
from torch import Tensor

from paperlib.information import entropy

CONFIDENT = 0.9
_MEMORY = 0.8  # of the running mean prediction, from one look to the next
_DEAD = 0.05  # share of an equal part, under which a cluster counts as dead
_UNIFORM = 0.99  # mean entropy of the predictions over log k, above which they count as nearly uniform


def signs(logits: Tensor) -> dict[str, float]:
    """What predictions say of a run.

    Args:
        logits: shape ``[b, k]``.

    Returns:
        ``clusters_used``, the number of clusters that some sample prefers; ``marginal_entropy``, that of the mean
        prediction, in nats, ``log k`` when all clusters are used alike; ``confident_share``, the share of samples whose
        likeliest cluster has more than 0.9.
    """
    return _signs(logits.detach().softmax(-1))


def _signs(probs: Tensor) -> dict[str, float]:
    likeliest, cluster = probs.max(-1)
    numbers = torch.stack(
        (
            torch.zeros_like(probs[0]).index_fill(0, cluster, 1.0).sum(),
            entropy(probs.mean(0)),
            (likeliest > CONFIDENT).to(probs).mean(),
        )
    ).tolist()
    return dict(zip(("clusters_used", "marginal_entropy", "confident_share"), numbers, strict=True))


class Watch:
    """Looks at predictions now and then, and warns once of dead clusters and once of a run that decides nothing.

    Attributes:
        marginal: running mean prediction as a list of ``k`` numbers, or None before the first look.
    """

    def __init__(self, marginal: list[float] | None = None) -> None:
        self.marginal = marginal
        self._warned: set[str] = set()

    def look(self, logits: Tensor, *, progress: float) -> dict[str, float]:
        """`signs` of ``logits`` ``[b, k]``; warns from ``progress`` 0.1 on."""
        probs = logits.detach().softmax(-1)
        found = _signs(probs)
        now, spread = probs.mean(0).tolist(), entropy(probs).mean().item()
        last = now if self.marginal is None else self.marginal
        self.marginal = [_MEMORY * a + (1 - _MEMORY) * b for a, b in zip(last, now, strict=True)]
        if progress >= 0.1:
            self._warn(spread)
        return found

    def _warn(self, spread: float) -> None:
        assert self.marginal is not None
        k = len(self.marginal)
        dead = sum(share < _DEAD / k for share in self.marginal)
        if dead:
            self._once(
                "dead",
                f"{dead} of {k} clusters have hardly a sample left: raise the objective's fairness_weight or "
                "entropy_weight, start with "
                "MutualInformation before pseudo-labels, or raise batch_size if it is under ten times the number of "
                "clusters; if fewer clusters are what the data want, ignore this",
            )
        elif spread > _UNIFORM * math.log(k):
            self._once(
                "undecided",
                "every prediction is still nearly uniform: raise learning_rate, lower fairness_weight, or start with "
                "MutualInformation, whose gradient does not vanish where pseudo-labels are uniform",
            )

    def _once(self, kind: str, message: str) -> None:
        if kind not in self._warned:
            self._warned.add(kind)
            warnings.warn(message, stacklevel=5)
