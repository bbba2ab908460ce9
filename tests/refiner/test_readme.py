"""The tables of refiner/README.md against the folder: a newcomer finds every file there, and no file that is gone."""

import re
from pathlib import Path

import refiner

ROOT = Path(refiner.__file__).parent
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


def named_in_tables(text: str) -> set[str]:
    """The files in the first column."""
    rows = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
    return {name for row in rows for name in re.findall(r"`([^`]+\.py)`", row)}


def test_the_readme_names_every_file_of_the_package_and_none_that_is_gone():
    upper, lower = TEXT.split("## Files of `lite/`")
    for text, folder in ((upper, ROOT), (lower, ROOT / "lite")):
        assert named_in_tables(text) == {path.name for path in folder.glob("*.py")} - {"__init__.py"}
