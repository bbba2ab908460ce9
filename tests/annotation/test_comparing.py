"""In Chromium: the screens `verify` and `preference`, how exactly a click lands, the pictures of the guidelines."""

import numpy as np
import pytest
from PIL import Image

from annotation.answers import About, Verdict, parse_annotation
from annotation.client import connect
from annotation.examples import EXAMPLES, write_examples
from annotation.guidelines import guidelines
from annotation.published import PublishedImages
from annotation.screens import SCREENS
from tests.annotation.test_screen import browser, labelling_screen, press, square_image, submit
from tests.browser import BROWSER_MARKS

pytestmark = [pytest.mark.server, *BROWSER_MARKS]
__all__ = ["browser"]  # the fixture

SIDE = 600  # pixels of the images: not of the screen, so that points are scaled


class Project:
    """A project of its own with one task, and a person's browser in front of it."""

    def __init__(self, workspace, browser, project_type: str) -> None:
        self.type = project_type
        self.client = connect(workspace)
        images = PublishedImages(workspace).folder
        write_examples(images / "guidelines")
        for name, value in (("grey", 128), ("light", 220), ("dark", 40)):
            Image.new("RGB", (SIDE, SIDE), (value, value, value)).save(images / f"{name}.png")

        def address(name: str) -> str:
            return f"/data/local-files/?d=images/{name}"

        read_first = guidelines(project_type, lambda name: address(f"guidelines/{name}"))
        config = SCREENS[project_type].label_config
        self.number = self.client.create_project(f"alone {project_type}", config, 1, read_first)
        self.client.serve_folder(self.number, images)
        shown = {
            "source_image": "grey.png", "edited_image": "light.png", "marked_image": "light.png",
            "first_image": "light.png", "second_image": "dark.png",
        }  # fmt: skip
        data = {"item": "one", "instruction": "do it"} | {key: address(name) for key, name in shown.items()}
        self.client.import_tasks(self.number, [{"data": data}])
        self.page = labelling_screen(browser, workspace, f"projects/{self.number}/data?labeling=1")

    def answer(self):
        """What the person said, as it is read."""
        (task,) = self.client.tasks(self.number)
        (annotation,) = self.client.annotations(task.id)
        return parse_annotation(annotation, About(self.type, "edit", "somebody", "human"))


@pytest.fixture
def project_of(served_workspace, browser):
    made = []

    def make(project_type: str) -> Project:
        made.append(Project(served_workspace, browser, project_type))
        return made[-1]

    yield make
    for project in made:
        project.page.close()
        project.client.delete_project(project.number)


def test_a_second_person_says_that_a_region_is_a_flaw_and_must_say_which(project_of):
    project = project_of("verify")
    page = project.page
    assert page.get_by_text("wrong style").is_hidden()
    press(page, "1")
    assert submit(page) == "Choose what kind of flaw it is."
    page.get_by_text("wrong style").click()
    assert submit(page) == ""
    parsed = project.answer()
    assert (parsed.verdict, parsed.refusals) == (Verdict(True, "wrong_style"), [])


def test_of_two_edits_the_right_one_is_preferred_or_neither_for_a_reason(project_of):
    project = project_of("preference")
    page = project.page
    left, *_, right = (canvas.bounding_box()["x"] for canvas in page.query_selector_all("canvas"))
    assert left < page.viewport_size["width"] / 3 < right
    press(page, "b")
    assert submit(page) == "Say why it cannot be judged."
    press(page, "3")  # hidden now: whoever cannot judge prefers nothing
    page.get_by_placeholder("Why not?").fill("both are black")
    assert submit(page) == ""
    assert project.answer().answer.reason == "both are black"

    project = project_of("preference")
    press(project.page, "3")
    assert submit(project.page) == ""
    assert (project.answer().preferred, project.answer().refusals) == ("second", [])


def test_a_polygon_lies_within_a_pixel_of_where_it_was_clicked_on_either_image(project_of):
    project = project_of("regions")
    page = project.page
    clicked = {}
    for key, place, kind, words in (
        ("1", -1, "texture noise", "What is wrong here?"), ("3", 0, "not edited", "What vanished, or was not edited?")
    ):  # fmt: skip
        left, top, side = square_image(page, place)
        points = [(round(left + x), round(top + y)) for x, y in ((41, 52), (203, 67), (181, 240), (55, 199))]
        clicked[key] = (np.array(points) - (left, top)) / side
        press(page, key)
        for x, y in [*points, points[0]]:
            page.mouse.click(x, y)
            page.wait_for_timeout(400)  # two quick clicks are a double click to Label Studio
        page.mouse.click(*np.mean(points, axis=0).tolist())
        page.wait_for_timeout(400)
        page.get_by_role("radio", name=kind).locator("visible=true").first.click()
        assert submit(page) == "Say for each region what is wrong there."
        page.get_by_placeholder(words).fill(f"seen with key {key}")
    assert submit(page) == ""
    parsed = project.answer()
    assert not parsed.refusals
    found = {region.description[-1]: region.polygon or region.source_polygon for region in parsed.regions}
    for key, points in clicked.items():
        (ring,) = found[key]
        assert np.abs(np.array(sorted(ring)) - np.array(sorted(points.tolist()))).max() * side <= 1


def test_the_guidelines_can_be_read_again_and_all_their_pictures_come(project_of):
    page = project_of("regions").page
    page.get_by_role("button", name="Instructions").click()
    page.locator("img[src*=guidelines]").last.wait_for()
    page.wait_for_load_state("networkidle")
    widths = page.evaluate(
        "[...document.images].filter(one => one.src.includes('guidelines')).map(one => one.naturalWidth)"
    )
    assert len(widths) == len(EXAMPLES) + 1
    assert min(widths) > 200
