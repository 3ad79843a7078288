"""Experiments as code: what a row of results is, and how a notebook is run with other parameters."""

from paperlib.experiments.results import Row, peak_memory, read_rows, stamp, write_rows
from paperlib.experiments.store import append_rows, merge_rows, record

__all__ = ["Row", "append_rows", "merge_rows", "peak_memory", "read_rows", "record", "stamp", "write_rows"]
