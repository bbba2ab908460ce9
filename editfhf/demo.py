"""`editfhf demo`: types the commands that a user would type, on the sample photos, and shows each before it runs."""

import shlex
import time
from collections.abc import Callable
from pathlib import Path

from editfhf.errors import EditFHFError, JobFailed

REPAIRING_EDITOR = "procedural/careful"  # of the four the one that made the fewest of the worst edits
REFINED = 6  # edits that are repaired at the end: enough to see some accepted and some left alone


def demo_commands(folder: Path, edits: int) -> list[list[str]]:
    """The whole way with so many edits, command by command; every one of them may be run again."""
    workspace, dataset, run = str(folder), str(folder / "dataset"), str(folder / "run")
    return [
        ["init", workspace],
        ["instruct", "-w", workspace],
        ["generate", "-w", workspace, "--limit", str(edits)],
        ["annotate", "serve", "-w", workspace],
        ["annotate", "push", "-w", workspace],
        ["annotate", "simulate", "-w", workspace],
        ["annotate", "pull", "-w", workspace],
        ["analyze", "-w", workspace],
        ["build", "-w", workspace, "-o", dataset],
        ["validate", dataset],
        ["train", "--dataset", dataset, "-o", run],
        ["benchmark", "--dataset", dataset, "--run", run, "--oracle", workspace],
        [
            *("refine", "--run", run, "--batch", dataset, "--worst", str(REFINED)),
            *("--editor", REPAIRING_EDITOR, "-o", str(folder / "refined")),
        ],
        ["analyze", "-w", workspace],  # again: now the report shows the benchmark, too
    ]


def run_demo(folder: Path, edits: int, run: Callable[[list[str]], int], say: Callable[[str], None]) -> None:
    """Run the commands in this process, so that a kill leaves none of them behind; the server is stopped at the end.

    Args:
        edits: how many; 96 are 24 (photo, task) pairs by four editors: enough to rank them, done in three minutes.
        run: runs one command line and returns its exit code (`editfhf.cli.run`).
        say: prints a line.

    Raises:
        JobFailed: a command failed; it has said why itself.
    """
    begin = time.monotonic()
    try:
        for command in demo_commands(folder, edits):
            say(f"\n$ {shlex.join(['editfhf', *command])}")
            start = time.monotonic()
            if run(command) != 0:
                raise JobFailed(
                    f"The demo stopped at `{shlex.join(['editfhf', *command])}`.",
                    mend="Mend what it says and run the demo again: it goes on from there.",
                )
            say(f"({time.monotonic() - start:.0f} s)")
    finally:
        _stop_server(folder, run, say)
    say(
        f"""
Done in {time.monotonic() - begin:.0f} s. Where to look:
  the report             {folder / "analysis" / "report.html"}
  the refiner            {folder / "run" / "benchmark.html"}, {folder / "refined" / "index.html"}
  the dataset            {folder / "dataset"}  (python: editfhf.load({str(folder / "dataset")!r}))
  the labelling screen   editfhf annotate serve -w {shlex.quote(str(folder))}
  the settings           {folder / "editfhf.yaml"}
The editors were procedural and the annotators simulated: a rehearsal, not human feedback.
Your own photos:         editfhf init my-campaign --sources MY_PHOTOS"""
    )


def _stop_server(folder: Path, run: Callable[[list[str]], int], say: Callable[[str], None]) -> None:
    if not (folder / "editfhf.yaml").is_file():
        return
    command = ["annotate", "serve", "-w", str(folder), "--stop"]
    say(f"\n$ {shlex.join(['editfhf', *command])}")
    try:
        run(command)
    except EditFHFError as error:  # the way in which the demo itself ended is what the user has to hear
        say(str(error))
