"""The way in, in a real Chromium, as a person takes it: account, consent, plates, and then the edits."""

import re

import pytest

from annotation import campaign, collect, interface
from annotation.campaign import read_assignments
from annotation.client import connect
from annotation.entrance import recorded, standings
from annotation.plates import COLOUR_CSS_PX, FIELD_CSS_PX, plates_of
from annotation.projects import Place, Projects
from annotation.pseudonyms import Pseudonyms
from annotation.roster import Roster
from tests.annotation.conftest import N_EDITS, start_afresh, use_settings
from tests.annotation.test_screen import close_guidelines, submit
from tests.browser import BROWSER_MARKS, chromium

pytestmark = [pytest.mark.server, *BROWSER_MARKS]
ANN, PASSWORD = "ann-at-the-entrance@example.org", "a long pass phrase"


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


def choose(page, place: int, answer: str) -> None:
    """Choose an answer below one of the plates that offer it."""
    page.locator("label", has_text=re.compile(rf"^{answer}(\[|$)")).nth(place).click()


def test_a_person_agrees_shows_that_she_sees_and_then_gets_the_edits(browser, served_workspace, tmp_path):
    workspace, client = served_workspace, connect(served_workspace)
    start_afresh(workspace)
    use_settings(workspace, screens="[ratings]", raters_per_edit=1, consent="true", vision_check="true")
    roster = Roster(workspace)
    (member,) = roster.add([ANN])
    ann = roster.pseudonym(member)
    assert campaign.push(workspace, client).waiting == 1

    page = browser.new_page(viewport={"width": 1366, "height": 768})
    page.goto(client.invite_link())
    page.fill("input[name=email]", ANN)
    page.fill("input[name=password]", PASSWORD)
    page.click("button[type=submit]")
    page.wait_for_url(lambda address: "signup" not in address)
    entrance = Projects(workspace, client).known[Place("admission", member.number)]
    page.goto(f"{client.url}/projects/{entrance}/data?labeling=1")
    page.wait_for_selector("text=I do not agree", timeout=60_000)
    close_guidelines(page)
    page.screenshot(path=tmp_path / "consent.png")
    plates = page.locator("img[alt=acuity], img[alt=colour]")
    assert not plates.filter(visible=True).count()
    page.get_by_text("I agree").click()
    page.wait_for_function("[...document.querySelectorAll('img[alt=colour]')].every(one => one.naturalWidth > 0)")
    sizes = [plate.bounding_box() for plate in plates.all()]
    assert [(box["width"], box["height"]) for box in sizes] == [(FIELD_CSS_PX,) * 2] * 4 + [(COLOUR_CSS_PX,) * 2] * 6
    assert "to which side" in submit(page)

    truth = {plate.control: plate.answer for plate in plates_of(Pseudonyms.of(workspace).key, ann)}
    wrong = {"colour_2": interface.PLATE_ANSWERS["colour_2"][interface.CANNOT_TELL]}
    for place, control in enumerate(interface.ACUITY_CONTROLS):
        choose(page, place, interface.SIDES[truth[control]])
    page.screenshot(path=tmp_path / "rings.png")
    assert "which figure" in submit(page)
    for place, control in enumerate(interface.COLOUR_CONTROLS):
        # "I cannot tell" stands below the rings, too.
        choose(page, place + 4 * (control in wrong), wrong.get(control, truth[control]))
    shown = page.locator("input[type=checkbox]:checked, input[type=radio]:checked")
    assert shown.count() == 1 + len(interface.PLATE_CONTROLS)  # no answer switched another off
    shown.last.scroll_into_view_if_needed()
    page.screenshot(path=tmp_path / "dots.png")
    assert submit(page) == ""

    pulled = collect.pull(workspace, client)
    assert (pulled.refused, pulled.admitted) == (0, [ann])
    row = recorded(workspace)[ann]
    assert (row.consented, row.acuity_right, row.acuity_of, row.colour_right, row.colour_of) == (True, 4, 4, 5, 6)
    assert (row.annotator_kind, row.lead_time_s > 0) == ("human", True)
    assert standings(workspace, read_assignments(workspace))[ann].state == "admitted"
    assert campaign.push(workspace, client).tasks == N_EDITS
    ratings = Projects(workspace, client).known[Place("ratings", member.number)]
    page.goto(f"{client.url}/projects/{ratings}/data?labeling=1")
    page.wait_for_selector("canvas", timeout=60_000)
    page.close()
