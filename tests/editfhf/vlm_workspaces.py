"""Small workspaces to ask a vision-language model about, and what came of asking."""

import re

from PIL import Image

from editfhf.config import TEMPLATE
from editfhf.instructions import read_instructions, write_instructions
from editfhf.schema import Source, stable_id
from editfhf.vlm import EndpointModel
from editfhf.workspace import Workspace
from tests.factories import photo

ASKED = ("object_add", "color_change", "sky_replace", "style_transfer")
GOOD = ("style_transfer", "turn the photo into a watercolour", "")


def photos_of(root, n_sources, side=64) -> Workspace:
    """A workspace with photos and nothing else."""
    (root / "sources").mkdir(parents=True)
    (root / "editfhf.yaml").write_text(TEMPLATE.format(licence="CC0-1.0", title="test", name="test"))
    rows = []
    for number in range(n_sources):
        source_id = stable_id("test source", str(number))
        file = f"sources/{source_id}.png"
        Image.fromarray(photo(side, seed=number)).save(root / file)
        rows.append(Source(source_id, file, side, side, "CC0-1.0", f"photo {number}.png"))
    workspace = Workspace.open(root)
    workspace.write_table("sources", rows)
    return workspace


def only_tasks(workspace, *tasks) -> Workspace:
    path = workspace.root / "editfhf.yaml"
    path.write_text(re.sub(r"\n  tasks: \[.*?\]", f"\n  tasks: [{', '.join(tasks)}]", path.read_text()))
    return Workspace.open(workspace.root)


def instruct(workspace, server, again=False, **options):
    vlm = EndpointModel("some-model", server.url, retries=2, **options)
    return write_instructions(Workspace.open(workspace.root), "vlm", vlm=vlm, again=again)


def by_vlm(workspace):
    return [one for one in read_instructions(workspace) if one.author.startswith("vlm:")]


def set_aside(workspace):
    return workspace.read_table("instructions_set_aside").to_pylist()


def near(left, right) -> bool:
    return all(abs(a - b) <= 3 for a, b in zip(left, right, strict=True))  # what JPEG may do to a mean
