"""What the refiner shows in a workspace's report: an entry point of `editfhf.report_sections`."""

from pathlib import Path

from markupsafe import Markup

from editfhf.workspace import Workspace
from refiner.benchmark_page import read_benchmark, section_of


def newest_benchmark(workspace: Workspace) -> Markup | None:
    """The newest benchmark of the runs that lie in the workspace, as `WS/RUN` or `WS/runs/RUN`; None for none.

    Raises:
        BadInput: it is damaged.
    """
    found = [path for pattern in ("*/benchmark.json", "runs/*/benchmark.json") for path in workspace.root.glob(pattern)]
    if not found:
        return None
    newest: Path = max(found, key=lambda path: (path.stat().st_mtime, path))
    return section_of(read_benchmark(newest.parent))
