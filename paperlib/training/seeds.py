"""Random numbers that depend on where a run is, not on how it got there."""

from __future__ import annotations

import numpy as np
import torch

ORDER, AUGMENTATION, NOISE, CHOICE = range(4)  # what the numbers are for


def seed_for(seed: int, purpose: int, number: int) -> int:
    """A seed of 64 bits for the ``number``-th epoch or step of a run.

    A run that resumes at a step needs no state of any generator: it derives the seed anew.
    """
    return int(np.random.SeedSequence([seed, purpose, number]).generate_state(1, np.uint64)[0])


def generator_for(seed: int, purpose: int, number: int, device: torch.device | str = "cpu") -> torch.Generator:
    """A generator with `seed_for`, on ``device``."""
    return torch.Generator(device).manual_seed(seed_for(seed, purpose, number))
