"""Objectives as pure functions of logits: one idea a file; what is minimised ends in ``_loss``."""

from paperlib.losses.fairness import fairness_loss
from paperlib.losses.gemini import gemini
from paperlib.losses.invariant_information import invariant_information_loss
from paperlib.losses.mutual_information import mutual_information_loss
from paperlib.losses.scan import confident_cross_entropy, scan_loss
from paperlib.losses.self_labeling import self_labeling_loss
from paperlib.losses.virtual_adversarial import virtual_adversarial_loss

__all__ = [
    "confident_cross_entropy",
    "fairness_loss",
    "gemini",
    "invariant_information_loss",
    "mutual_information_loss",
    "scan_loss",
    "self_labeling_loss",
    "virtual_adversarial_loss",
]
