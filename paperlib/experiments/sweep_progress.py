"""What a sweep says while it runs: a bar with the time left on a terminal, else a line for each cell."""

from __future__ import annotations

import sys
from types import TracebackType

from tqdm import tqdm

from paperlib.experiments.sweep import Finished


class Progress:
    """Called with each cell that is finished; use it in a ``with`` statement.

    Args:
        total: number of cells.
    """

    def __init__(self, total: int) -> None:
        self.total, self.seen, self.failed = total, 0, 0
        self.bar = tqdm(total=total, unit="cell") if sys.stderr.isatty() else None

    def __call__(self, one: Finished) -> None:
        """Take note of one cell."""
        self.seen += 1
        self.failed += bool(one.problem)
        if self.bar is None:
            if not one.before:
                words = f"[{self.seen}/{self.total}] {one.state}: {one.cell}, {one.seconds:.1f} s"
                print(words, file=sys.stderr, flush=True)
            return
        if one.before:  # it says nothing of how fast this call is
            self.bar.initial += 1
        self.bar.update()
        self.bar.set_postfix_str(f"{self.failed} failed" if self.failed else "")

    def __enter__(self) -> Progress:
        """Itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Leave the bar as it is."""
        if self.bar is not None:
            self.bar.close()
