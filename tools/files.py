"""Files of the repository: which there are, what they hold, and how one is replaced (standard library only)."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
IGNORED = {"_build", "__pycache__", "node_modules", "runs"}


def project_files(root: Path = ROOT) -> list[Path]:
    """Every file that git tracks or would add, sorted; outside git, every file that is neither hidden nor built."""
    command = ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(command, check=True, capture_output=True).stdout.decode().split("\0")
        found = {root / name for name in listed if name} if (root / ".git").exists() else None
    except (OSError, subprocess.CalledProcessError):
        found = None
    if found is None:
        found = {path for path in root.rglob("*") if not _is_ignored(path.relative_to(root))}
    return sorted(path for path in found if path.is_file())


def _is_ignored(path: Path) -> bool:
    known = {".ci", ".github", ".gitignore", ".pre-commit-config.yaml"}
    hidden = (part.startswith(".") and part not in known for part in path.parts)
    return any(hidden) or any(part in IGNORED or part.endswith(".egg-info") for part in path.parts)


def text_of(path: Path) -> str | None:
    """Text of a file, or None where it holds something else."""
    content = path.read_bytes()
    if b"\0" in content:
        return None
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return None


def replace_text(path: Path, text: str) -> None:
    """Replace a file in one step: a reader sees the old text or the whole new one."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".partial")
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.chmod(path.stat().st_mode & 0o777 if path.exists() else 0o644)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
