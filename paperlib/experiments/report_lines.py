"""Lines of the report's tables: a mean over seeds, the number that stands beside it, and both as Markdown."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from paperlib.experiments.reported import Reported
from paperlib.experiments.results import Row

NAMES = ("dataset", "method", "metric")


@dataclass(frozen=True)
class Line:
    """Our rows of one quantity, in the order of their seeds, and the number that stands beside them; not both empty."""

    rows: tuple[Row, ...]
    reported: Reported | None

    @property
    def names(self) -> list[str]:
        """Dataset, method with its size where that is not a laptop's, and metric."""
        one = self.rows[0] if self.rows else self.reported
        assert one is not None
        size = self.rows[0].size if self.rows else "laptop"
        return [one.dataset, one.method + (f" (size {size})" if size != "laptop" else ""), one.metric]

    def cell(self, column: str) -> str:
        """What stands under ``"reported"``, ``"ours"`` or ``"gap"``; the gap is ours minus theirs."""
        values, theirs = [row.value for row in self.rows], self.reported
        if column == "reported" and theirs:
            return _mean(theirs.value, theirs.spread, f" ({theirs.runs} runs)" if theirs.runs > 1 else "")
        if column == "ours" and values:
            defined = len(values) > 1 and not any(map(math.isnan, values))
            seeds = f" ({len(values)} seed{'s' if len(values) > 1 else ''})"
            return _mean(fmean(values), stdev(values) if defined else math.nan, seeds)
        if column == "gap" and values and theirs:
            gap = round(fmean(values) - theirs.value, 3) + 0.0  # no minus zero
            return ("+" if gap > 0 else "") + _number(gap)
        return "–"


def side_by_side(lines: Iterable[Line], *columns: str) -> str:
    """A table of lines, with these of the columns that :meth:`Line.cell` knows."""
    return markdown_table((*NAMES, *columns), [[*line.names, *map(line.cell, columns)] for line in lines])


def every_seed(lines: Iterable[Line]) -> str:
    """The values of each line in the order of the seeds, folded."""
    body = []
    for line in lines:
        seeds = " ".join(str(row.seed) for row in line.rows)
        body.append([*line.names, seeds, " ".join(_number(row.value) for row in line.rows)])
    return details("Every seed", markdown_table((*NAMES, "seeds", "values, in that order"), body))


def details(title: str, content: str) -> str:
    """Markdown that is folded, in GitHub and in the book."""
    return f"<details>\n<summary>{title}</summary>\n\n{content}\n\n</details>"


def markdown_table(header: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """A table in GitHub's Markdown."""
    body = ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines]
    return "\n".join(["| " + " | ".join(header) + " |", "|" + "---|" * len(header), *body])


def _number(value: float) -> str:
    return "undefined" if math.isnan(value) else f"{value:.3f}".replace("-", "\N{MINUS SIGN}")


def _mean(value: float, spread: float, many: str) -> str:
    return _number(value) + ("" if math.isnan(spread) else f" ± {_number(spread)}") + many
