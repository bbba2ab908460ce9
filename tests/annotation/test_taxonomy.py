"""The flaw types change in the middle of a campaign, on the real Label Studio."""

import pytest

from annotation import campaign, collect
from annotation.projects import Projects, item_of
from annotation.screens import SCREENS, Screen
from annotation.taxonomy import require_mapped
from editfhf.errors import BadInput
from editfhf.flaws import FLAWS, FlawType
from editfhf.schema import RefusedAnswer, Verdict
from tests.annotation.conftest import edits_of, only_project, use_settings
from tests.annotation.label_studio_json import outcome, placeless, region
from tests.editfhf.answered import make_answered

WHEN = "2026-11-02T12:00:00+00:00"


@pytest.fixture
def earlier(monkeypatch):
    """The screen on which texture noise is called grain, until `undo`."""
    today = SCREENS["regions"].label_config
    config = today.replace('value="texture noise" alias="texture_noise"', 'value="grain" alias="grain"')
    assert config != today
    monkeypatch.setitem(SCREENS, "regions", Screen("regions", config))
    monkeypatch.setitem(FLAWS, "grain", FlawType("grain", "artifact", "grain"))
    return monkeypatch


def answer_grain(workspace, client) -> int:
    """One edit answered on the server by a region of grain, not yet pulled; the number of its project."""
    use_settings(workspace, screens="[regions]", drawers_per_edit=1)
    campaign.push(workspace, client)
    project = only_project(workspace, client)
    first, *_ = client.tasks(project)
    client.add_annotation(first.id, {"result": region(flaw_type="grain")})
    return project


@pytest.mark.server
def test_answers_keep_the_screen_they_were_given_on_and_old_flaw_types_get_their_new_name(workspace, client, earlier):
    use_settings(workspace, screens="[regions]", drawers_per_edit=1)
    campaign.push(workspace, client)
    project = only_project(workspace, client)
    first, second, third, *_ = client.tasks(project)
    client.add_annotation(first.id, {"result": region(flaw_type="grain")})
    client.add_annotation(second.id, {"result": placeless("whole_artifact", ["grain"], "all of it")})
    collect.pull(workspace, client)
    assert workspace.read_table("regions")["flaw_type"].to_pylist() == ["grain", "grain"]
    old = SCREENS["regions"].version
    earlier.undo()
    new = SCREENS["regions"].version
    assert old != new

    wanted = r"2 regions are of the flaw type 'grain'.*`renamed_flaw_types: \{grain: TYPE\}`.*editfhf.yaml"
    with pytest.raises(BadInput, match=wanted):
        campaign.push(workspace, client)
    counts = collect.pull(workspace, client)  # before anybody mapped it: refused, and not forgotten
    assert (counts.regions, counts.refused, counts.altered) == (0, 2, [project])
    with pytest.raises(BadInput, match=wanted):
        campaign.push(workspace, client)

    use_settings(workspace, screens="[regions]", drawers_per_edit=1, renamed_flaw_types="{grain: texture_noise}")
    campaign.push(workspace, client)
    assert client.project_state(project)["label_config"].strip() == SCREENS["regions"].label_config.strip()
    client.add_annotation(third.id, {"result": outcome("no_flaw")})
    counts = collect.pull(workspace, client)
    assert (counts.answers, counts.regions, counts.refused, counts.altered) == (3, 2, 0, [])
    edit_of = edits_of(workspace)
    of_item = {edit_of[item_of(task)]: version for task, version in ((first, old), (second, old), (third, new))}
    answers, regions = workspace.read_table("answers").to_pylist(), workspace.read_table("regions").to_pylist()
    assert {row["edit_id"]: row["screen"] for row in answers} == of_item
    assert {(row["flaw_type"], row["screen"]) for row in regions} == {("texture_noise", old)}
    assert campaign.push(workspace, client).tasks == 0


