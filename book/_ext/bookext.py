"""What the book needs of Sphinx and its extensions do not give: no thebe, one address, facts about the build."""

from __future__ import annotations

import gc
import logging
import os
import platform
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from docutils import nodes
from jupyter_cache import get_cache
from lists import read_list
from myst_nb.core.execute import create_client
from myst_nb.core.read import create_nb_reader
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.environment import BuildEnvironment
from sphinx.util.docutils import SphinxDirective

SHARED_IDS = ("proof-content", "exercise-content", "solution-content")  # of each proof, exercise and solution
CACHE_VARIABLE = "PAPERLIB_BOOK_CACHE"
PACKAGES = ("paperlib", "torch", "numpy", "scipy", "scikit-learn", "matplotlib", "jupyter-book", "Sphinx", "myst-nb")


def pages_address(repository: str) -> str:
    """Where GitHub Pages would serve the repository: ``https://owner.github.io/name/``."""
    owner, name = urlsplit(repository).path.strip("/").removesuffix(".git").split("/")[:2]
    return f"https://{owner.lower()}.github.io/{name}/"


def version_of(package: str) -> str:
    """The installed version of ``package``, or that there is none."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def commit_of(folder: Path) -> str:
    """The short commit of the work tree at ``folder``, marked where files differ from it."""
    command = ["git", "-C", str(folder), "describe", "--always", "--dirty", "--exclude=*"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return "not under version control"
    return answer.replace("-dirty", ", with changes not yet committed")


def accelerator() -> str:
    """What torch sees here beside the CPU."""
    try:
        import torch
    except ImportError:
        return "torch is not installed"
    if not torch.cuda.is_available():
        return "none (CPU only)"
    return torch.cuda.get_device_name()


class BuildFacts(SphinxDirective):
    """``{build-facts}``: a table of what built this book: when, from what, on what, with which versions."""

    def run(self) -> list[nodes.Node]:
        """The table; its page is read anew in every build."""
        self.env.note_reread()
        return self.parse_text_to_nodes(build_facts(Path(self.env.srcdir)))


def build_facts(folder: Path) -> str:
    """What built this book, as a Markdown table."""
    rows = {
        "built on": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "commit when this page was built": commit_of(folder),
        "system": f"{platform.system()} {platform.machine()}, {os.cpu_count()} logical CPUs",
        "GPU": accelerator(),
        "Python": platform.python_version(),
    }
    rows |= {package: version_of(package) for package in PACKAGES}
    return "\n".join(["| what | this build |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows.items())])


def configure(app: Sphinx, config: Config) -> None:
    """Fill in what is computed rather than typed: the cache folder and the site's address."""
    gc.set_threshold(1_000_000, 50, 50)  # parsed pages are millions of objects; looking through them took half the time
    if cache := os.environ.get(CACHE_VARIABLE):
        config.nb_execution_cache_path = cache
    repository = config.html_theme_options.get("repository_url", "")
    if repository:
        config.html_baseurl = config.ogp_site_url = pages_address(repository)


def execute_on_all_cores(app: Sphinx, env: BuildEnvironment, docnames: list[str]) -> None:
    """Execute what the cache lacks, a page a core; Sphinx, which reads one page after the other, then finds it there.

    What fails here fails again when it is read, and is reported then.
    """
    quiet = logging.getLogger("execution ahead of reading")
    quiet.setLevel(logging.CRITICAL)

    def execute(docname: str) -> None:
        path = str(env.doc2path(docname))
        text = Path(path).read_text(encoding="utf-8")
        if (reader := create_nb_reader(path, env.myst_config, env.mystnb_config, text)) is None:
            return
        started = time.monotonic()
        try:
            with create_client(reader.read(text), path, env.mystnb_config, quiet, reader.read_fmt) as client:
                if time.monotonic() - started > 1 and client.exec_metadata:
                    print(f"executed {docname} in {client.exec_metadata['runtime']:.0f} s", flush=True)
        except Exception as error:
            print(f"{docname} failed ahead of reading, {type(error).__name__}: {error}", flush=True)

    if env.mystnb_config.execution_mode == "cache":
        get_cache(env.mystnb_config.execution_cache_path or ".jupyter_cache").list_cache_records()  # makes its tables
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(execute, docnames))


def write_on_all_cores(app: Sphinx, env: BuildEnvironment) -> None:
    """Write pages in as many processes as there are cores; reading them so is more than sphinx-proof allows."""
    app.parallel = os.cpu_count() or 1


def drop_thebe(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: object) -> None:
    """Remove the scripts that sphinx-thebe puts on every page, also where it is off: they ask another machine."""

    def is_thebe(script: Any) -> bool:
        body = getattr(script, "attributes", {}).get("body") or ""
        return "thebe" in f"{getattr(script, 'filename', '')}{body}".lower()

    for kind in ("script_files", "css_files"):
        context[kind] = [entry for entry in context.get(kind, []) if not is_thebe(entry)]


def launch_notebooks_only(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: object
) -> None:
    """Lead the button for Colab, which opens notebooks, to that of the chapter; where there is none, drop it."""
    buttons = context.get("header_buttons", [])
    for group in [button for button in buttons if button.get("label") == "launch-buttons"]:
        chapters = [chapter["pages"] for part in read_list(app, "chapters.yml").values() for chapter in part]
        notebook = {pages[0]: pages[-1] for pages in chapters}.get(pagename, pagename)
        if not notebook.startswith("notebooks/"):
            buttons.remove(group)
        for button in group["buttons"]:
            button["url"] = button["url"].replace(f"{pagename}.md", f"{notebook}.ipynb")


def mend_doctree(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Say a badge in words, since its picture lies on another site, and drop ids that proofs and exercises share."""
    for image in list(doctree.findall(nodes.image)):
        if "/assets/colab-badge" in image["uri"]:
            image.replace_self(nodes.Text(image["alt"]))
    for section in doctree.findall(nodes.section):
        section["ids"] = [name for name in section["ids"] if name not in SHARED_IDS]


def mend_citations(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: object) -> None:
    """Give the entries of a citation list the role that a list asks of its children; docutils gives another."""
    if "body" in context:
        context["body"] = context["body"].replace(' role="doc-biblioentry"', ' role="listitem"')


FRONT_DOOR = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<meta http-equiv="refresh" content="0; url={target}">
</head>
<body><p><a href="{target}">{title}</a></p></body>
</html>
"""


def open_front_door(app: Sphinx, exception: Exception | None) -> None:
    """Write the ``index.html`` that leads to the landing page, before a bare one is written in its place."""
    if exception is None and app.builder.format == "html":
        page = FRONT_DOOR.format(title=app.config.project, target=app.builder.get_target_uri(app.config.root_doc))
        Path(app.outdir, "index.html").write_text(page, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    app.connect("config-inited", configure, priority=100)
    app.add_directive("build-facts", BuildFacts)
    app.connect("env-before-read-docs", execute_on_all_cores)
    app.connect("env-updated", write_on_all_cores)
    app.connect("doctree-resolved", mend_doctree)
    app.connect("html-page-context", drop_thebe, priority=950)
    app.connect("html-page-context", launch_notebooks_only, priority=502)  # the theme makes the button at 501
    app.connect("html-page-context", mend_citations)
    app.connect("build-finished", open_front_door, priority=100)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
