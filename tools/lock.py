"""Renew constraints.txt from pyproject.toml: `python tools/lock.py`, behind `make lock`."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from files import ROOT, replace_text

LOCK = ROOT / "constraints.txt"
HEADER = """\
# The lock: what `make setup` installs, for pip and uv alike. Made from pyproject.toml by `make lock`, never by hand.
# It covers `.[book,test]` and uv itself. Readers in Colab do not use it: pyproject.toml has lower bounds only.
"""


def lock_text(resolved: str) -> str:
    """The lock's text from a resolver's lines, sorted: no comments, no local versions (`+cpu`).

    CUDA's packages stay out: they belong to one platform, and torch pins them itself.
    """
    pins = {line.strip() for line in resolved.splitlines() if re.match(r"(?!nvidia|cuda|triton)[A-Za-z0-9]", line)}
    return HEADER + "".join(f"{pin}\n" for pin in sorted(re.sub(r"\+[\w.]+", "", pin) for pin in pins))


def main() -> None:
    """Resolve and write; a version that is locked stays where it can, or goes to the newest with `--upgrade`."""
    uv = Path(sys.executable).with_name("uv")
    with tempfile.TemporaryDirectory() as folder:
        resolved = Path(folder) / "resolved.txt"
        if "--upgrade" not in sys.argv:
            shutil.copy(LOCK, resolved)  # uv prefers the versions that its output file holds
        # For the oldest Python that the project supports: a distribution's own 3.11 may be 3.11.2.
        command = [str(uv), "pip", "compile", "--quiet", "--no-header", "--no-annotate", "--python-version", "3.11.0"]
        command += ["--extra", "book", "--extra", "test", "--output-file", str(resolved), "pyproject.toml", "-"]
        environment = os.environ | {"UV_FIND_LINKS": os.environ.get("PIP_FIND_LINKS", "")}
        done = subprocess.run(command, cwd=ROOT, env=environment, input="uv\n", capture_output=True, text=True)
        if done.returncode:
            sys.exit(done.stderr)
        text = lock_text(resolved.read_text(encoding="utf-8"))
    replace_text(LOCK, text)
    print(f"constraints.txt: {text.count('==')} packages")


if __name__ == "__main__":
    main()