@pytest.mark.server
def test_what_an_earlier_version_pulled_of_a_project_that_is_gone_has_no_screen_and_stays(workspace, client):
    import pyarrow.parquet as pq

    use_settings(workspace, drawers_per_edit=1)
    campaign.push(workspace, client)
    project = only_project(workspace, client)
    task = next(iter(client.tasks(project)))
    client.add_annotation(task.id, {"result": outcome("cannot_judge", "black")})
    before = collect.pull(workspace, client)
    assert before.answers == 1
    assert workspace.read_table("answers")["screen"].to_pylist() == [SCREENS["together"].version]
    for name in ("answers", "ratings", "regions"):
        for path in (workspace.table_path(name), collect.raw_folder(workspace) / f"project-{project}/{name}.parquet"):
            pq.write_table(pq.read_table(path).drop_columns("screen"), path)
    again = collect.pull(workspace, client)
    assert (again.changed, again.answers) == ([], 1)
    assert workspace.read_table("answers")["screen"].to_pylist() == [""]
    assert collect.pull(workspace, client, everything=True).answers == 1
    assert workspace.read_table("answers")["screen"].to_pylist() == [SCREENS["together"].version]


@pytest.mark.server
def test_the_screen_of_an_answer_is_that_of_its_time(workspace, client):
    campaign.push(workspace, client)
    projects = Projects(workspace, client)
    (project,) = projects.known.values()
    since = projects.screens[project][0].since
    assert projects.version_at(project, since) == SCREENS["together"].version
    assert projects.version_at(project, "2001-01-01T00:00:00+00:00") == ""
    assert projects.version_at(project + 1000, since) == ""


def test_types_in_verdicts_and_refused_answers_count_and_what_no_screen_ever_offered_does_not(tmp_path):
    workspace = make_answered(tmp_path / "campaign")
    use_settings(workspace)
    require_mapped(workspace, [SCREENS["together"].label_config])
    reason = "'grain' is no flaw type of kind 'Artifact'"
    refused = RefusedAnswer(1, 2, 3, "e", "ann", "region a", reason, "{}", "together", True)
    workspace.write_table("refused_answers", [refused])
    require_mapped(workspace, [SCREENS["together"].label_config, "not <xml"])  # somebody wrote it into the API
    with pytest.raises(BadInput, match="1 region is of the flaw type 'grain'"):
        require_mapped(workspace, ['<Choice value="grain" alias="grain" hint="x"/>'])
    workspace.write_table("verdicts", [Verdict("r", "e", "ann", "human", "flaw", "smudge", 1.0, WHEN)])
    with pytest.raises(BadInput, match="1 region is of the flaw type 'smudge'"):
        require_mapped(workspace, [])
    use_settings(workspace, renamed_flaw_types="{smudge: color_bleed, grain: texture_noise}")
    require_mapped(workspace, ['<Choice value="grain" alias="grain" hint="x"/>'])


@pytest.mark.server
def test_a_type_that_the_screens_lose_before_anybody_pulled_is_asked_for(workspace, client, earlier):
    answer_grain(workspace, client)
    earlier.undo()
    with pytest.raises(BadInput, match=r"may be of the flaw type 'grain'.*renamed_flaw_types"):
        campaign.push(workspace, client)
    use_settings(workspace, screens="[regions]", drawers_per_edit=1, renamed_flaw_types="{grain: texture_noise}")
    campaign.push(workspace, client)
    assert collect.pull(workspace, client).refused == 0
    assert workspace.read_table("regions")["flaw_type"].to_pylist() == ["texture_noise"]


@pytest.mark.server
def test_the_new_name_reaches_what_was_pulled_of_a_project_that_is_gone(workspace, client, earlier):
    project = answer_grain(workspace, client)
    collect.pull(workspace, client)
    client.delete_project(project)
    earlier.undo()
    use_settings(workspace, screens="[regions]", drawers_per_edit=1, renamed_flaw_types="{grain: texture_noise}")
    campaign.push(workspace, client)
    collect.pull(workspace, client)
    assert workspace.read_table("regions")["flaw_type"].to_pylist() == ["texture_noise"]


@pytest.mark.server
def test_the_screen_is_known_though_the_push_was_killed_before_it_was_noted(workspace, client, monkeypatch):
    def die(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Projects, "_note_screen", die)
        with pytest.raises(KeyboardInterrupt):
            campaign.push(workspace, client)
    campaign.push(workspace, client)
    projects = Projects(workspace, client)
    (number,) = projects.known.values()
    assert projects.version_at(number, "2040-01-01T00:00:00+00:00") == SCREENS["together"].version
