"""The report in a real browser: at a desk and on a phone, in light and in dark, on paper, and to a screen reader."""

from itertools import pairwise

import pytest

from analysis.report import write_report
from analysis.study import analyze_workspace
from tests.browser import BROWSER_MARKS, chromium
from tests.editfhf.answered import make_answered

pytestmark = BROWSER_MARKS

# Of every element with text of its own: the contrast of its colour with what lies below it (WCAG 2.1, 1.4.3).
CONTRASTS = """
() => {
  const channel = c => (c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const numbers = colour => colour.match(/[\\d.]+/g).map(Number);
  const below = one => {
    for (; one; one = one.parentElement) {
      const colour = numbers(getComputedStyle(one).backgroundColor);
      if (colour.length < 4 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  const found = [];
  for (const one of document.querySelectorAll("body *")) {
    const own = [...one.childNodes].some(node => node.nodeType === 3 && node.textContent.trim());
    if (!own || one.closest("svg") || one.tagName === "STYLE") continue;
    const [a, b] = [light(numbers(getComputedStyle(one).color)), light(below(one))].sort((x, y) => y - x);
    found.push([(a + 0.05) / (b + 0.05), one.tagName + ": " + one.textContent.trim().slice(0, 40)]);
  }
  return found;
}
"""
UNNAMED = """
() => [...document.querySelectorAll("img, svg, [role=img], [role=region], [tabindex]")].filter(one =>
  one.getAttribute("aria-hidden") !== "true"
  && !(one.getAttribute("alt") || one.getAttribute("aria-label") || one.querySelector("svg[aria-label]")
       || document.getElementById(one.getAttribute("aria-labelledby"))?.textContent)
).map(one => one.outerHTML.slice(0, 80))
"""


@pytest.fixture(scope="module")
def page_file(tmp_path_factory):
    workspace = make_answered(tmp_path_factory.mktemp("page") / "campaign", n_sources=6)
    return write_report(workspace, analyze_workspace(workspace))


@pytest.fixture(scope="module")
def browser():
    with chromium() as one:
        yield one


def opened(browser, page_file, width, scheme="light"):
    page = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme, offline=True).new_page()
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(page_file.as_uri())
    assert all(url.startswith(("file:", "data:")) for url in asked)
    return page


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1366, 390])
def test_it_fits_the_screen_and_all_text_can_be_read(browser, page_file, width, scheme):
    page = opened(browser, page_file, width, scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    contrasts = page.evaluate(CONTRASTS)
    assert len(contrasts) > 100
    assert [one for one in contrasts if one[0] < 4.5] == []
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(21, 24, 28)"
    assert dark == (scheme == "dark")


def test_every_picture_and_every_part_that_scrolls_has_a_name_and_every_id_is_there_once(browser, page_file):
    page = opened(browser, page_file, 1366)
    assert page.evaluate(UNNAMED) == []
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map(one => one.id)")
    assert sorted({one for one in ids if ids.count(one) > 1}) == []
    broken = page.evaluate(
        "[...document.querySelectorAll('a[href^=\"#\"], use')].map(one => one.getAttribute('href')"
        " || one.getAttribute('xlink:href')).filter(one => !document.getElementById(one.slice(1)))"
    )
    assert broken == []
    levels = page.evaluate("[...document.querySelectorAll('h1,h2,h3,h4')].map(one => Number(one.tagName[1]))")
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_the_plots_and_the_pictures_are_drawn(browser, page_file):
    page = opened(browser, page_file, 1366)
    assert page.locator("figure.plot > svg").count() == 4
    for box in (one.bounding_box() for one in page.locator("figure.plot > svg").all()):
        assert box["width"] > 300
        assert box["height"] > 80
    assert page.evaluate("[...document.images].every(one => one.naturalWidth > 0)")


def test_printed_it_is_dark_on_white_and_no_table_is_cut_off(browser, page_file):
    page = opened(browser, page_file, 720, "dark")
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate("[...document.querySelectorAll('.scroll')].every(one => one.scrollWidth <= 720)")
    assert [one for one in page.evaluate(CONTRASTS) if one[0] < 4.5] == []
    assert page.pdf(format="A4").startswith(b"%PDF")


@pytest.mark.parametrize(("width", "media"), [(1366, "screen"), (390, "screen"), (720, "print")])
def test_regions_lie_on_the_picture_that_they_are_of(browser, page_file, width, media):
    page = opened(browser, page_file, width)
    page.emulate_media(media=media)
    pairs = page.evaluate(
        "[...document.querySelectorAll('.pair svg')].map(one => [one, one.previousElementSibling].map(part => {"
        " const box = part.getBoundingClientRect(); return [box.x, box.y, box.width, box.height]; }))"
    )
    assert len(pairs) > 8
    for regions, picture in pairs:
        assert regions == pytest.approx(picture, abs=1)
