import pytest

from analysis.report import write_report
from analysis.study import analyze_workspace
from tests.annotation.test_status import half_done  # noqa: F401 (a fixture)
from tests.browser import BROWSER_MARKS, chromium

pytestmark = BROWSER_MARKS


@pytest.mark.parametrize("width", [1366, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_fits_the_screen_and_its_bars_are_as_long_as_their_shares(half_done, width, scheme):  # noqa: F811
    page_file = write_report(half_done, analyze_workspace(half_done))
    with chromium() as browser:
        page = browser.new_context(viewport={"width": width, "height": 768}, color_scheme=scheme).new_page()
        page.goto(page_file.as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        whole, part = (page.locator(one).bounding_box()["width"] for one in (".bar", ".bar span"))
        assert part / whole == pytest.approx(30 / 32, abs=0.02)
        colour = "one => getComputedStyle(document.querySelector(one))"
        ink = page.evaluate(f"({colour})('.campaign td').color")
        assert ink != page.evaluate(f"({colour})('body').backgroundColor")
