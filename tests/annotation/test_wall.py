"""The wall before Label Studio: the real nginx, the real server, people who signed up through the invite link."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from annotation import server, wall
from annotation.client import Client, connect, is_own
from annotation.published import PublishedImages
from tests.browser import CHROMIUM, chromium
from tests.factories import make_workspace

REPOSITORY = Path(__file__).parents[2]
SCREEN = """<View><Text name="instruction" value="$instruction"/><Image name="edited" value="$edited_image"/>
<Choices name="quality" toName="edited" choice="single-radio" required="true">
<Choice value="excellent"/><Choice value="bad"/></Choices></View>"""
ANN, BOB, EVE = "ann@example.org", "bob@example.org", "eve@example.org"  # Eve has an account and no work
PASSWORD = "correct horse battery"


def run_wall(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(REPOSITORY / "deploy" / "wall" / "wall"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=REPOSITORY)


def require_nginx() -> None:
    def found() -> bool:
        return bool(shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin"))

    if not found() and os.geteuid() == 0:
        subprocess.run(["sh", str(REPOSITORY / "deploy" / "install-debian-packages")], check=False, capture_output=True)
    if not found():
        pytest.skip("needs Debian's package nginx: sh deploy/install-debian-packages, as root")


def free_address() -> str:
    with server.socket.socket() as probe:
        probe.bind((server.HOST, 0))
        return f"{server.HOST}:{probe.getsockname()[1]}"


def quality(choice: str) -> list[dict]:
    value = {"choices": [choice]}
    return [{"from_name": "quality", "to_name": "edited", "type": "choices", "value": value}]


class Built:
    """A wall with two people behind it, each with a project of two tasks, one answered."""

    def __init__(self, workspace, folder: Path) -> None:
        self.workspace = workspace
        self.client = connect(workspace)
        self.folder, self.file = folder, folder / "wall.json"
        self.projects, self.tasks = {}, {}
        edits, images = workspace.edits()[:2], PublishedImages(workspace)
        for email in (ANN, BOB):
            project = self.client.create_project(f"Wall of {email}", SCREEN, 1)
            self.client.serve_folder(project, server.served_dir(workspace) / "images")
            data = [{"instruction": edit.instruction, "edited_image": images.address(edit.image)} for edit in edits]
            self.projects[email] = project
            self.tasks[email] = self.client.import_tasks(project, [{"data": one} for one in data])
        self.image = data[0]["edited_image"]
        self.write()
        address = free_address()
        done = run_wall("start", folder, "--file", self.file, "--label-studio", self.client.url, "--listen", address)
        assert done.returncode == 0, done.stderr
        self.url = json.loads(done.stdout)["url"]
        self.sessions = {email: self.sign_up(email) for email in (ANN, BOB, EVE)}
        self.users = {email: number for number, email in self.client.users().items()}
        for email in (ANN, BOB):
            path = f"/api/tasks/{self.tasks[email][0]}/annotations?project={self.projects[email]}"
            self.sessions[email].post(path, json={"result": quality("bad")}).raise_for_status()

    def sign_up(self, email: str) -> httpx.Client:
        """As a person does: the invite link, at the wall's address."""
        session = httpx.Client(base_url=self.url, timeout=60, trust_env=False)
        link = self.client.invite_link().removeprefix(self.client.url)
        session.get(link)
        form = {"email": email, "password": PASSWORD, "csrfmiddlewaretoken": session.cookies["csrftoken"]}
        assert session.post(link, data=form).status_code == 302
        return session

    def answers(self, email: str) -> list[dict]:
        return [one for task in self.tasks[email] for one in self.client.annotations(task)]

    def write(self) -> None:
        wall.write(
            self.file,
            {email: [project] for email, project in self.projects.items()},
            {self.projects[email]: tasks for email, tasks in self.tasks.items()},
            [server.ADMIN],
        )


