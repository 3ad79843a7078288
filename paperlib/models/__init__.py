"""Models from inputs to logits; a network is a plain ``torch.nn.Module``."""

from paperlib.models.linear import LinearSoftmax

__all__ = ["LinearSoftmax"]
