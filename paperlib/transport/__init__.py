"""Optimal transport between discrete measures on one set of points, as dual potentials."""

from paperlib.transport.pairs import all_pairs, random_pairs
from paperlib.transport.potentials import Potentials, transport_potentials

__all__ = ["Potentials", "all_pairs", "random_pairs", "transport_potentials"]
