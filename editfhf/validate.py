"""`editfhf validate`: everything that the schema of a dataset promises, checked on the files themselves."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path

import pyarrow as pa

from editfhf.checks import columns, contents, files, images
from editfhf.errors import first_line
from editfhf.manifest import Manifest

# A check yields one sentence for each failure: the file, the row (edit_id), the field.
Check = Callable[[Path], Iterator[str]]
SHOWN_FAILURES = 20  # of each check; a broken column would fill the screen

CHECKS: tuple[tuple[str, Check], ...] = (
    ("every file is as the manifest says", files.check_hashes),
    ("columns and types", columns.check_schemas),
    ("no value is missing", columns.check_nulls),
    ("row counts", files.check_counts),
    ("card and Croissant", files.check_card),
    ("simulated and procedural content is declared", files.check_declarations),
    ("edit ids", contents.check_edit_ids),
    ("images", images.check_images),
    ("tasks, flaw types and polygons", contents.check_regions),
    ("scores", contents.check_scores),
    ("no photo in two splits", contents.check_splits),
    ("raw tables refer to edits", contents.check_references),
    ("no personal data", contents.check_privacy),
)
# Without these, rows cannot be read: the other checks wait.
READABLE = ("columns and types", "no value is missing")


@dataclass
class CheckResult:
    """What one check found: at most `SHOWN_FAILURES` sentences, and how many there were in all."""

    name: str
    failures: list[str] = field(default_factory=list)
    n_failures: int = 0

    @property
    def passed(self) -> bool:
        return self.n_failures == 0


def validate_dataset(folder: Path) -> list[CheckResult]:
    """Run every check, ours and those that the wings register under `editfhf.checks`.

    Raises:
        BadInput: the folder is not a dataset at all, or of another format.
    """
    folder = folder.expanduser().resolve()
    Manifest.read(folder)
    results = []
    for name, check in (*CHECKS, *_registered_checks()):
        result = _run(name, check, folder)
        results.append(result)
        if name in READABLE and not result.passed:
            result.failures.append("the checks after this one were not run: the rows cannot be read")
            break
    return results


def _registered_checks() -> list[tuple[str, Check]]:
    points = sorted(entry_points(group="editfhf.checks"), key=lambda point: point.name)
    return [pair for point in points for pair in point.load()()]


def _run(name: str, check: Check, folder: Path) -> CheckResult:
    result = CheckResult(name)
    try:
        for sentence in check(folder):
            result.n_failures += 1
            if len(result.failures) < SHOWN_FAILURES:
                result.failures.append(sentence)
    except (pa.ArrowException, OSError, ValueError) as error:
        # A damaged page: it cannot be read further, and what was found before stands.
        result.n_failures += 1
        result.failures.append(f"cannot be read: {first_line(error)}")
    return result