@pytest.fixture(scope="module")
def built() -> Iterator[Built]:
    require_nginx()
    # Not pytest's folder: nginx's workers may not enter it. A server of its own: it gets people.
    base = Path(tempfile.mkdtemp(prefix="wall-", dir="/tmp"))
    base.chmod(0o755)
    workspace = make_workspace(base / "campaign", n_sources=1)
    try:
        server.serve(workspace, print, int(free_address().rpartition(":")[2]))
        yield Built(workspace, base / "wall")
    finally:
        run_wall("stop", base / "wall")
        server.stop(workspace)
        shutil.rmtree(base)


# Through nginx


@pytest.mark.server
def test_each_reaches_what_the_screen_needs_of_the_own_project(built):
    for email in (ANN, BOB):
        ask, project, (task, other) = built.sessions[email], built.projects[email], built.tasks[email]
        assert ask.get("/api/current-user/whoami").json()["email"] == email
        page = ask.get("/")
        assert f"/projects/{project}/data" in page.text
        assert page.text.count("<li>") == 1
        assert ask.get(f"/projects/{project}/data?labeling=1").status_code == 200
        assert ask.get(f"/api/projects/{project}").json()["id"] == project
        listed = ask.get(f"/api/tasks?project={project}&page=1&page_size=30").json()
        assert [row["id"] for row in listed["tasks"]] == [task, other]
        following = ask.post(f"/api/dm/actions?id=next_task&project={project}", json={"project": str(project)})
        assert following.json()["id"] == other
        assert ask.get(built.image).headers["Content-Type"] == "image/png"
        (given,) = ask.get(f"/api/tasks/{task}/annotations").json()
        changed = ask.patch(f"/api/annotations/{given['id']}/?project={project}", json={"result": quality("excellent")})
        assert changed.json()["result"] == quality("excellent")
        draft = ask.post(f"/api/tasks/{other}/drafts?project={project}", json={"result": quality("bad")}).json()
        assert ask.patch(f"/api/drafts/{draft['id']}/", json={"result": quality("bad")}).status_code == 200
        assert ask.delete(f"/api/drafts/{draft['id']}/").status_code == 204


@pytest.mark.server
def test_nobody_reaches_the_project_tasks_answers_drafts_or_tabs_of_another(built):
    ann, bob, mine, his = built.sessions[ANN], built.sessions[BOB], built.projects[ANN], built.projects[BOB]
    task, free = built.tasks[BOB]
    answer = built.answers(BOB)[0]["id"]
    draft = bob.post(f"/api/tasks/{free}/drafts?project={his}", json={"result": quality("bad")}).json()["id"]
    tab = bob.post(f"/api/dm/views?project={his}", json={"data": {"title": "Tab"}, "project": his}).json()["id"]
    assert bob.get(f"/api/tasks?project={his}&view={tab}").status_code == 200
    before = built.answers(BOB)
    body = {"result": quality("excellent")}
    shut = [
        ("GET", f"/projects/{his}/data"),
        ("GET", f"/api/projects/{his}"),
        ("GET", f"/api/projects/{his}/label-stream-history"),
        ("GET", f"/api/tasks?project={his}"),
        ("GET", f"/api/tasks?project={mine}&project={his}"),  # Django takes the last
        ("GET", f"/api/tasks?project={mine}&view={tab}"),  # the server goes by the tab
        ("GET", "/api/tasks"),
        ("GET", f"/api/tasks/{task}"),
        ("GET", f"/api/tasks/{task}?project={mine}"),  # the project of a task route is no proof
        ("GET", f"/api/tasks/{task}/annotations?project={mine}"),
        ("POST", f"/api/tasks/{task}/annotations?project={mine}"),
        ("POST", f"/api/tasks/{task}/drafts?project={mine}"),
        ("GET", f"/api/annotations/{answer}/?project={mine}"),
        ("PATCH", f"/api/annotations/{answer}/?project={mine}"),
        ("PUT", f"/api/annotations/{answer}/?taskID={built.tasks[ANN][0]}"),
        ("GET", f"/api/drafts/{draft}/"),
        ("PATCH", f"/api/drafts/{draft}/"),
        ("DELETE", f"/api/drafts/{draft}/"),
        ("POST", f"/api/dm/actions?id=next_task&project={his}"),
        ("POST", f"/api/dm/actions?id=next_task&project={mine}&project={his}"),
        ("GET", f"/api/dm/views?project={his}"),
        ("GET", f"/api/dm/project?project={his}"),
        ("GET", f"/api/users?project={his}"),
        ("GET", f"/tasks/{task}/resolve/?fileuri=czM6Ly9hL2I="),
    ]
    for method, target in shut:
        refused = ann.request(method, target, json=body if method in ("POST", "PATCH", "PUT") else None)
        assert refused.status_code == 403, (method, target)
        assert BOB not in refused.text
    moved = ann.post(f"/api/dm/views?project={mine}", json={"data": {}, "project": his})
    assert moved.status_code == 403
    assert built.answers(BOB) == before


