"""The labelling screens in a real Chromium, used as a person would use them."""

import numpy as np
import pytest

from annotation import campaign, collect, interface, server
from annotation.client import connect
from editfhf import cli
from editfhf.schema import DIMENSIONS
from editfhf.workspace import Workspace
from tests.annotation.conftest import N_EDITS, SQUARE, start_afresh, use_settings
from tests.browser import BROWSER_MARKS, chromium

pytestmark = [pytest.mark.server, *BROWSER_MARKS]

LARGE = {"width": 1600, "height": 1000}
QUALITY, FOLLOWING, CONSISTENCY = interface.QUESTIONS.values()
BOTTOM_BAR = 50  # pixels; Label Studio's, with Submit


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


def first_task(browser, workspace: Workspace, screen: str):
    """The first task of a fresh campaign with one screen, the guidelines closed."""
    start_afresh(workspace)
    use_settings(workspace, screens=f"[{screen}]")
    (project,) = campaign.push(workspace, connect(workspace)).projects
    return labelling_screen(browser, workspace, f"projects/{project}/data?labeling=1")


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
    close_guidelines(page)
    page.wait_for_timeout(2000)  # the canvases take their size after the images came
    return page


def close_guidelines(page) -> None:
    """They open by themselves, before the first task."""
    page.get_by_role("heading", name="Before you begin").wait_for()
    page.get_by_label("Close modal").click()
    page.get_by_role("heading", name="Before you begin").wait_for(state="hidden")


def square_image(page, place: int = -1) -> tuple[float, float, float]:
    """Left, top and side of an image on the screen: 0 the left one, -1 the right one."""
    box = page.query_selector_all("canvas")[place].bounding_box()
    return box["x"], box["y"], min(box["width"], box["height"])


def press(page, *keys: str) -> None:
    page.get_by_text("Instruction: do").first.click()  # out of the text field: there, a key is a letter
    for key in keys:
        page.keyboard.press("Escape")  # out of the region that is chosen
        page.locator("body").press(key)
        page.wait_for_timeout(300)


def click_polygon(page, points: list[tuple[float, float]], place: int = -1) -> None:
    left, top, side = square_image(page, place)
    for x, y in [*points, points[0]]:
        page.mouse.click(left + x * side, top + y * side)
        page.wait_for_timeout(400)  # two quick clicks are a double click to Label Studio
    centre = np.mean(points, axis=0)
    page.mouse.click(left + centre[0] * side, top + centre[1] * side)
    page.wait_for_timeout(400)


def submit(page) -> str:
    """Press Submit; returns what the screen complains about ("" when it takes the answer, and shows the next)."""
    page.click("button:has-text('Submit')")
    page.wait_for_timeout(1500)
    warning = page.locator(".ant-modal-confirm-content")
    if not warning.count():
        return ""
    text = warning.inner_text()
    page.click(".ant-modal-confirm-btns button")
    warning.wait_for(state="hidden")
    return text


def submit_and_go_on(page) -> None:
    """Submit an answer that is complete, and wait for the next task, of which nothing is said yet."""
    assert submit(page) == ""
    page.locator("button[disabled]:has-text('Submit')").wait_for()
    page.wait_for_timeout(2000)


def test_on_a_small_screen_instruction_images_labels_and_ratings_are_in_sight_together(served_workspace, browser):
    page = first_task(browser, served_workspace, "together")
    height = page.viewport_size["height"]
    left, top, side = square_image(page)
    assert side >= 300
    assert top + side < height
    for text in ("Instruction: do", "Editing failure", CONSISTENCY):
        box = page.get_by_text(text).first.bounding_box()
        assert 0 <= box["y"] < height - 50
    page.mouse.move(left + side / 2, height - 130)
    page.mouse.wheel(0, 5000)
    page.wait_for_timeout(500)
    assert page.get_by_text("Instruction: do").first.bounding_box()["y"] >= 0
    page.mouse.wheel(0, -5000)
    page.wait_for_timeout(500)


def test_what_a_person_draws_writes_and_rates_arrives_as_it_was_and_nothing_less_is_taken(browser, served_workspace):
    workspace = served_workspace
    page = first_task(browser, workspace, "together")
    _, _, side = square_image(page)
    drawn = [(0.25, 0.3), (0.7, 0.25), (0.65, 0.6), (0.3, 0.7)]
    page.keyboard.press("1")
    click_polygon(page, drawn)
    assert "what kind of flaw" in submit(page)
    page.get_by_text("seam or boundary").first.click()
    assert "what is wrong there" in submit(page)
    page.get_by_placeholder("What is wrong here?").fill("a bright halo around the ball")
    assert QUALITY in submit(page)
    press(page, "t", "g")  # the best grade twice: one may not switch off the other
    assert CONSISTENCY in submit(page)
    press(page, "u")
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


