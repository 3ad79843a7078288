"""A run's history for TensorBoard."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any


class Log:
    """Writes records for TensorBoard, or nothing where there is no folder.

    Args:
        folder: of the log, or None.
        done: steps that are done already; what an interrupted run logged beyond them is dropped by the viewer.

    Raises:
        ImportError: if TensorBoard is not installed, with the extra to install.
    """

    def __init__(self, folder: str | Path | None, *, done: int = 0) -> None:
        self._writer: Any = None
        if folder is not None:
            try:
                from torch.utils.tensorboard import SummaryWriter
            except ImportError as error:
                message = "tensorboard=... needs TensorBoard; install it with: pip install 'paperlib[tensorboard]'"
                raise ImportError(message) from error
            self._writer = SummaryWriter(str(folder), purge_step=done + 1 if done else None)

    def write(self, record: dict[str, float]) -> None:
        """Every entry of ``record`` but its ``step`` as a scalar at that step."""
        if self._writer is not None:
            for name, value in record.items():
                if name != "step":
                    self._writer.add_scalar(name, value, int(record["step"]))

    def __enter__(self) -> Log:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._writer is not None:
            self._writer.close()
