"""An import may only point down: refiner → generators, annotation, analysis → editfhf; never sideways, never up."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ALLOWED = {
    "editfhf": set(),
    "generators": {"editfhf"},
    "annotation": {"editfhf"},
    "analysis": {"editfhf"},
    "refiner": {"editfhf", "generators", "analysis"},
}
# Who may know what the procedural editors really broke: nobody whose work ends up in the dataset or in a feature.
ORACLE_READERS = {
    "editfhf/true_quality.py", "generators/base.py", "generators/runner.py", "generators/shards.py",
    "generators/worker.py", "annotation/sight.py", "refiner/measures/truth.py",
}  # fmt: skip


def modules() -> list[Path]:
    return [path for package in ALLOWED for path in sorted((ROOT / package).rglob("*.py"))]


def imported_modules(source: str, package: str = "") -> set[str]:
    """Every module that a text imports, also inside functions; `from a import b` counts as `a` and `a.b`."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(part for part in (package if node.level else "", node.module or "") if part)
            names |= {base} | {f"{base}.{alias.name}" for alias in node.names}
        elif (
            isinstance(node, ast.Call)
            and getattr(node.func, "attr", getattr(node.func, "id", "")) in ("import_module", "__import__")
            and node.args
            and isinstance(node.args[0], ast.Constant)
        ):
            names.add(str(node.args[0].value))
    return names


def forbidden(package: str, source: str) -> set[str]:
    tops = {name.split(".")[0] for name in imported_modules(source, package)}
    return (tops & set(ALLOWED)) - ALLOWED[package] - {package}


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_module_imports_upward_or_sideways(path):
    package = path.relative_to(ROOT).parts[0]
    assert not forbidden(package, path.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("package", "source"),
    [
        ("editfhf", "def f():\n    from analysis import mos"),
        ("annotation", "import generators.base"),
        ("analysis", "import importlib\nimportlib.import_module('annotation.collect')"),
    ],
)
def test_the_layer_check_notices_a_forbidden_import(package, source):
    assert forbidden(package, source)


def test_only_simulation_and_generation_know_the_oracle():
    readers = {
        str(path.relative_to(ROOT))
        for path in modules()
        if imported_modules(path.read_text(encoding="utf-8")) & {"editfhf.oracle", "editfhf.true_quality"}
    }
    unexpected = {reader for reader in readers - ORACLE_READERS if not reader.startswith("generators/procedural/")}
    assert not unexpected


def test_a_trained_run_is_used_without_what_trains_it():
    command = """
import sys
import refiner.lite.model
assert not {"refiner.train", "refiner.lite.trainee"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", command], cwd=ROOT, check=True)


def test_the_folders_are_those_of_the_wheel():
    import tomllib

    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert set(wheel["packages"]) == {package for package in ALLOWED if (ROOT / package).is_dir()}
