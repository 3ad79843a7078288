"""What must hold of the repository's own files."""

import re
import subprocess
import tomllib

import pytest
import yaml
from files import ROOT, project_files, text_of

import paperlib
from paperlib.experiments import read_rows
from paperlib.experiments.results import schema_table

# Spelled in pieces, so that this file does not hold what it looks for.
REGISTRIES = [
    "pypi" + ".org",
    "python" + "hosted.org",
    "registry." + "npmjs",
    "deb." + "debian",
    "download." + "pytorch",
]
HOME = re.compile(r"(?<![\w.$}])/(?:home|Users|root|work)/\w")
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def texts():
    for path in project_files():
        text = text_of(path)
        if text is not None:
            yield path.relative_to(ROOT).as_posix(), text


def test_no_file_names_a_package_registry_s_host():
    found = [(name, host) for name, text in texts() for host in REGISTRIES if host in text]
    assert found == []


def test_no_file_holds_a_path_of_somebody_s_machine():
    found = [(name, match[0]) for name, text in texts() if "vendor/" not in name for match in HOME.finditer(text)]
    assert found == []


def test_text_files_end_in_one_newline_and_have_unix_line_ends():
    ours = [(name, text) for name, text in texts() if text and "vendor/" not in name and not name.endswith(".svg")]
    assert [name for name, text in ours if "\r\n" in text or not text.endswith("\n") or text.endswith("\n\n")] == []


def test_the_version_is_the_same_everywhere():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert project["version"] == paperlib.__version__ == citation["version"]
    assert citation["license"] == project["license"]


def test_the_citation_refers_to_the_five_papers_of_the_bibliography():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    cited = {reference["identifiers"][0]["value"] for reference in citation["references"]}
    five = {"1810.04246", "2301.11405", "2303.07321", "2210.06300", "2107.11635"}
    bibliography = (ROOT / "book" / "references.bib").read_text()
    assert cited == {f"arXiv:{number}" for number in five}
    assert all(number in bibliography for number in five)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_is_yaml_with_pinned_actions_and_least_rights(path):
    workflow = yaml.safe_load(path.read_text())
    assert workflow["name"]
    assert True in workflow  # YAML 1.1 reads the key `on` as true
    assert workflow["permissions"]["contents"] == "read"
    steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
    assert all(re.fullmatch(r"actions/[\w-]+@v\d+", step["uses"]) for step in steps if "uses" in step)
    assert all("timeout-minutes" in job or job.get("if") == "failure()" for job in workflow["jobs"].values())


def test_there_are_workflows_for_ci_pages_and_colab():
    assert [path.stem for path in WORKFLOWS] == ["ci", "colab", "pages"]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_the_shell_in_a_workflow_parses(path):
    for job in yaml.safe_load(path.read_text())["jobs"].values():
        for script in (step["run"] for step in job["steps"] if "run" in step):
            plain = re.sub(r"\$\{\{.*?\}\}", "x", script)
            subprocess.run(["bash", "-n"], input=plain, text=True, check=True)


@pytest.mark.parametrize("name", [".ci/run", "tools/setup.sh"])
def test_a_script_parses_and_ci_can_run_it(name):
    shell = "bash" if name == ".ci/run" else "sh"
    subprocess.run([shell, "-n", ROOT / name], check=True)
    assert name != ".ci/run" or (ROOT / name).stat().st_mode & 0o100


def test_every_target_of_the_makefile_is_in_its_help():
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.search(r"^\.PHONY: (.*)$", makefile, re.M)[1].split()) - {"help"}
    said = subprocess.run(["make", "-s", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert targets == set(re.findall(r"^make (\w+)", said, re.M))


def test_pre_commit_clones_nothing():
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    assert [repository["repo"] for repository in hooks["repos"]] == ["local"]


def test_the_results_page_shows_the_schema_of_a_row():
    assert f"\n{schema_table()}\n" in (ROOT / "results" / "README.md").read_text()


def test_every_committed_row_follows_the_schema():
    measured = [path for path in (ROOT / "results").glob("*.csv") if path.name != "reported.csv"]  # has its own schema
    rows = {path.name: read_rows(path) for path in measured}
    assert all(rows.values()), "a file of results without a row says nothing; remove it"
