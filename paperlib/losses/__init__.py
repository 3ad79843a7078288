"""Objectives as pure functions of logits: one idea a file; what is minimised ends in ``_loss``."""

from paperlib.losses.fairness import fairness_loss
from paperlib.losses.mutual_information import mutual_information_loss
from paperlib.losses.self_labeling import self_labeling_loss

__all__ = ["fairness_loss", "mutual_information_loss", "self_labeling_loss"]
