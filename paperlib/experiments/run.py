"""Run a notebook with other parameters: an executed copy and its rows in a folder, or a reason why not."""

from __future__ import annotations

import json
import os
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from paperlib.experiments.parameters import check_parameters, declared_parameters
from paperlib.experiments.results import read_rows
from paperlib.experiments.store import ROWS, sort_rows


class RunError(RuntimeError):
    """A notebook that was started and did not finish."""


# papermill changes the folder and we the environment of the whole process: its threads run one notebook at a time.
_ONE_AT_A_TIME = threading.Lock()


def run_notebook(
    notebook: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    parameters: Mapping[str, Any] | None = None,
    kernel: str = "python3",
    progress: bool = False,
) -> Path:
    """Execute a copy of ``notebook`` in a kernel of its own, in the notebook's folder.

    The process lives on, so the next notebook does not pay for papermill's imports again; only the kernel is new.

    Args:
        notebook: the notebook; it is not changed.
        out: folder for the executed copy, for ``NAME.log`` (what the kernel printed, as it came, then the seconds of
            each cell), and for ``rows.csv`` with what the notebook recorded, sorted (rows that are there stay); made if
            missing.
        parameters: values by name, checked against the notebook's ``parameters`` cell before anything starts.
        kernel: name of the Jupyter kernel.
        progress: whether to draw a progress bar on stderr.

    Returns:
        The executed copy, ``out/NAME.ipynb``.

    Raises:
        ParameterError: if the notebook or a parameter is refused; nothing was started or written.
        ValueError: if ``out`` is the notebook's own folder, or holds a ``rows.csv`` that does not follow the schema.
        ImportError: if papermill is not installed, with the extra to install.
        RunError: if a cell failed; what ran until then is in ``out/NAME.failed.ipynb``.
        OSError: if ``out`` cannot be written.
    """
    with _ONE_AT_A_TIME:
        return _run(notebook, out, parameters or {}, kernel, progress)


def _run(
    notebook: str | os.PathLike[str],
    out: str | os.PathLike[str],
    parameters: Mapping[str, Any],
    kernel: str,
    progress: bool,
) -> Path:
    source, folder = Path(notebook).resolve(), Path(out).expanduser().resolve()
    values = check_parameters(declared_parameters(notebook), parameters)
    if folder == source.parent:
        raise ValueError(f"the executed copy would overwrite {notebook}; choose another folder than its own")
    if (folder / ROWS).exists():
        read_rows(folder / ROWS)  # a file that rows cannot be added to is better told now
    papermill = load_papermill()
    from jupyter_client.kernelspec import NoSuchKernel
    from nbclient.exceptions import DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    def stopped(reason: str) -> RunError:
        place = _last_started(copy)
        log.write(f"{_seconds(copy)}{_now()} cell {place} failed: {reason}\n")
        os.replace(copy, failed)
        where = f"what ran until then: {failed}\nwhat it printed: {log_path}"
        return RunError(f"cell {place} of {notebook} failed: {reason}\n{where}")

    final, failed = folder / source.name, folder / f"{source.stem}.failed.ipynb"
    log_path = folder / f"{source.stem}.log"
    folder.mkdir(parents=True, exist_ok=True)
    with (
        # papermill saves after every cell: into a hidden folder, from which a whole file is moved in one step.
        tempfile.TemporaryDirectory(prefix=f".{source.stem}-", dir=folder) as scratch,
        log_path.open("w", encoding="utf-8") as log,
        _results_in(folder),
    ):
        copy = Path(scratch) / source.name
        log.write(f"{_now()} {source} with {values or 'its defaults'}\n")
        log.flush()
        try:
            papermill.execute_notebook(
                str(source),
                str(copy),
                values,
                kernel_name=kernel,
                cwd=str(source.parent),
                progress_bar=progress,
                stdout_file=log,
                stderr_file=log,
                # It warns of its own transport on every start, and calls it an error, now and then, to be told to stop.
                extra_arguments=["--IPKernelApp.log_level=CRITICAL"],
            )
        except NoSuchKernel:
            log_path.unlink()
            raise RunError(f"there is no Jupyter kernel {kernel!r}; `jupyter kernelspec list` shows yours") from None
        except PapermillExecutionError as error:
            raise stopped(f"{error.ename}: {error.evalue}") from None
        except DeadKernelError:
            raise stopped("its kernel died; the system kills what takes too much memory") from None
        except RuntimeError as error:
            log_path.unlink()
            raise RunError(f"the Jupyter kernel {kernel!r} did not start: {error}") from error
        log.write(f"{_seconds(copy)}{_now()} done\n")
        os.replace(copy, final)
    sort_rows(folder / ROWS)
    failed.unlink(missing_ok=True)
    return final


def _now() -> str:
    return datetime.now(UTC).isoformat(sep=" ", timespec="seconds")


def _given_cells(copy: Path) -> list[dict[str, Any]]:
    """Cells of the notebook that was given: papermill puts in cells of its own."""
    cells = json.loads(copy.read_text(encoding="utf-8"))["cells"]
    own = {"injected-parameters", "papermill-error-cell-tag"}
    return [cell for cell in cells if own.isdisjoint(cell["metadata"].get("tags", []))]


def _last_started(copy: Path) -> int:
    """Place of the last cell that was started, counted from 1 in the notebook that was given."""
    given = enumerate(_given_cells(copy), 1)
    return max(i for i, cell in given if cell["metadata"].get("papermill", {}).get("start_time"))


def _seconds(copy: Path) -> str:
    """A line for each code cell that ran, with its seconds."""
    ran = [
        (i, cell["metadata"].get("papermill", {}).get("duration"))
        for i, cell in enumerate(_given_cells(copy), 1)
        if cell["cell_type"] == "code"
    ]
    return "".join(f"cell {i}: {seconds:.2f} s\n" for i, seconds in ran if seconds is not None)


def load_papermill() -> Any:
    """papermill, which is not a dependency of the core.

    Raises:
        ImportError: if it is not installed, with the extra to install.
    """
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
