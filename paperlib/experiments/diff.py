"""What changed between two sets of rows beyond noise: seeds aligned, differences tested."""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from statistics import fmean

import numpy as np
from scipy import stats

from paperlib.experiments.differences import FEW, Change, Differences, Group, Origin, Seeds
from paperlib.experiments.results import Row, read_rows

ROUNDING = 64 * 2.0**-52  # times the largest value of a group: differences up to it are taken for rounding
Values = dict[Group, dict[int, float]]


def diff(a: Iterable[Row], b: Iterable[Row], *, level: float = 0.05) -> Differences:
    r"""Compare the values of two sets of rows, group by group, on the seeds that both have.

    A group is one paper, table, data set, method, size and metric. The columns ``seconds`` and ``peak_memory`` are
    circumstances and are not compared; a metric that is itself a time is. The differences B - A over the seeds of a
    group get a two-sided paired t-test, and the p-values of all groups tested the adjustment of Benjamini and
    Yekutieli (2001), which holds however the metrics depend on each other. Values that are equal to rounding are
    identical, and nan equals nan.

    What it assumes: seeds are independent, and the differences over the seeds are roughly normal. Metrics that take
    few values break the second. A group that moves by the same amount on each seed has no spread to test against: it
    is called changed, outside the adjustment, if there are five seeds or more. On fewer, a metric of few values, such
    as a number of clusters, can do so by chance.

    What ``level`` means: among the groups that the test calls changed, the share called so wrongly is at most
    ``level`` on average. What a group within noise does not say: that nothing changed. With few seeds, or as the one
    change among many groups, a real change must be large to be found.

    Args:
        a: rows before, in any order.
        b: rows after, in any order.
        level: the false discovery rate, above 0 and below 1.

    Returns:
        Everything found. Costs time linear in the rows but for sorting them.

    Raises:
        TypeError: if something that is not a :class:`Row` is among the rows.
        ValueError: if ``level`` is out of its range, or a side has two values for the same group and seed.
    """
    if not 0 < level < 1:
        raise ValueError(f"level={level!r} must be above 0 and below 1, such as 0.05")
    rows_a, rows_b = list(a), list(b)
    values_a, values_b = _values(rows_a, "A"), _values(rows_b, "B")
    tested: list[tuple[Change, list[float]]] = []
    shifted: list[Change] = []
    not_judged: list[Change] = []
    undefined, defined = [], []
    identical = 0
    for group in sorted(values_a.keys() & values_b.keys()):
        x, y = values_a[group], values_b[group]
        common = sorted(x.keys() & y.keys())
        state = {seed: (math.isnan(x[seed]), math.isnan(y[seed])) for seed in common}
        lost, found, seeds = (
            tuple(seed for seed in common if state[seed] == wanted)
            for wanted in ((False, True), (True, False), (False, False))
        )
        undefined += [Seeds(group, lost)] if lost else []
        defined += [Seeds(group, found)] if found else []
        differences = [y[seed] - x[seed] for seed in seeds]
        slack = ROUNDING * max((max(abs(x[seed]), abs(y[seed])) for seed in seeds), default=0.0)
        if all(abs(one) <= slack for one in differences):
            identical += bool(common) and not lost and not found
            continue
        means = (fmean(values) for values in (differences, (x[seed] for seed in seeds), (y[seed] for seed in seeds)))
        change = Change(group, seeds, *means)
        if len(seeds) == 1 or max(differences) - min(differences) <= slack:
            (not_judged if len(seeds) < FEW else shifted).append(change)
        else:
            tested.append((change, differences))
    judged = [replace(change, p=p) for (change, _), p in zip(tested, _adjusted([d for _, d in tested]), strict=True)]
    return Differences(
        level=level,
        a=_origin(rows_a),
        b=_origin(rows_b),
        beyond_noise=_by_effect([*shifted, *(one for one in judged if one.p <= level)]),
        within_noise=_by_effect(one for one in judged if one.p > level),
        not_judged=_by_effect(not_judged),
        became_undefined=tuple(undefined),
        became_defined=tuple(defined),
        only_a=_only(values_a, values_b),
        only_b=_only(values_b, values_a),
        identical=identical,
    )


def diff_files(path_a: str | os.PathLike[str], path_b: str | os.PathLike[str], *, level: float = 0.05) -> Differences:
    """:func:`diff` of the rows of two CSV files.

    Raises:
        FileNotFoundError: if a file is not there.
        ValueError: if a file does not follow the schema, or as in :func:`diff`.
    """
    return diff(read_rows(path_a), read_rows(path_b), level=level)


def _values(rows: Iterable[Row], side: str) -> Values:
    """Value by group and seed; a row that is there twice counts once."""
    values: Values = {}
    for row in rows:
        if not isinstance(row, Row):
            raise TypeError(f"{side} holds a {type(row).__name__}; diff takes Row objects, diff_files takes paths")
        group = Group(row.paper, row.table, row.dataset, row.method, row.size, row.metric)
        before = values.setdefault(group, {}).setdefault(row.seed, row.value)
        if before != row.value and not (math.isnan(before) and math.isnan(row.value)):
            two = f"{before!r} and {row.value!r}; keep the rows of one run"
            raise ValueError(f"{side} has two values for {' | '.join(group)}, seed {row.seed}: {two}")
    return values


def _adjusted(differences: Sequence[Sequence[float]]) -> list[float]:
    """Adjusted p-values of the groups, one call of scipy for all groups with as many seeds."""
    p = np.ones(len(differences))
    for n in {len(one) for one in differences}:
        places = [place for place, one in enumerate(differences) if len(one) == n]
        p[places] = stats.ttest_1samp(np.array([differences[place] for place in places]), 0.0, axis=1).pvalue
    return stats.false_discovery_control(p, method="by").tolist()


def _by_effect(changes: Iterable[Change]) -> tuple[Change, ...]:
    return tuple(sorted(changes, key=lambda one: (-one.effect, one.group)))


def _only(here: Values, there: Values) -> tuple[Seeds, ...]:
    missing = ((group, tuple(sorted(here[group].keys() - there.get(group, {}).keys()))) for group in sorted(here))
    return tuple(Seeds(group, seeds, whole=group not in there) for group, seeds in missing if seeds)


def _origin(rows: Sequence[Row]) -> Origin:
    columns = ([getattr(row, name) for row in rows] for name in ("commit", "device", "versions"))
    counted = (sorted(Counter(column).items(), key=lambda item: (-item[1], item[0])) for column in columns)
    return Origin(len(rows), *(tuple(one) for one in counted))
