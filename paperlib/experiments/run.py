"""Run a notebook with other parameters: an executed copy and its rows in a folder, or a reason why not."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from paperlib.experiments.parameters import declared_parameters, read_parameters


class RunError(RuntimeError):
    """A notebook that was started and did not finish."""


def run_notebook(
    notebook: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    parameters: Iterable[tuple[str, str]] = (),
    kernel: str = "python3",
    progress: bool = False,
) -> Path:
    """Execute a copy of ``notebook`` in a kernel of its own, in the notebook's folder.

    Args:
        notebook: the notebook; it is not changed.
        out: folder for the executed copy, and for ``rows.csv`` with what the notebook recorded (rows that are there
            stay); made if missing.
        parameters: names and texts, read against the notebook's ``parameters`` cell before anything starts.
        kernel: name of the Jupyter kernel.
        progress: whether to draw a progress bar on stderr.

    Returns:
        The executed copy, ``out/NAME.ipynb``.

    Raises:
        ParameterError: if the notebook or a parameter is refused; nothing was started or written.
        ValueError: if ``out`` is the notebook's own folder.
        ImportError: if papermill is not installed, with the extra to install.
        RunError: if a cell failed; what ran until then is in ``out/NAME.failed.ipynb``.
        OSError: if ``out`` cannot be written.
    """
    source, folder = Path(notebook).resolve(), Path(out).expanduser().resolve()
    values = read_parameters(declared_parameters(notebook), parameters)
    if folder == source.parent:
        raise ValueError(f"the executed copy would overwrite {notebook}; choose another folder than its own")
    papermill = _papermill()
    from jupyter_client.kernelspec import NoSuchKernel
    from papermill.exceptions import PapermillExecutionError

    final, failed = folder / source.name, folder / f"{source.stem}.failed.ipynb"
    folder.mkdir(parents=True, exist_ok=True)
    # papermill saves after every cell: into a hidden folder, from which a whole file is moved in one step.
    with tempfile.TemporaryDirectory(prefix=f".{source.stem}-", dir=folder) as scratch, _results_in(folder):
        copy = Path(scratch) / source.name
        try:
            papermill.execute_notebook(
                str(source),
                str(copy),
                values,
                kernel_name=kernel,
                cwd=str(source.parent),
                progress_bar=progress,
                # It warns of its own transport on every start, and calls it an error, now and then, to be told to stop.
                extra_arguments=["--IPKernelApp.log_level=CRITICAL"],
            )
        except NoSuchKernel:
            raise RunError(f"there is no Jupyter kernel {kernel!r}; `jupyter kernelspec list` shows yours") from None
        except PapermillExecutionError as error:
            place = _failed_cell(copy)
            os.replace(copy, failed)
            raise RunError(
                f"cell {place} of {notebook} failed: {error.ename}: {error.evalue}\n"
                f"what ran until then, with the traceback: {failed}"
            ) from None
        os.replace(copy, final)
    failed.unlink(missing_ok=True)
    return final


def _failed_cell(copy: Path) -> int:
    """Place of the failed cell in the notebook that was given, counted from 1: papermill puts in cells of its own."""
    cells = json.loads(copy.read_text(encoding="utf-8"))["cells"]
    own = {"injected-parameters", "papermill-error-cell-tag"}
    given = [cell for cell in cells if own.isdisjoint(cell["metadata"].get("tags", []))]
    failed = (i for i, cell in enumerate(given, 1) if any(o["output_type"] == "error" for o in cell.get("outputs", [])))
    return next(failed)


def _papermill() -> Any:
    try:
        import papermill
        from papermill.translators import PythonTranslator, papermill_translators
    except ImportError as error:
        message = "running a notebook needs papermill; install it with: pip install 'paperlib[notebooks]'"
        raise ImportError(message) from error

    class Translator(PythonTranslator):
        """papermill's own, which would hand a tuple over as a string."""

        @classmethod
        def translate(cls, val: Any) -> str:
            if isinstance(val, tuple):
                return f"({''.join(f'{cls.translate(item)}, ' for item in val)})"
            return super().translate(val)

    papermill_translators.register("python", Translator)
    return papermill


@contextmanager
def _results_in(folder: Path) -> Iterator[None]:
    """Let the kernel, which inherits the environment, record its rows in ``folder``."""
    before = os.environ.get("PAPERLIB_RESULTS")
    os.environ["PAPERLIB_RESULTS"] = str(folder)
    try:
        yield
    finally:
        del os.environ["PAPERLIB_RESULTS"]
        if before is not None:
            os.environ["PAPERLIB_RESULTS"] = before
