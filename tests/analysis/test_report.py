"""What other packages add to the report; the report itself is looked at in `test_drawings.py` and `test_study.py`."""

from importlib.metadata import EntryPoint

import pytest
from markupsafe import Markup

from analysis import report
from analysis.study import analyze_workspace
from editfhf.errors import BadInput
from tests.editfhf.answered import make_answered


def named(workspace):
    return Markup("<h2>The name is {}</h2>").format(workspace.root.name)


def nothing(workspace):
    return None


def text(workspace):
    return "<script>alert(1)</script>"


def broken(workspace):
    raise BadInput("WS/run/benchmark.json is <b>no</b> JSON.", mend="Make it again.")


@pytest.fixture
def page_with(tmp_path, monkeypatch):
    """The page of a workspace with sections by functions of this module, or by whatever else is named."""
    workspace = make_answered(tmp_path / "campaign", n_sources=1)
    study = analyze_workspace(workspace)

    def page_with(*values: str) -> str:
        points = [EntryPoint(value.split(":")[1], value, "editfhf.report_sections") for value in values]
        monkeypatch.setattr(report, "entry_points", lambda group: points if group == points[0].group else [])
        return report.write_report(workspace, study).read_text(encoding="utf-8")

    return page_with


def test_a_section_stands_in_the_page_before_how_the_numbers_were_made(page_with):
    page = page_with(f"{__name__}:named", f"{__name__}:nothing")
    assert page.index("<h2>The name is campaign</h2>") < page.index("How each number was made")
    assert "is left out" not in page


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (f"{__name__}:broken", "BadInput: WS/run/benchmark.json is &lt;b&gt;no&lt;/b&gt; JSON. Make it again."),
        (f"{__name__}:text", "which is no Markup."),
        (f"{__name__}:gone", "AttributeError: "),
        ("package_that_is_not_there:it", "ModuleNotFoundError: "),
    ],
)
def test_a_faulty_section_is_named_in_a_sentence_and_the_rest_stays(page_with, value, words):
    page = page_with(value, f"{__name__}:named")
    assert f"= {value} is left out: " in page
    assert words in page
    assert "<script>" not in page
    assert "<h2>The name is campaign</h2>" in page