def test_the_image_is_rated_by_itself_before_the_photo_shows_and_who_cannot_judge_says_why(browser, served_workspace):
    workspace = served_workspace
    page = first_task(browser, workspace, "ratings")
    photo, why = page.get_by_text("Source photo"), page.get_by_placeholder("Why not?")
    assert not photo.is_visible()
    assert len(page.locator("canvas >> visible=true").all()) == len(page.locator("canvas").all()) / 2
    assert not page.get_by_text(FOLLOWING).is_visible()
    assert page.locator("button:has-text('Submit')").is_disabled()
    press(page, "r")
    photo.wait_for(state="visible")
    assert FOLLOWING in submit(page)

    press(page, "b")
    assert not photo.is_visible()
    assert "why" in submit(page)
    why.fill("too small to see")
    submit_and_go_on(page)

    press(page, "m")
    submit_and_go_on(page)

    press(page, "q", "s", "i")
    assert submit(page) == ""
    collect.pull(workspace, connect(workspace))
    answers = workspace.read_table("answers").to_pylist()
    said = sorted((row["outcome"], row["reason"]) for row in answers)
    assert said == [("answered", ""), ("cannot_judge", "too small to see"), ("skipped", "distressing")]
    scores = {row["dimension"]: row["score"] for row in workspace.read_table("ratings").to_pylist()}
    assert scores == dict(zip(DIMENSIONS, (1, 2, 3), strict=True))
    assert workspace.read_table("refused_answers").num_rows == 0


def test_flaws_are_drawn_on_either_image_with_type_and_reason_and_no_flaw_is_an_answer(browser, served_workspace):
    workspace = served_workspace
    page = first_task(browser, workspace, "regions")
    assert page.locator("button:has-text('Submit')").is_disabled()  # nothing at all is no answer
    drawn, vanished = [(0.3, 0.2), (0.8, 0.3), (0.5, 0.7)], [(0.2, 0.25), (0.7, 0.2), (0.6, 0.6), (0.25, 0.5)]
    _, _, side = square_image(page)
    press(page, "2")
    click_polygon(page, drawn)
    page.locator("text=wrong target >> visible=true").first.click()
    page.get_by_placeholder("What is wrong here?").fill("the wrong ball")
    press(page, "3")
    click_polygon(page, vanished, place=0)
    assert "what kind of flaw" in submit(page)
    page.locator("text=/^not edited/ >> visible=true").first.click()
    assert "what is wrong there" in submit(page)
    page.get_by_placeholder("What vanished").fill("the hat is still there")
    submit_and_go_on(page)

    press(page, "n")
    assert submit(page) == ""
    collect.pull(workspace, connect(workspace))
    assert sorted(row["outcome"] for row in workspace.read_table("answers").to_pylist()) == ["answered", "no_flaw"]
    assert workspace.read_table("refused_answers").num_rows == 0
    in_photo, in_edit = sorted(workspace.read_table("regions").to_pylist(), key=lambda row: row["extent"])
    assert (in_edit["flaw_type"], in_edit["description"]) == ("wrong_target", "the wrong ball")
    assert (in_photo["flaw_type"], in_photo["description"]) == ("not_edited", "the hat is still there")
    assert (in_photo["extent"], in_photo["polygon"], in_edit["source_polygon"]) == ("missing", [], [])
    for (ring,), points in ((in_edit["polygon"], drawn), (in_photo["source_polygon"], vanished)):
        assert np.abs(np.array(ring) - points).max() * side < 3  # pixels on the screen


@pytest.mark.parametrize("screen", ["ratings", "regions", "together"])
def test_images_take_the_height_there_is_and_every_key_means_one_thing(screen, browser, served_workspace):
    page = first_task(browser, served_workspace, screen)
    on_the_left = 1  # the very first canvas keeps its size when the window changes; those over it follow
    _, _, small = square_image(page, on_the_left)
    page.set_viewport_size(LARGE)
    page.wait_for_timeout(1000)
    _, top, large = square_image(page, on_the_left)
    assert large - small > 0.9 * (LARGE["height"] - 768)
    assert top + large < LARGE["height"] - BOTTOM_BAR
    assert page.get_by_text("Instruction: do").first.is_visible()
    keys = page.locator("sup").all_text_contents()
    assert len(keys) > 5
    assert len(set(keys)) == len(keys)
    page.close()


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
    press(page, "t", "g", "u")
    assert submit(page) == ""

    assert collect.pull(predicted, connect(predicted)).refused == 0
    (kept,) = predicted.read_table("regions").to_pylist()
    assert (kept["kind"], kept["flaw_type"], kept["description"]) == ("artifact", "texture_noise", "grain <b>")
    assert kept["assisted"]
    np.testing.assert_allclose(kept["polygon"], SQUARE[:1], atol=1e-3)