@pytest.mark.server
def test_settings_storages_exports_people_and_administration_are_shut(built):
    ann, mine, task = built.sessions[ANN], built.projects[ANN], built.tasks[ANN][0]
    answer = built.answers(ANN)[0]["id"]
    storage = {"project": mine, "path": str(server.served_dir(built.workspace) / "images"), "use_blob_urls": True}
    shut = [
        ("POST", "/api/storages/localfiles", storage),
        ("GET", f"/api/storages/localfiles?project={mine}", None),
        ("GET", f"/api/storages?project={mine}", None),
        ("PATCH", f"/api/projects/{mine}", {"title": "Mine now"}),
        ("DELETE", f"/api/projects/{mine}", None),
        ("POST", f"/api/projects/{mine}/import", [{"data": {}}]),
        ("GET", f"/api/projects/{mine}/export?exportType=JSON", None),
        ("GET", "/api/projects", None),
        ("POST", "/api/projects", {"title": "Another"}),
        ("PATCH", f"/api/tasks/{task}", {"data": {}}),
        ("DELETE", f"/api/tasks/{task}", None),
        ("DELETE", f"/api/annotations/{answer}/", None),
        ("POST", f"/api/dm/actions?id=delete_tasks&project={mine}", {"selectedItems": {"all": True}}),
        ("GET", f"/api/dm/actions?project={mine}", None),
        ("GET", "/api/invite", None),
        ("GET", "/api/organizations", None),
        ("GET", "/api/current-user/token", None),
        ("POST", "/api/token/", {}),
        ("POST", "/api/users", {"email": "x@example.org"}),
        ("PATCH", f"/api/users/{built.users[ANN]}/", {"email": BOB}),
        ("GET", f"/api/users/{built.users[BOB]}/", None),
        ("GET", "/api/webhooks", None),
        ("GET", "/user/account", None),
        ("GET", "/organization", None),
        ("GET", f"/projects/{mine}/settings", None),
        ("GET", "/admin/", None),
        ("GET", "/django-rq/", None),
        ("GET", "/docs/api/", None),
        ("GET", "/metrics", None),
        ("GET", "/data/upload/1/a.png", None),
    ]
    for method, target, body in shut:
        assert ann.request(method, target, json=body).status_code == 403, (method, target)
    assert built.client.project_state(mine)["task_number"] == 2


@pytest.mark.server
def test_of_all_people_one_sees_oneself(built):
    users = built.sessions[ANN].get(f"/api/users?project={built.projects[ANN]}").json()
    assert [row["email"] for row in users] == [ANN]
    assert {ANN, BOB, EVE} <= set(built.client.users().values())


