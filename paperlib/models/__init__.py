"""Models from inputs to logits; a network is a plain ``torch.nn.Module``."""

from paperlib.models.linear import LinearSoftmax, critical_gamma

__all__ = ["LinearSoftmax", "critical_gamma"]
