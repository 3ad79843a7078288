"""Experiments as code: what a row of results is, and how a notebook is run with other parameters."""

from paperlib.experiments.results import Row, peak_memory, read_rows, record, stamp, write_rows

__all__ = ["Row", "peak_memory", "read_rows", "record", "stamp", "write_rows"]
