"""How far the campaign is: what the server has, and who gave it."""

import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from annotation.answers import author_of
from annotation.campaign import find_project
from annotation.client import connect
from annotation.collect import read_export
from annotation.pseudonyms import Pseudonyms
from annotation.server import find_server
from editfhf.workspace import Workspace


def status(workspace: Workspace) -> dict[str, Any]:
    """Whether the server runs and, if so, its tasks, its answers (skipped ones too), and how many each person gave."""
    running = find_server(workspace)
    row: dict[str, Any] = {"server": running.url if running else "not running", "project": None, "tasks": 0}
    row |= {"answers": 0, "annotators": {}}
    if running is None:
        return row
    client = connect(workspace)
    row["project"] = project = find_project(workspace, client)
    if project is None:
        return row
    emails, pseudonyms = client.users(), Pseudonyms.of(workspace)
    authors: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:  # no lock: it may run beside a pull or a simulation
        export = Path(folder) / "export.json"
        client.export(project, export)
        for task in read_export(export):
            row["tasks"] += 1
            emails_of = (emails.get(author_of(annotation) or 0, "") for annotation in task.get("annotations", []))
            authors.update(pseudonyms.of_email(email) if email else "nobody" for email in emails_of)
    row |= {"answers": authors.total(), "annotators": dict(authors.most_common())}
    return row
