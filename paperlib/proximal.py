r"""Proximal operators that switch features off: :math:`\operatorname{prox}_{h}(u) = \arg\min_w \frac12\|w-u\|^2+h(w)`.

A weight matrix has one column a feature. Both operators are in closed form, batched over the features, and return
exact zeros.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from paperlib._checks import check_matrix, check_weight


def group_norms(weight: Tensor, *, groups: Tensor | None = None) -> Tensor:
    """Euclidean norms of the groups of columns, shape ``[number of groups]``, in the order of their ids.

    Cost: O(k d), plus O(d log d) with groups.

    Args:
        weight: shape ``[k, d]``.
        groups: whole numbers, shape ``[d]``: columns of the same number are one group. When None, each column is.

    Raises:
        TypeError: if ``weight`` is no floating-point tensor, or ``groups`` no tensor of whole numbers.
        ValueError: if a shape does not fit.
    """
    return _norms_and_members(weight, groups)[0]


def group_soft_threshold(weight: Tensor, threshold: float, *, groups: Tensor | None = None) -> Tensor:
    r"""The proximal operator of :math:`\lambda \sum_g \|W_g\|_2`, where a group :math:`g` is a column or several.

    Each group becomes :math:`(1 - \lambda / \|W_g\|_2)_+ W_g`; large groups are not penalised more.

    Source: Yuan and Lin, Model selection and estimation in regression with grouped variables, Journal of the Royal
    Statistical Society B 68 (2006). Cost: O(k d), plus O(d log d) with groups.

    Args:
        weight: shape ``[k, d]``.
        threshold: :math:`\lambda`, at least zero, in the units of ``weight``.
        groups: whole numbers, shape ``[d]``: columns of the same number are one group. When None, each column is.

    Returns:
        The minimiser, shape ``[k, d]``; groups of a norm of at most the threshold are exactly zero.

    Raises:
        TypeError: if ``weight`` is no floating-point tensor, or ``groups`` no tensor of whole numbers.
        ValueError: if a shape does not fit or ``threshold`` is not a finite number of at least zero.
    """
    threshold = check_weight(threshold, "threshold")
    norms, members = _norms_and_members(weight, groups)
    kept = torch.where(norms <= threshold, 0.0, 1 - threshold / norms)  # the form that keeps NaN
    return weight * (kept if members is None else kept[members])


def hierarchical_prox(
    skip: Tensor, hidden: Tensor, threshold: float, *, hierarchy: float = 10.0
) -> tuple[Tensor, Tensor]:
    r"""The proximal operator of LassoNet: a feature enters the hidden layer only as far as its skip weights allow.

    For each feature, with :math:`v` and :math:`u` its columns of ``skip`` and ``hidden``, the global minimiser of

    .. math::
        \tfrac12 \|\beta - v\|^2 + \tfrac12 \|w - u\|^2 + \lambda \|\beta\|_2
        \quad\text{subject to}\quad \|w\|_\infty \le M \|\beta\|_2 .

    Given the norm :math:`r = \|\beta\|`, the best :math:`\beta` is :math:`r v / \|v\|` and the best :math:`w` is
    :math:`u` clipped to :math:`\pm M r`. What is left is convex in :math:`r`, with derivative

    .. math::
        r - \|v\| + \lambda - M \sum_i (|u_i| - M r)_+ .

    The sum is the largest of :math:`S_m - m M r` over :math:`m`, where :math:`S_m` adds the :math:`m` largest
    :math:`|u_i|`. So the derivative is the least of increasing lines, and its root is the largest of theirs:

    .. math::
        r = \max_{0 \le m \le h} \Bigl( \frac{\|v\| - \lambda + M S_m}{1 + m M^2} \Bigr)_+ .

    Source: Lemhadri, Ruan, Abraham and Tibshirani, LassoNet: a neural network with feature sparsity, JMLR 22 (2021),
    the problem that their algorithm Hier-Prox solves; the derivation is ours. Groups of several features are left out:
    the constraint would couple them. Cost: O(d h log h + k d).

    Args:
        skip: weights from the features to the outputs, shape ``[k, d]``.
        hidden: weights from the features to the hidden layer, shape ``[h, d]``.
        threshold: :math:`\lambda`, at least zero, in the units of the weights.
        hierarchy: :math:`M`, at least zero; at zero the hidden layer is switched off.

    Returns:
        The minimising ``skip`` and ``hidden``. Where :math:`v = 0` and :math:`r > 0` every direction is as good;
        :math:`\beta` then has equal entries, which shift all logits of a sample alike and change no prediction.

    Raises:
        TypeError: if ``skip`` or ``hidden`` is no floating-point tensor.
        ValueError: if a shape does not fit, or ``threshold`` or ``hierarchy`` is not a finite number of at least zero.
    """
    (k, d), h = check_matrix(skip, "skip").shape, check_matrix(hidden, "hidden").shape[0]
    if hidden.shape[1] != d:
        raise ValueError(f"skip and hidden must have the same features, got {list(skip.shape)}, {list(hidden.shape)}")
    threshold, hierarchy = check_weight(threshold, "threshold"), check_weight(hierarchy, "hierarchy")
    length = torch.linalg.vector_norm(skip, dim=0)
    sums = nn.functional.pad(hidden.abs().sort(dim=0, descending=True).values.cumsum(0), (0, 0, 1, 0))  # [h + 1, d]
    slopes = 1 + hierarchy**2 * torch.arange(h + 1, dtype=hidden.dtype, device=hidden.device)
    norm = ((length - threshold + hierarchy * sums) / slopes[:, None]).amax(0).clamp_min(0)
    direction = torch.where(length > 0, skip / length, k**-0.5)
    bound = hierarchy * norm
    return norm * direction, hidden.clamp(-bound, bound)


def _norms_and_members(weight: Tensor, groups: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """Norms of the groups, and the place among them of each column's group (None: its own place)."""
    columns = torch.linalg.vector_norm(check_matrix(weight, "weight"), dim=0)
    if groups is None:
        return columns, None
    if not isinstance(groups, Tensor) or groups.is_floating_point() or groups.is_complex():
        raise TypeError(f"groups must be None or a tensor of whole numbers, got {groups!r}; use groups.long()")
    if groups.shape != columns.shape:
        raise ValueError(
            f"groups must have one number for each of the {len(columns)} columns of weight, got shape "
            f"{list(groups.shape)}"
        )
    found, members = groups.unique(return_inverse=True)
    return columns.new_zeros(len(found)).index_add(0, members, columns.square()).sqrt(), members
