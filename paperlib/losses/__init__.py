"""Objectives as pure functions of logits: one idea a file; what is minimised ends in ``_loss``."""

from paperlib.losses.cluster_contrast import cluster_contrastive_loss
from paperlib.losses.contrastive import (
    critic_matrix,
    feature_contrastive_loss,
    logit_bound_loss,
    probability_contrastive_loss,
)
from paperlib.losses.fairness import fairness_loss
from paperlib.losses.gemini import gemini
from paperlib.losses.invariant_information import invariant_information_loss
from paperlib.losses.mutual_information import mutual_information_loss
from paperlib.losses.scan import confident_cross_entropy, scan_loss
from paperlib.losses.self_labeling import self_labeling_loss
from paperlib.losses.temi import temi_loss
from paperlib.losses.virtual_adversarial import virtual_adversarial_loss

__all__ = [
    "cluster_contrastive_loss",
    "confident_cross_entropy",
    "critic_matrix",
    "fairness_loss",
    "feature_contrastive_loss",
    "gemini",
    "invariant_information_loss",
    "logit_bound_loss",
    "mutual_information_loss",
    "probability_contrastive_loss",
    "scan_loss",
    "self_labeling_loss",
    "temi_loss",
    "virtual_adversarial_loss",
]