@pytest.mark.server
def test_nobody_answers_in_another_name_or_for_another_task(built):
    ann, (_, task) = built.sessions[ANN], built.tasks[ANN]
    false = {
        "result": quality("bad"), "completed_by": built.users[BOB], "task": built.tasks[BOB][1],
        "project": built.projects[BOB], "ground_truth": True,
    }  # fmt: skip
    number = ann.post(f"/api/tasks/{task}/annotations", json=false | {"project": built.projects[ANN]}).json()["id"]
    try:
        (given,) = [one for one in built.client.annotations(task) if one["id"] == number]
        assert (given["completed_by"], given["ground_truth"]) == (built.users[ANN], False)
        ann.patch(f"/api/annotations/{number}/", json=false | {"project": built.projects[ANN]}).raise_for_status()
        (given,) = [one for one in built.client.annotations(task) if one["id"] == number]
        assert (given["completed_by"], given["task"], given["ground_truth"]) == (built.users[ANN], task, False)
        # A form in place of JSON is not looked through, so it does not pass.
        form = {"result": json.dumps(quality("bad")), "completed_by": built.users[BOB]}
        assert ann.post(f"/api/tasks/{task}/annotations", data=form).status_code == 403
    finally:
        built.client._request("DELETE", f"/api/annotations/{number}/")
    assert len(built.answers(BOB)) == 1


@pytest.mark.server
def test_crooked_addresses_and_borrowed_identities_do_not_pass(built):
    ann, his = built.sessions[ANN], built.projects[BOB]
    for target in (
        f"/api/./projects/{his}", f"/api/projects/{built.projects[ANN]}/../{his}", f"//api/projects/{his}",
        f"/static/%2e%2e/api/projects/{his}", f"/api/projects/%32?x=/{his}", "/api//users",
        f"/static/../api/projects/{his}",
        f"/wall/check?/api/projects/{his}", "/wall/home",
    ):  # fmt: skip
        refused = ann.get(httpx.URL(built.url).copy_with(raw_path=target.encode()))
        assert refused.status_code in (403, 404), target
        assert BOB not in refused.text
    over = {"X-HTTP-Method-Override": "DELETE", "X-Original-URI": "/api/version", "X-Original-Method": "GET"}
    assert ann.get(f"/projects/{his}/data", headers=over).status_code == 403
    # A wrong token beside a good cookie: the cookie does not count, neither at the wall nor behind it.
    wrong = {"Authorization": "Token 0123456789"}
    assert ann.get(f"/api/projects/{built.projects[ANN]}", headers=wrong).status_code == 401
    # Whoever asked before has left nothing behind: a scheme that Label Studio ignores is nobody.
    assert ann.get(f"/api/projects/{built.projects[ANN]}").status_code == 200
    with httpx.Client(base_url=built.url, trust_env=False) as stranger:
        for header in ("Basic x", "Nothing", "Bearer x"):
            asked = stranger.get(f"/api/projects/{built.projects[ANN]}", headers={"Authorization": header})
            assert asked.status_code == 401, header
            assert "sessionid" not in asked.headers.get("Set-Cookie", "")


@pytest.mark.server
def test_who_has_not_signed_in_or_has_no_work_reaches_nothing(built):
    with httpx.Client(base_url=built.url, trust_env=False) as stranger:
        assert stranger.get("/").headers["Location"] == "/user/login/?next=/"
        assert stranger.get(f"/projects/{built.projects[ANN]}/data").headers["Location"].startswith("/user/login/")
        assert stranger.get(f"/api/projects/{built.projects[ANN]}").status_code == 401
        assert stranger.get(built.image).status_code == 302
        assert stranger.get("/user/login/").status_code == 200
    eve = built.sessions[EVE]
    assert "no work for you" in eve.get("/").text
    for target in (f"/api/projects/{built.projects[ANN]}", "/api/users", built.image, "/api/current-user/whoami"):
        assert eve.get(target).status_code == 403


@pytest.mark.server
def test_an_administrator_works_through_the_wall(built, tmp_path):
    token = server.token_path(built.workspace).read_text()
    client = Client(built.url, token, built.workspace, is_remote=True)
    assert is_own(built.workspace, client, "Wall of ")  # the wall's address is another name of the same server
    project = client.create_project("Through the wall", SCREEN, 1)
    (task,) = client.import_tasks(project, [{"data": {"instruction": "x", "edited_image": built.image}}])
    client.add_annotation(task, {"result": quality("bad"), "completed_by": built.users[BOB]})
    client.export(project, tmp_path / "export.json")
    (exported,) = json.loads((tmp_path / "export.json").read_text())
    assert [one["completed_by"] for one in exported["annotations"]] == [built.users[BOB]]
    assert client.users() == built.client.users()
    client.delete_project(project)


