"""What the wall allows, decided without a server; its routes compared with all that Label Studio has."""

import json
import re
import subprocess

import pytest

from annotation import installation, wall
from annotation.wall import Person, Reach
from editfhf.errors import BadInput

ANN, BOB, EVE = "ann@example.org", "bob@example.org", "eve@example.org"  # Eve has no work


class NoRecords:
    """Nothing is known by number alone."""

    def view(self, number: int) -> None: ...

    annotation = draft = view


REACH = Reach(frozenset({"admin@x"}), {ANN: frozenset({7}), BOB: frozenset({8})}, {70: 7, 80: 8})
PRINT_ROUTES = """
import os, sys
import django
django.setup()
from django.urls import get_resolver
def walk(patterns, prefix):
    for one in patterns:
        if hasattr(one, "url_patterns"):
            walk(one.url_patterns, prefix + str(one.pattern))
        else:
            print("ROUTE", prefix + str(one.pattern))
walk(get_resolver().url_patterns, "")
"""
OPEN = {
    "GET /api/version", "GET /api/current-user/whoami", "GET /api/current-user/hotkeys",
    "PATCH /api/current-user/hotkeys", "GET /api/current-user/product-tour", "PATCH /api/current-user/product-tour",
    "GET /api/users", "GET /api/projects/N", "GET /api/projects/N/label-stream-history", "GET /api/ml",
    "GET /api/label_links", "GET /api/dm/columns", "GET /api/dm/project", "GET /api/dm/views", "POST /api/dm/views",
    "POST /api/dm/actions", "GET /api/tasks", "GET /api/tasks/N", "GET /api/tasks/N/annotations",
    "POST /api/tasks/N/annotations", "GET /api/tasks/N/drafts", "POST /api/tasks/N/drafts", "GET /projects/N/data",
    "GET /data/local-files", "GET /tasks/N/resolve", "GET /tasks/N/presign",
}  # fmt: skip


@pytest.fixture(scope="module")
def routes(tmp_path_factory) -> list[str]:
    """Every route of Label Studio, from itself; a number as N."""
    installation.install(print)
    environment = installation.server_environment(tmp_path_factory.mktemp("routes")) | {
        "DJANGO_SETTINGS_MODULE": "core.settings.label_studio", "PYTHONPATH": str(installation.source()),
    }  # fmt: skip
    python = installation.home() / "bin" / "python"
    done = subprocess.run([python, "-c", PRINT_ROUTES], env=environment, capture_output=True, text=True, check=True)
    found = set()
    for line in done.stdout.splitlines():
        if line.startswith("ROUTE "):
            path = re.sub(r"<[^>]*>|\(\?P<\w+>\[[^\]]*\][+*]\)|\(\?P<\w+>\.\*\)", "N", line.removeprefix("ROUTE "))
            path = re.sub(r"\(\?P.*?\)\??|[\^$?]", "", path).replace(r"\.", ".")
            found.add("/" + path.strip("/"))
    return sorted(found)


@pytest.mark.server
def test_of_all_routes_that_label_studio_has_only_those_of_the_labelling_screen_are_open(routes):
    assert len(routes) > 200

    def open_to(email: str, number: int, project: int) -> set[str]:
        query = f"?project={project}&id=next_task"
        return {
            f"{method} {route}"
            for route in routes
            for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
            if wall.find_route(REACH, Person(1, email), method, route.replace("N", str(number)) + query, NoRecords())
        }

    numbers = {number: open_to(ANN, number, 7) for number in (7, 70, 8, 80)}
    assert numbers[7] | numbers[70] == OPEN
    without_number = {route for route in OPEN if "N" not in route.split()[1]}
    assert numbers[8] == numbers[80] == without_number
    # With another's project in the query nothing is open at all; nor to one without work.
    assert open_to(ANN, 70, 8) == open_to(EVE, 70, 7) == set()


def test_a_query_that_the_server_might_read_otherwise_does_not_pass():
    def passes(query: str, method: str = "GET", path: str = "/api/tasks") -> bool:
        return wall.find_route(REACH, Person(1, ANN), method, f"{path}?{query}", NoRecords()) is not None

    assert passes("project=7")
    for query in (
        "", "project=8", "project=7&project=8", "project=8&project=7", "project=", "project=7x", "project=٧",
        "project=-7",
        "project=7&view=1", "project=7&task=80", "project=7&taskID=80", "project=7.0", "project=7%00", "Project=7",
        "pro%6aect=8", "project=7&pro%6aect=8", "project=7&%70roject=8",
    ):  # fmt: skip
        assert not passes(query), query
    actions = "/api/dm/actions"
    assert passes("project=7&id=next_task", "POST", actions)
    for query in ("project=7", "project=7&id=delete_tasks", "project=7&id=next_task&id=delete_tasks"):
        assert not passes(query, "POST", actions), query
    for path in (
        "/api/tasks//",
        "/api//tasks",
        "/api/./tasks",
        "/api/tasks%2f",
        "/API/tasks",
        "/api/tasks\\",
        "/api/tasks\n",
    ):
        assert not passes("project=7", path=path), path


def test_a_body_keeps_only_the_fields_of_its_route():
    ann = Person(1, ANN)
    route = wall.find_route(REACH, ann, "POST", "/api/tasks/70/annotations", NoRecords())
    body = json.dumps({"result": [1], "completed_by": 2, "task": 80}).encode()
    assert json.loads(wall.clean_body(REACH, ann, route, body)) == {"result": [1]}
    for bad in (b"result=1", b"[1]", b"\xff", b"[" * 100_000):
        assert wall.clean_body(REACH, ann, route, bad) is None
    reading = wall.find_route(REACH, ann, "GET", "/api/tasks/70", NoRecords())
    assert wall.clean_body(REACH, ann, reading, b'{"project": 8}') is None
    tab = wall.find_route(REACH, ann, "POST", "/api/dm/views?project=7", NoRecords())
    for project, passes in (
        (7, True),
        ("7", True),
        (8, False),
        ("8", False),
        ([7], False),
        (None, False),
        (True, False),
    ):
        assert (wall.clean_body(REACH, ann, tab, json.dumps({"project": project}).encode()) is not None) is passes


def test_two_people_in_one_project_and_a_damaged_file_are_one_sentence(tmp_path):
    with pytest.raises(BadInput, match=r"Project 7 belongs to a@x and to b@x"):
        wall.write(tmp_path / "wall.json", {"a@x": [7], "b@x": [7, 8]}, {}, [])
    wall.write(tmp_path / "wall.json", {"Ann@Example.org": [7]}, {7: [70]}, ["Admin@X"])
    reach = wall.read(tmp_path / "wall.json")
    assert reach.projects(Person(1, "ANN@example.org")) == {7}
    assert reach.is_admin(Person(2, "admin@x"))
    for text in ("", "{}", "[]", '{"admins": [], "people": {"a": 1}, "tasks": {}}'):
        (tmp_path / "wall.json").write_text(text)
        with pytest.raises(BadInput, match="damaged"):
            wall.read(tmp_path / "wall.json")
