"""Discriminative, information-theoretic clustering: the mathematics of five papers, held once.

Import the room you need, for example ``from paperlib.estimators import EntropyClustering``; importing the
package itself loads nothing heavy.
"""

__version__ = "0.1.0"
