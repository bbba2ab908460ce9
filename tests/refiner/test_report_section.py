import os
import subprocess
import sys

import pytest

from analysis.report import write_report
from analysis.study import analyze_workspace
from refiner.benchmark_page import JSON_FILE, write_benchmark
from refiner.measures.result import BenchmarkResult
from refiner.report_section import newest_benchmark
from tests.editfhf.answered import make_answered


@pytest.fixture
def workspace(tmp_path):
    return make_answered(tmp_path / "campaign", n_sources=1)


def benchmarked(folder, when: int) -> None:
    """A benchmark of a run that was written at a second."""
    result = BenchmarkResult("dataset", f"<i>{folder.name}</i>", 0, [], {}, [], {"edits": 4}, {})
    write_benchmark(folder, result)
    os.utime(folder / JSON_FILE, (when, when))


def test_the_report_shows_the_newest_benchmark_of_the_runs_in_the_workspace(workspace):
    study = analyze_workspace(workspace)
    assert newest_benchmark(workspace) is None
    assert "Benchmark of the refiner" not in write_report(workspace, study).read_text(encoding="utf-8")
    for folder, when in (("run", 10), ("runs/newest", 30), ("other", 20)):
        benchmarked(workspace.root / folder, when)
    page = write_report(workspace, study).read_text(encoding="utf-8")
    assert page.count("Benchmark of the refiner") == 1
    assert "&lt;i&gt;newest&lt;/i&gt;" in page
    assert "<i>" not in page


def test_the_section_is_made_without_torch(workspace):
    benchmarked(workspace.root / "run", 10)
    command = """
import sys
from pathlib import Path
from editfhf.workspace import Workspace
from refiner.report_section import newest_benchmark
print(newest_benchmark(Workspace.open(Path(sys.argv[1]))))
assert "torch" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", command, workspace.root], capture_output=True, text=True, check=False)
    assert not done.returncode, done.stderr
    assert "Benchmark of the refiner" in done.stdout


def test_a_benchmark_that_is_damaged_is_named_and_the_report_stands(workspace):
    benchmarked(workspace.root / "run", 10)
    (workspace.root / "run" / JSON_FILE).write_text("{")
    page = write_report(workspace, analyze_workspace(workspace)).read_text(encoding="utf-8")
    assert "run/benchmark.json cannot be read" in page
    assert "How each number was made" in page
