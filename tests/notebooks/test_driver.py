"""The run of all notebooks in `make test`: what it finds, and how it is timed."""

import canary
import pytest
import run_tests

REPORT = """<testsuites><testsuite>
<testcase classname="notebooks.00_quickstart.ipynb" name="Cell 0" time="2.5"/>
<testcase classname="notebooks.00_quickstart.ipynb" name="Cell 1" time="1.0"/>
<testcase classname="notebooks.01_other.ipynb" name="Cell 0" time="41.0"/>
</testsuite></testsuites>"""


def test_the_seconds_of_a_notebook_are_those_of_its_cells(tmp_path):
    (tmp_path / "report.xml").write_text(REPORT)
    seconds = run_tests.seconds_of_notebooks(tmp_path / "report.xml")
    assert seconds == {"00_quickstart": 3.5, "01_other": 41.0}
    (slow,) = run_tests.over_budget(seconds, budget=40)
    assert slow.startswith("notebooks/01_other.ipynb took 41 s; it may take 40 s")


@pytest.mark.slow
def test_a_stored_output_that_the_code_does_not_print_is_found_and_a_true_one_passes(tmp_path):
    code, said = canary.test_notebook(tmp_path, "2\n")
    assert code == 0, said
    assert list(run_tests.seconds_of_notebooks(tmp_path / "canary.xml")) == ["canary"]
    code, said = canary.test_notebook(tmp_path, "3\n")
    assert code == 1
    assert "mismatch 'stdout'" in said
