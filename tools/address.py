"""The repository's public address: one setting, and every copy of it rewritten from there (standard library only).

The setting is `Repository` under `[project.urls]` in pyproject.toml.

    python tools/address.py https://github.com/OWNER/REPO    write the setting and every copy
    python tools/address.py --check                          fail where a copy disagrees with the setting
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from typing import NamedTuple

from files import ROOT, project_files, replace_text, text_of

NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9_-])?"
SETTING = re.compile(r'^(Repository\s*=\s*")([^"\n]*)(")', re.M)
ADDRESS = re.compile(rf"https://github\.com/({NAME})/({NAME})")
# Shapes in which any owner and repository must be ours, wherever they stand.
OURS = re.compile(
    rf"(?P<before>colab\.research\.google\.com/github/|mybinder\.org/v2/gh/|git\+https://github\.com/)"
    rf"{NAME}/(?:{NAME})"
)
BADGE = re.compile(rf"(https://github\.com/){NAME}/{NAME}(?=/actions/workflows/)")
# Keys of configuration files whose value is the repository, or the address of the book made from it.
REPOSITORY_KEY = re.compile(rf"^(\s*(?:repository-code|url):\s*[\"']?)https://github\.com/{NAME}/{NAME}", re.M)
PAGES_KEY = re.compile(rf"^(\s*(?:baseurl|ogp_site_url|url):\s*[\"']?)https://{NAME}\.github\.io/{NAME}/?", re.M)
CONFIGURATION = ("_config.yml", "CITATION.cff")
# Tests and tools hold made-up addresses, on purpose.
UNTOUCHED = ("tests", "tools")


class Address(NamedTuple):
    """Owner and name of a GitHub repository."""

    owner: str
    name: str

    @property
    def repository(self) -> str:
        """Where the code is."""
        return f"https://github.com/{self.owner}/{self.name}"

    @property
    def pages(self) -> str:
        """Where GitHub Pages serves the book."""
        return f"https://{self.owner.lower()}.github.io/{self.name}/"


def parse(url: str) -> Address:
    """Owner and name in an address; ValueError where it has another shape."""
    match = ADDRESS.fullmatch(url.removesuffix("/").removesuffix(".git"))
    if not match:
        raise ValueError(f"{url!r} is not of the shape https://github.com/OWNER/REPO (Colab needs GitHub)")
    return Address(*match.groups())


def setting(root: Path = ROOT) -> Address:
    """The address that pyproject.toml holds."""
    match = SETTING.search((root / "pyproject.toml").read_text(encoding="utf-8"))
    if not match:
        raise ValueError('pyproject.toml has no line Repository = "https://github.com/OWNER/REPO"')
    return parse(match[2])


def rewrite(text: str, file: str, old: Address, new: Address) -> str:
    """The text of ``file`` with every copy of the address made new; a text that agrees comes back as it is."""
    owner, name = re.escape(old.owner), rf"{re.escape(old.name)}(?![\w-]|\.(?!git\b)\w)"  # repo-two is another one
    text = re.sub(rf"(?<![\w.-]){owner}/{name}", f"{new.owner}/{new.name}", text)
    text = re.sub(rf"https://{owner}\.github\.io/{name}/?", new.pages, text, flags=re.I)
    text = OURS.sub(rf"\g<before>{new.owner}/{new.name}", text)
    text = BADGE.sub(rf"\g<1>{new.owner}/{new.name}", text)
    if Path(file).name in CONFIGURATION:
        text = REPOSITORY_KEY.sub(rf"\g<1>{new.repository}", text)
        text = PAGES_KEY.sub(rf"\g<1>{new.pages}", text)
    return text


def changes(new: Address, root: Path = ROOT) -> dict[Path, str]:
    """New texts of all files that do not agree with ``new``, the setting's own file among them."""
    old, found = setting(root), {}
    for path in project_files(root):
        relative = path.relative_to(root)
        text = None if relative.parts[0] in UNTOUCHED else text_of(path)
        if text is None:
            continue
        fresh = rewrite(text, relative.name, old, new)
        if relative == Path("pyproject.toml"):
            fresh = SETTING.sub(rf"\g<1>{new.repository}\g<3>", fresh)
        if fresh != text:
            found[path] = fresh
    return found


def main(arguments: list[str] | None = None) -> int:
    """Rewrite or check; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("url", nargs="?", metavar="https://github.com/OWNER/REPO")
    parser.add_argument("--check", action="store_true", help="change nothing; fail where a copy disagrees")
    options = parser.parse_args(arguments)
    if options.check == bool(options.url):
        parser.error("give the new address (make address URL=https://github.com/OWNER/REPO), or --check")
    try:
        target = setting() if options.check else parse(options.url)
        found = changes(target)
    except ValueError as error:
        parser.error(str(error))
    names = [path.relative_to(ROOT).as_posix() for path in found]
    if options.check:
        for name in names:
            print(f"{name} disagrees with {target.repository}; run: make address URL={target.repository}")
        return 1 if names else 0
    for path, text in found.items():
        replace_text(path, text)
    print(f"{target.repository}: rewrote {', '.join(names)}" if names else f"{target.repository}: every copy agrees")
    return 0


if __name__ == "__main__":
    sys.exit(main())
