import subprocess
import sys

import address
import pytest
from files import ROOT

OLD = address.Address("your-name", "decisive-and-fair")
NEW = address.Address("Ada-L", "book.two")


@pytest.fixture
def project(tmp_path):
    """A small project with one copy of every kind, outside git."""
    files = {
        "pyproject.toml": f'[project.urls]\nRepository = "{OLD.repository}"\n',
        "_config.yml": f"repository:\n  url: {OLD.repository}  # a copy\nhtml:\n  baseurl: {OLD.pages}\n",
        "CITATION.cff": f"repository-code: {OLD.repository}\nurl: {OLD.pages}\n",
        "README.md": f"[![CI]({OLD.repository}/actions/workflows/ci.yml/badge.svg)]({OLD.repository}/actions)\n"
        f"git clone {OLD.repository}.git, or read {OLD.pages}.\n",
        "notebooks/00.ipynb": "https://colab.research.google.com/github/your-name/decisive-and-fair/blob/main/x.ipynb\n"
        f'"paperlib @ git+{OLD.repository}"\n',
        "book/peers.md": "[ours](https://github.com/your-name/decisive-and-fair-two), "
        "[a peer](https://github.com/wvangansbeke/Unsupervised-Classification), https://a-peer.github.io/book/\n",
        "tests/test_x.py": f"# {OLD.repository}\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def apply(new, root):
    for path, text in address.changes(new, root).items():
        path.write_text(text)


def test_every_copy_agrees_with_the_setting():
    done = subprocess.run([sys.executable, ROOT / "tools" / "address.py", "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_a_new_address_reaches_every_copy_and_nothing_else(project):
    before = {name: (project / name).read_text() for name in ("book/peers.md", "tests/test_x.py")}
    apply(NEW, project)
    texts = {path.name: path.read_text() for path in project.rglob("*") if path.is_file()}
    assert texts["pyproject.toml"] == '[project.urls]\nRepository = "https://github.com/Ada-L/book.two"\n'
    assert "  url: https://github.com/Ada-L/book.two  # a copy\n" in texts["_config.yml"]
    assert "  baseurl: https://ada-l.github.io/book.two/\n" in texts["_config.yml"]
    assert texts["CITATION.cff"].endswith("\nurl: https://ada-l.github.io/book.two/\n")
    assert "https://github.com/Ada-L/book.two/actions/workflows/ci.yml/badge.svg" in texts["README.md"]
    assert (
        "git clone https://github.com/Ada-L/book.two.git, or read https://ada-l.github.io/book.two/."
        in texts["README.md"]
    )
    assert "colab.research.google.com/github/Ada-L/book.two/blob/main/x.ipynb" in texts["00.ipynb"]
    assert '"paperlib @ git+https://github.com/Ada-L/book.two"' in texts["00.ipynb"]
    assert before == {name: (project / name).read_text() for name in before}


def test_there_and_back_again_changes_nothing(project):
    before = {path: path.read_text() for path in project.rglob("*") if path.is_file()}
    apply(NEW, project)
    apply(OLD, project)
    assert before == {path: path.read_text() for path in before}


@pytest.mark.parametrize(
    ("name", "stray"),
    [
        ("README.md", "https://colab.research.google.com/github/fork/decisive-and-fair/blob/main/x.ipynb"),
        ("README.md", "https://github.com/fork/decisive-and-fair/actions/workflows/ci.yml/badge.svg"),
        ("notebooks/00.ipynb", '"paperlib @ git+https://github.com/fork/other"'),
        ("_config.yml", "  url: https://github.com/fork/decisive-and-fair"),
        ("_config.yml", "  ogp_site_url: https://fork.github.io/decisive-and-fair/"),
        ("CITATION.cff", "repository-code: https://github.com/fork/decisive-and-fair"),
    ],
)
def test_a_copy_that_names_another_repository_is_found_and_mended(project, name, stray):
    path = project / name
    path.write_text(path.read_text() + stray + "\n")
    assert list(address.changes(OLD, project)) == [path]
    apply(OLD, project)
    assert "fork" not in path.read_text()
    assert address.changes(OLD, project) == {}


@pytest.mark.parametrize(
    "url", ["https://gitlab.com/a/b", "https://github.com/a", "github.com/a/b", "https://github.com/a/b/c", ""]
)
def test_an_address_of_another_shape_is_refused(url):
    with pytest.raises(ValueError, match=r"https://github\.com/OWNER/REPO"):
        address.parse(url)


@pytest.mark.parametrize(
    "url", ["https://github.com/a-b/c.d", "https://github.com/a-b/c.d/", "https://github.com/a-b/c.d.git"]
)
def test_the_usual_spellings_of_an_address_mean_the_same(url):
    assert address.parse(url) == address.Address("a-b", "c.d")
