"""What changed between two sets of rows, and how it reads."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

FEW = 5  # seeds: on fewer, one shift on each may be chance
WIDTH = 120
LONGEST = 10  # a list that is no change beyond noise shows this many entries, then a count


class Group(NamedTuple):
    """What rows share that differ by their seed alone."""

    paper: str
    table: str
    dataset: str
    method: str
    size: str
    metric: str


@dataclass(frozen=True)
class Change:
    """A group whose values differ on the seeds that both sides have.

    Attributes:
        group: which.
        seeds: where both values are numbers, ascending.
        difference: mean of B - A over these seeds, in the unit of the metric.
        mean_a: mean of A over these seeds.
        mean_b: mean of B over these seeds.
        p: adjusted p-value of the paired test; nan where there is no test (one seed, or one shift on every seed).
    """

    group: Group
    seeds: tuple[int, ...]
    difference: float
    mean_a: float
    mean_b: float
    p: float = math.nan

    @property
    def effect(self) -> float:
        """Size of the difference relative to the larger mean, so that metrics of all units can be sorted together."""
        largest = max(abs(self.mean_a), abs(self.mean_b), abs(self.difference))
        return abs(self.difference) / largest if largest else 0.0

    def __str__(self) -> str:
        means = f"B - A = {self.difference:+.4g}, from {self.mean_a:.6g} to {self.mean_b:.6g}"
        if len(self.seeds) == 1:
            return f"{means}, seed {self.seeds[0]}"
        test = "the same shift on each, not tested" if math.isnan(self.p) else f"adjusted p = {self.p:.2g}"
        return f"{means}, {len(self.seeds)} seeds, {test}"


@dataclass(frozen=True)
class Seeds:
    """Seeds of a group, ascending; ``whole`` where the other side has no row of the group at all."""

    group: Group
    seeds: tuple[int, ...]
    whole: bool = False

    def __str__(self) -> str:
        return f"{'seed' if len(self.seeds) == 1 else 'seeds'} {', '.join(_shorten([str(one) for one in self.seeds]))}"


@dataclass(frozen=True)
class Origin:
    """Where the rows of one side come from: for each column, how many rows hold which text."""

    rows: int
    commits: tuple[tuple[str, int], ...]
    devices: tuple[tuple[str, int], ...]
    versions: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Differences:
    """What :func:`diff` found; ``str()`` is the text that the command prints, at most 120 characters a line.

    Attributes:
        level: the false discovery rate.
        a: where the rows of A come from.
        b: where the rows of B come from.
        beyond_noise: largest effect first; groups that the test calls changed or that moved alike on every seed.
        within_noise: tested, and not called changed.
        not_judged: differ on the one seed that both sides have, or by one amount on fewer than five: no test applies.
        became_undefined: numbers in A that are nan in B.
        became_defined: nan in A, numbers in B.
        only_a: groups and seeds that B lacks.
        only_b: groups and seeds that A lacks.
        identical: number of groups whose values are equal on all common seeds.
    """

    level: float
    a: Origin
    b: Origin
    beyond_noise: tuple[Change, ...]
    within_noise: tuple[Change, ...]
    not_judged: tuple[Change, ...]
    became_undefined: tuple[Seeds, ...]
    became_defined: tuple[Seeds, ...]
    only_a: tuple[Seeds, ...]
    only_b: tuple[Seeds, ...]
    identical: int

    @property
    def changed(self) -> bool:
        """Whether a number changed beyond noise, or became defined or undefined.

        What only one side has, and what cannot be judged, is shown and does not count: no number is known to have
        changed.
        """
        return bool(self.beyond_noise or self.became_undefined or self.became_defined)

    def __str__(self) -> str:
        return "\n".join(_lines(self))


def _lines(found: Differences) -> Iterator[str]:
    for name, side in (("A", found.a), ("B", found.b)):
        yield f"{name}: {_count(side.rows, 'row')}"
        for column in ("commits", "devices", "versions"):
            held = [f"{text} ({_count(number, 'row')})" for text, number in getattr(side, column)]
            yield from _wrap(f"{column}: {'; '.join(_shorten(held)) or 'none'}", "  ")
    tested = sum(not math.isnan(one.p) for one in found.beyond_noise) + len(found.within_noise)
    yield ""
    rate = f"({_count(tested, 'group')} tested, false discovery rate {found.level:g})"
    yield f"Changed beyond noise: {_count(len(found.beyond_noise), 'group')} {rate}"
    yield from _entries(found.beyond_noise, shorten=False)
    for title, seeds in (("undefined", found.became_undefined), ("defined", found.became_defined)):
        if seeds:
            yield f"Became {title}: {_count(len(seeds), 'group')}"
            yield from _entries(seeds, shorten=False)
    if found.not_judged:
        yield f"Cannot be judged, one seed or one shift on fewer than {FEW}: {_count(len(found.not_judged), 'group')}"
        yield from _entries(found.not_judged)
    for name, only in (("A", found.only_a), ("B", found.only_b)):
        for where, whole in (("", True), (", of groups that both have", False)):
            chosen = [one for one in only if one.whole is whole]
            if chosen:
                rows = sum(len(one.seeds) for one in chosen)
                yield f"Only in {name}{where}: {_count(len(chosen), 'group')}, {_count(rows, 'row')}"
                yield from _entries(chosen)
    yield f"Within noise: {_count(len(found.within_noise), 'group')}"
    yield f"Identical (to rounding): {_count(found.identical, 'group')}"


def _entries(entries: Sequence[Change | Seeds], *, shorten: bool = True) -> Iterator[str]:
    shown = entries[:LONGEST] if shorten else entries
    for one in shown:
        yield from _wrap(" | ".join(one.group), "  ")
        yield from _wrap(str(one), "      ")
    if len(entries) > len(shown):
        yield f"  and {_count(len(entries) - len(shown), 'more group')}"


def _shorten(texts: list[str]) -> list[str]:
    return texts if len(texts) <= LONGEST else [*texts[:LONGEST], f"and {len(texts) - LONGEST} more"]


def _wrap(text: str, indent: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent=indent, subsequent_indent=indent + "  ", break_on_hyphens=False)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