@pytest.mark.server
def test_a_new_file_counts_at_once_and_a_damaged_one_opens_nothing(built):
    ann, mine = built.sessions[ANN], f"/api/projects/{built.projects[ANN]}"
    try:
        built.file.write_text("{")
        assert ann.get(mine).status_code == 403
        wall.write(built.file, {ANN: []}, {}, [server.ADMIN])
        assert ann.get(mine).status_code == 403
    finally:
        built.write()
    assert ann.get(mine).status_code == 200


@pytest.mark.server
def test_logs_hold_no_invite_token_and_no_address_of_a_person(built):
    logs = "".join(file.read_text() for file in built.folder.glob("*.log"))
    assert "/user/signup/" in logs
    token = built.client.invite_link().partition("token=")[2]
    assert not [word for word in (token, ANN, BOB, server.token_path(built.workspace).read_text()) if word in logs]
    assert built.file.stat().st_mode & 0o777 == 0o600


def sends_answer(page, button: str, method: str) -> None:
    def is_answer(got) -> bool:
        return got.request.method == method and "/annotations/" in f"{got.url.partition('?')[0]}/"

    with page.expect_response(is_answer, timeout=30_000) as got:
        page.click(f"button:has-text('{button}')")
    assert got.value.ok


@pytest.mark.server
@pytest.mark.browser
@pytest.mark.skipif(not CHROMIUM.exists(), reason="needs Debian's chromium")
def test_labelling_works_through_the_wall(built):
    project, (_, task) = built.projects[ANN], built.tasks[ANN]
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 1366, "height": 768})
        shut = []
        page.on("response", lambda got: shut.append(got.url) if got.status in (401, 403) else None)
        page.goto(f"{built.url}/projects/{project}/data?labeling=1")
        page.fill("input[name=email]", ANN)  # sent to the form first
        page.fill("input[name=password]", PASSWORD)
        page.click("button[type=submit]")
        page.wait_for_load_state()
        page.goto(built.url)
        page.click(f"text=Wall of {ANN}")
        page.wait_for_selector("text=excellent", timeout=60_000)
        page.wait_for_timeout(2000)
        widths = page.locator("img").evaluate_all("all => all.map(image => image.naturalWidth)")
        edited = built.workspace.read_image(built.workspace.edits()[1].image)
        assert edited.shape[1] in widths
        page.click("text=excellent")
        sends_answer(page, "Submit", "POST")
        page.click("text=Go to Previous Task")
        page.wait_for_selector("button:has-text('Update')", timeout=60_000)
        page.click("text=bad")
        sends_answer(page, "Update", "PATCH")
    (given,) = built.client.annotations(task)
    assert (given["completed_by"], given["result"][0]["value"]) == (built.users[ANN], {"choices": ["bad"]})
    # Adverts, which Label Studio would fetch from the network.
    assert {url.removeprefix(built.url) for url in shut} <= {"/heidi-tips"}


# The program


def test_the_wall_is_open_to_others_only_with_a_certificate(tmp_path):
    require_nginx()
    wall.write(tmp_path / "wall.json", {}, {}, [])
    common = ("start", tmp_path / "wall", "--file", tmp_path / "wall.json")
    for address in ("0.0.0.0:8443", "[::]:8443", ":8443", "label.example.org:80"):
        done = run_wall(*common, "--listen", address)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1)
        assert "in the clear" in done.stderr
    assert "is missing" in run_wall("start", tmp_path / "wall", "--file", tmp_path / "none.json").stderr
    assert "no address of Label Studio" in run_wall(*common, "--label-studio", "ftp://x").stderr
    assert "needs its key" in run_wall(*common, "--certificate", "a.pem").stderr
    assert run_wall("stop", tmp_path / "wall").stdout == "Was not running.\n"
