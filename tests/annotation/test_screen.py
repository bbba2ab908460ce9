"""The labelling screen in a real Chromium, used as a person would use it."""

import numpy as np
import pytest

from annotation import campaign, collect, server
from annotation.client import connect
from editfhf import cli
from editfhf.schema import DIMENSIONS
from editfhf.workspace import Workspace
from tests.annotation.conftest import N_EDITS, SQUARE, start_afresh
from tests.browser import BROWSER_MARKS, chromium

pytestmark = [pytest.mark.server, *BROWSER_MARKS]


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def page(served_workspace, browser):
    """The first task of a fresh campaign."""
    start_afresh(served_workspace)
    project = campaign.push(served_workspace, connect(served_workspace)).projects[0]
    return labelling_screen(browser, served_workspace, f"projects/{project}/data?labeling=1")


def labelling_screen(browser, workspace: Workspace, address: str):
    """A page of the server, signed in as the user whose name and password lie in the workspace."""
    page = browser.new_page(viewport={"width": 1366, "height": 768})
    url, (name, password) = connect(workspace).url, server.credentials(workspace)
    page.goto(f"{url}/user/login/")
    page.fill("input[name=email]", name)
    page.fill("input[name=password]", password)
    page.click("button[type=submit]")
    page.goto(f"{url}/{address}")
    page.wait_for_selector("canvas", timeout=60_000)
    page.wait_for_timeout(2000)  # the canvases take their size after the images came
    return page


def edited_image(page) -> tuple[float, float, float]:
    """Left, top and side of the (square) edited image on the screen."""
    box = page.query_selector_all("canvas")[-1].bounding_box()
    return box["x"], box["y"], min(box["width"], box["height"])


def click_polygon(page, points: list[tuple[float, float]]) -> None:
    left, top, side = edited_image(page)
    for x, y in [*points, points[0]]:
        page.mouse.click(left + x * side, top + y * side)
        page.wait_for_timeout(400)  # two quick clicks are a double click to Label Studio
    centre = np.mean(points, axis=0)
    page.mouse.click(left + centre[0] * side, top + centre[1] * side)
    page.wait_for_timeout(400)


def submit(page) -> str:
    """Press Submit; returns what the screen complains about ("" when it takes the answer)."""
    page.click("button:has-text('Submit')")
    page.wait_for_timeout(1200)
    warning = page.locator(".ant-modal-confirm-content")
    if not warning.count():
        return ""
    text = warning.inner_text()
    page.click(".ant-modal-confirm-btns button")
    warning.wait_for(state="hidden")
    return text


def test_on_a_small_screen_instruction_images_labels_and_ratings_are_in_sight_together(page):
    height = page.viewport_size["height"]
    left, top, side = edited_image(page)
    assert side >= 300
    assert top + side < height
    for text in ("Instruction: do", "Editing failure", "How well was kept what should have stayed?"):
        box = page.get_by_text(text).first.bounding_box()
        assert 0 <= box["y"] < height - 50
    page.mouse.move(left + side / 2, height - 130)
    page.mouse.wheel(0, 5000)
    page.wait_for_timeout(500)
    assert page.get_by_text("Instruction: do").first.bounding_box()["y"] >= 0
    page.mouse.wheel(0, -5000)
    page.wait_for_timeout(500)


def test_what_a_person_draws_writes_and_rates_arrives_as_it_was_and_nothing_less_is_taken(page, served_workspace):
    workspace = served_workspace
    _, _, side = edited_image(page)
    drawn = [(0.25, 0.3), (0.7, 0.25), (0.65, 0.6), (0.3, 0.7)]
    page.keyboard.press("1")
    click_polygon(page, drawn)
    assert "what kind of flaw" in submit(page)
    page.get_by_text("seam or boundary").first.click()
    assert "what is wrong there" in submit(page)
    page.get_by_placeholder("What is wrong here?").fill("a bright halo around the ball")
    assert "edited image look by itself" in submit(page)
    for key in ("t", "g"):  # 5 Excellent twice: one may not switch off the other
        page.keyboard.press("Escape")
        page.locator("body").press(key)
        page.wait_for_timeout(200)
    assert "kept what should have stayed" in submit(page)
    page.locator("body").press("u")
    page.wait_for_timeout(200)
    shown = [button.is_checked() for button in page.query_selector_all("input[type=radio]:visible")]
    assert sum(shown) >= 3
    page.get_by_text("Flaws without a place").click()
    page.locator("text=wrong style >> visible=true").first.click()
    assert "Editing failure of the image as a whole" in submit(page)
    page.locator("[placeholder='What is wrong?'] >> visible=true").fill("a photo, not a sketch")
    assert submit(page) == ""

    counts = collect.pull(workspace, connect(workspace))
    assert (counts.answers, counts.refused) == (1, 0)
    scores = {row["dimension"]: row["score"] for row in workspace.read_table("ratings").to_pylist()}
    assert scores == dict(zip(DIMENSIONS, (5, 5, 2), strict=True))
    whole, region = sorted(workspace.read_table("regions").to_pylist(), key=lambda row: len(row["polygon"]))
    assert (region["kind"], region["flaw_type"], region["extent"]) == ("artifact", "seam_or_boundary", "region")
    assert region["description"] == "a bright halo around the ball"
    (ring,) = region["polygon"]
    assert np.abs(np.array(ring) - drawn).max() * side < 3  # pixels on the screen
    assert (whole["flaw_type"], whole["extent"], whole["polygon"]) == ("wrong_style", "whole", [])
    assert whole["description"] == "a photo, not a sketch"
    (answer,) = workspace.read_table("answers").to_pylist()
    assert (answer["outcome"], answer["annotator_kind"]) == ("answered", "human")
    assert answer["lead_time_s"] > 1


def test_a_persons_screen_begins_with_the_regions_of_the_model_and_what_is_left_of_them_comes_home(browser, predicted):
    project = campaign.push(predicted, connect(predicted)).projects[0]
    assert cli.run(["annotate", "push", "-w", str(predicted.root), "--predictions"]) == 0
    page = labelling_screen(browser, predicted, f"projects/{project}/data?labeling=1")
    listed = page.locator(".lsf-outliner-item__title")
    for _ in range(N_EDITS):  # those before the first one with a prediction are control, or of the split `test`
        if listed.count():
            break
        page.click("button:has-text('Skip')")
        page.wait_for_timeout(3000)
    assert [one.inner_text() for one in listed.all()] == ["Artifact", "Editing failure"]

    listed.first.click()
    page.wait_for_timeout(400)
    assert page.get_by_role("radio", name="texture noise").is_checked()
    assert page.get_by_text("grain <b>").last.is_visible()
    listed.last.click()
    page.keyboard.press("Backspace")
    page.wait_for_timeout(400)
    assert listed.count() == 1
    for key in ("t", "g", "u"):
        page.locator("body").press(key)
        page.wait_for_timeout(200)
    assert submit(page) == ""

    assert collect.pull(predicted, connect(predicted)).refused == 0
    (kept,) = predicted.read_table("regions").to_pylist()
    assert (kept["kind"], kept["flaw_type"], kept["description"]) == ("artifact", "texture_noise", "grain <b>")
    assert kept["assisted"]
    np.testing.assert_allclose(kept["polygon"], SQUARE[:1], atol=1e-3)
