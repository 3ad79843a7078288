"""House style for figures, one function a kind of figure; for notebooks, pages and reports.

The first seven colours are those of Okabe and Ito, which colour-blind readers can tell apart; groups differ in their
marker too, up to a hundred of them.
Figures are drawn on white, also in a dark page, where they stand on a white card.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap, to_rgb
from numpy.typing import ArrayLike, NDArray

from paperlib.metrics import best_assignment

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8C6D31", "#7F7F7F", "#5D3A9B")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "*")


def use_house_style() -> None:
    """Set matplotlib's and seaborn's defaults to the style of the book."""
    sns.set_theme(context="notebook", style="ticks", palette=PALETTE)
    plt.rcParams.update(
        {
            "axes.grid": True,
            "axes.spines.right": False,
            "axes.spines.top": False,
            "axes.titlelocation": "left",
            "axes.titlesize": "medium",
            "figure.constrained_layout.use": True,
            "figure.dpi": 80,
            "figure.figsize": (6.4, 3.6),
            "font.size": 11,
            "grid.alpha": 0.3,
            "legend.frameon": False,
            "savefig.facecolor": "white",
        }
    )


def scatter(x: ArrayLike, labels: ArrayLike, *, ax: Axes | None = None, names: Sequence[str] | None = None) -> Axes:
    """Points in the plane, a colour and a marker a label.

    Args:
        x: points, shape ``[n, 2]``.
        labels: whole numbers, shape ``[n]``.
        ax: axes to draw in; the current ones when None.
        names: a name a label for the legend; no legend when None.
    """
    ax = ax or plt.gca()
    x, labels = np.asarray(x), np.asarray(labels)
    for index, label in enumerate(np.unique(labels)):
        chosen = labels == label
        colour, marker = PALETTE[index % len(PALETTE)], MARKERS[(index + index // len(PALETTE)) % len(MARKERS)]
        name = None if names is None else names[index]
        across, up = x[chosen].T
        ax.scatter(across, up, s=28, color=colour, marker=marker, linewidths=0.4, edgecolors="white", label=name)
    if names is not None:
        ax.legend()
    return ax


def decision_regions(
    predict_proba: Callable[[NDArray[Any]], NDArray[Any]], x: ArrayLike, *, ax: Axes | None = None, margin: float = 0.12
) -> Axes:
    """Tint the plane by the most probable cluster, the stronger the more confident, with lines where clusters meet.

    Args:
        predict_proba: maps points ``[m, 2]`` to probabilities ``[m, k]``.
        x: points that set the limits, shape ``[n, 2]``.
        ax: axes to draw in; the current ones when None.
        margin: room around the points, as a share of their extent.
    """
    ax = ax or plt.gca()
    x = np.asarray(x)
    room = margin * np.ptp(x, axis=0).max()
    (left, bottom), (right, top) = x.min(0) - room, x.max(0) + room
    across, up = np.meshgrid(np.linspace(left, right, 160), np.linspace(bottom, top, 160))
    probs = np.asarray(predict_proba(np.column_stack([across.ravel(), up.ravel()])))
    winner = probs.argmax(1).reshape(across.shape)
    colours = np.array([to_rgb(colour) for colour in PALETTE])[np.arange(probs.shape[1]) % len(PALETTE)]
    blended = 1 - 0.35 * (probs @ (1 - colours))
    ax.imshow(
        blended.reshape(*across.shape, 3), extent=(left, right, bottom, top), origin="lower", aspect="auto", zorder=0
    )
    if len(np.unique(winner)) > 1:
        levels = np.arange(probs.shape[1] - 1) + 0.5
        ax.contour(across, up, winner, levels=levels, colors="#333333", linewidths=1)
    ax.grid(False)
    return ax


def confusion(
    y_true: ArrayLike, y_pred: ArrayLike, class_names: Sequence[str], *, ax: Axes | None = None, title: str = ""
) -> Axes:
    """Share of each class in each cluster, clusters ordered by the one-to-one matching with the classes.

    Args:
        y_true: classes, whole numbers from zero, shape ``[n]``.
        y_pred: clusters, shape ``[n]``.
        class_names: a name a class.
        ax: axes to draw in; the current ones when None.
        title: title of the axes.

    Raises:
        ValueError: if a class has no name.
    """
    ax = ax or plt.gca()
    y_true, y_pred = np.asarray(y_true), np.asarray(y_pred)
    if y_true.min() < 0 or y_true.max() >= len(class_names):
        raise ValueError(
            f"y_true has labels from {y_true.min()} to {y_true.max()}, but there are {len(class_names)} class names; "
            "count classes from zero and name each of them"
        )
    matching = best_assignment(y_true, y_pred)
    clusters = sorted(np.unique(y_pred).tolist(), key=lambda cluster: matching.get(cluster, len(class_names) + cluster))
    counts = np.array([[np.sum((y_true == c) & (y_pred == g)) for g in clusters] for c in range(len(class_names))])
    share = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    sns.heatmap(
        100 * share,
        ax=ax,
        annot=np.where(share >= 0.005, np.char.mod("%.0f", 100 * share), ""),
        fmt="",
        cmap=ListedColormap(sns.light_palette(PALETTE[0], n_colors=64)),
        vmin=0,
        vmax=100,
        cbar=False,
        annot_kws={"size": 9},
        xticklabels=[str(cluster) for cluster in clusters],
        yticklabels=list(class_names),
    )
    ax.set(xlabel="cluster (ordered to match)", ylabel="class", title=title)
    ax.tick_params(length=0)
    return ax
