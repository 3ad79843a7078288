"""Objectives as pure functions of logits: one idea a file; what is minimised ends in ``_loss``."""

from paperlib.losses.fairness import fairness_loss
from paperlib.losses.gemini import gemini
from paperlib.losses.mutual_information import mutual_information_loss
from paperlib.losses.self_labeling import self_labeling_loss
from paperlib.losses.virtual_adversarial import virtual_adversarial_loss

__all__ = ["fairness_loss", "gemini", "mutual_information_loss", "self_labeling_loss", "virtual_adversarial_loss"]
