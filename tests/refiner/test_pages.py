"""The pages of a trace and of a batch in a real Chromium: whole by themselves, and legible on a phone."""

from pathlib import Path

import pytest
from PIL import Image

from refiner.batch import refine_batch
from refiner.pairs import find_pairs
from refiner.trace import RefineTrace
from tests.browser import BROWSER_MARKS, chromium
from tests.refiner.small_refiner import small_refiner, write_pairs
from tests.refiner.test_trace import make_trace

pytestmark = BROWSER_MARKS
DESK, PHONE = 1280, 400  # pixels: widths of a window
LONG = "replace the sign above the door with one that says “" + "Rindfleischetikettierungsgesetz" * 4 + "”"
ON_SCREEN = "img => img.complete && img.naturalWidth > 0 && img.getBoundingClientRect().width > 20"


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


@pytest.fixture
def show(browser):
    """Opens a page in a window of some width; it may ask for nothing but files beside it, and complain of nothing."""
    pages, wrong = [], []

    def opened(path: Path, width: int = DESK, scheme: str = "light"):
        page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
        pages.append(page)
        page.on("console", lambda message: wrong.append(message.text))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("requestfailed", lambda request: wrong.append(request.url[:200]))
        beside = path.parent.as_uri()
        page.on("request", lambda one: one.url.startswith((beside, "data:image/")) or wrong.append(one.url))
        page.goto(path.as_uri())
        return page

    yield opened
    for page in pages:
        page.close()
    assert not wrong


@pytest.fixture
def trace_page(tmp_path) -> Path:
    return make_trace().save(tmp_path / "trace") / "trace.html"


@pytest.fixture
def batch_page(tmp_path) -> Path:
    sheet = write_pairs(tmp_path / "in", 3, clean=(1,), rows=(f"images/none.png,images/edited 0.png,{LONG}",))
    refine_batch(small_refiner(), find_pairs(str(sheet)), tmp_path / "out")
    return tmp_path / "out/index.html"


def runs_off_the_side(page) -> list[str]:
    """The page itself and the boxes within it that have to be scrolled to the side, by their text."""
    return page.evaluate("""() => [document.documentElement, ...document.querySelectorAll(".scroll")]
        .filter(box => box.scrollWidth > box.clientWidth).map(box => box.innerText.slice(0, 80))""")


def is_seen(image) -> bool:
    image.scroll_into_view_if_needed()
    return image.evaluate(ON_SCREEN)


def test_the_trace_page_shows_every_picture_region_and_decision(show, trace_page):
    page = show(trace_page)
    images = page.locator("img").all()
    # Photo, before, after; of each iteration the image, its map and its regions; of the accepted one what it gave.
    assert len(images) == 3 + 2 * 3 + 1
    assert all(is_seen(image) for image in images)
    for text in ("“make the car red”", "1 repair kept", "Trained on simulated people.", "It cannot be done.", "Kept."):
        assert page.get_by_text(text).first.is_visible()
    frame = page.locator(".frame:has(svg)").first.bounding_box()
    drawn = page.locator("svg path").first.bounding_box()
    # The region is 0.2 to 0.7 of the width and 0.3 to 0.8 of the height of the picture; its line adds some pixels.
    middle = [drawn[one] + drawn[side] / 2 - frame[one] for one, side in (("x", "width"), ("y", "height"))]
    assert middle == pytest.approx([0.45 * frame["width"], 0.55 * frame["height"]], abs=2)
    assert drawn["width"] == pytest.approx(0.5 * frame["width"], abs=12)
    assert drawn["height"] == pytest.approx(0.5 * frame["height"], abs=12)


def test_the_slider_uncovers_the_image_after_the_repairs(show, trace_page):
    page = show(trace_page)
    slider, above = page.locator("input[type=range]"), page.locator(".slider .over")
    slider.focus()
    seen = {}
    for key in ("Home", "End"):
        page.keyboard.press(key)
        seen[key] = above.evaluate("img => getComputedStyle(img).clipPath")
    assert seen == {"Home": "inset(0px 0px 0px 0%)", "End": "inset(0px 0px 0px 100%)"}
    stored = RefineTrace.load(trace_page.parent)
    shown = above.evaluate("img => [img.naturalWidth, img.naturalHeight]")
    assert shown == list(Image.fromarray(stored.best).size)


def test_the_batch_page_shows_each_image_and_its_links_lead_to_the_traces(show, batch_page):
    page = show(batch_page)
    rows = page.locator("tbody").first.locator("tr")
    assert [row.locator("img").count() for row in rows.all()] == [2, 2, 1]
    assert all(is_seen(image) for image in page.locator("img").all())
    assert page.get_by_text("left as it was").is_visible()
    assert page.get_by_text("Set aside: 1").is_visible()
    rows.first.locator("a").click()
    assert "times as red" in page.locator("h1").inner_text()
    assert all(is_seen(image) for image in page.locator("img").all())


@pytest.mark.parametrize("width", [PHONE, DESK])
def test_nothing_runs_off_the_side_whatever_was_asked(show, trace_page, batch_page, tmp_path, width):
    pages = [trace_page, batch_page, make_trace(LONG, note=LONG).save(tmp_path / "long") / "trace.html"]
    for path in pages:
        page = show(path, width)
        assert not runs_off_the_side(page), path
        assert all(is_seen(image) for image in page.locator("img").all())


def test_on_a_phone_a_refined_image_is_one_screen_with_its_names_and_numbers(show, batch_page):
    page = show(batch_page, PHONE)
    first = page.locator("tbody").first.locator("tr").first
    assert first.bounding_box()["height"] < 500
    before, best = (image.bounding_box() for image in first.locator("img").all())
    assert before["y"] == best["y"]
    assert before["x"] + before["width"] < best["x"]
    name = first.locator(".up").evaluate("cell => getComputedStyle(cell, '::before').content")
    assert "Gain" in name


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground_in_the_light_and_in_the_dark(show, trace_page, batch_page, scheme):
    for path in (trace_page, batch_page):
        ratios = show(path, scheme=scheme).evaluate(CONTRASTS)
        assert len(ratios) > 20
        assert min(ratios) >= 4.5  # WCAG 2.2, success criterion 1.4.3


# The contrast of every text with the ground behind it, as WCAG 2.2 defines it. Texts over pictures are left out.
CONTRASTS = """() => {
  const numbers = colour => colour.match(/[\\d.]+/g).map(Number);
  const linear = v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
  const light = colour => colour.slice(0, 3).map(v => linear(v / 255))
    .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
  const ground = element => {
    for (let e = element; e; e = e.parentElement) {
      const colour = numbers(getComputedStyle(e).backgroundColor);
      if (colour.length == 3 || colour[3] > 0) return colour;
    }
    throw new Error("no ground");
  };
  return [...document.body.querySelectorAll("*")]
    .filter(e => !e.closest(".frame") && [...e.childNodes].some(n => n.nodeType == 3 && n.textContent.trim()))
    .map(e => [light(numbers(getComputedStyle(e).color)), light(ground(e))])
    .map(([a, b]) => (Math.max(a, b) + .05) / (Math.min(a, b) + .05));
}"""
