"""What a command prints: tables (or JSON), progress with rate and time left. Nothing else in the project prints."""

import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any, TypeVar

import typer

Item = TypeVar("Item")
Tables = Sequence[tuple[str, Sequence[dict[str, Any]] | dict[str, Any]]]  # each with its title
# Before so many items or seconds the time left is not said: the first item's holds what is loaded only once.
SURE_ITEMS, SURE_S = 5, 30.0
QUIET_S = 30.0  # between two lines of progress where no bar can be drawn: a log stays readable

WorkspaceOption = Annotated[
    str, typer.Option("-w", "--workspace", envvar="EDITFHF_WORKSPACE", help="The workspace folder.", metavar="WS")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print machine-readable JSON instead of a table.")]


def show(rows: Sequence[dict[str, Any]] | dict[str, Any], as_json: bool = False, title: str = "") -> None:
    """Print a table (a list of rows of one shape) or a list of counts (one dict); or either as JSON."""
    if as_json:
        print(json.dumps(rows, ensure_ascii=False, indent=1, default=str))
        return
    if rows or isinstance(rows, dict):
        _console().print(_table(rows, title))
    else:
        say("(nothing)" if not title else f"{title}: nothing")


def watch(frames: Iterable[Tables], seconds: float) -> None:
    """Show one frame after the other in the place of the last, until Ctrl-C; one below the other where standard output
    is no terminal. What is taller than the terminal is cut off below.

    Args:
        frames: each (title, rows) of some tables, as `show` takes them.
        seconds: between two.
    """
    from rich.console import Group
    from rich.live import Live

    console = _console()
    try:
        if not console.is_terminal:
            for frame in frames:
                console.print(*(_table(rows, title) for title, rows in frame), sep="\n")
                sys.stdout.flush()
                time.sleep(seconds)
            return
        with Live(console=console, auto_refresh=False) as live:
            for frame in frames:
                parts = [part for title, rows in frame for part in (_table(rows, title), "")]
                live.update(Group(*parts), refresh=True)
                time.sleep(seconds)
    except KeyboardInterrupt:  # that is how it ends
        return


def _table(rows: Sequence[dict[str, Any]] | dict[str, Any], title: str) -> Any:
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=title or None, title_justify="left", box=None, pad_edge=False, header_style="bold")
    if isinstance(rows, dict):
        table.show_header = False
        table.add_column()
        table.add_column()
        for key, value in rows.items():
            table.add_row(escape(str(key).replace("_", " ")), escape(_cell(value)))
        return table
    for name in rows[0] if rows else ():
        table.add_column(name.replace("_", " "), overflow="fold")
    for row in rows:
        table.add_row(*(escape(_cell(value)) for value in row.values()))
    return table


def say(text: str) -> None:
    """One line for the user, on standard output."""
    _console().print(text, markup=False, highlight=False, soft_wrap=True)


def note(text: str) -> None:
    """One line beside the result (what was set aside, where to look), on standard error: `--json` stays clean."""
    _console(stderr=True).print(text, markup=False, highlight=False, soft_wrap=True)


def track(items: Iterable[Item], title: str, total: int | None = None) -> Iterator[Item]:
    """The items, with a progress bar on standard error: how many, rate, time left. See `progress`."""
    if total is None and hasattr(items, "__len__"):
        total = len(items)  # type: ignore[arg-type]
    with progress(title) as report:
        report(0, total)
        for done, item in enumerate(items, start=1):
            yield item
            report(done, total)


@contextmanager
def progress(title: str) -> Iterator[Callable[[int, int | None], None]]:
    """A progress bar that is told how many of how many are done; the total may be unknown (None) or change.

    Where standard error is no terminal, a line every 30 s says it instead.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, Task, TextColumn, TimeRemainingColumn
    from rich.text import Text

    class TimeLeft(TimeRemainingColumn):
        def render(self, task: Task) -> Text:
            return super().render(task) if _is_sure(task.completed, task.elapsed or 0) else Text("")

    console = _console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeLeft(),
    )
    if not console.is_terminal:
        yield _lines(title)
        return
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(title, total=None, rate="")

        def report(done: int, total: int | None) -> None:
            bar.update(task, completed=done, total=total)
            speed = bar.tasks[0].speed
            bar.update(task, rate=f"{speed:.1f}/s" if speed else "")

        yield report


def _is_sure(done: float, seconds: float) -> bool:
    """Whether the time left can be told from what was done."""
    return done >= SURE_ITEMS or (done > 0 and seconds >= SURE_S)


def _lines(title: str) -> Callable[[int, int | None], None]:
    started = last = time.monotonic()

    def report(done: int, total: int | None) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last < QUIET_S:
            return
        last = now
        of = f" of {total}" if total is not None else ""
        speed = done / (now - started)
        left = f", about {(total - done) / speed / 60:.0f} min left" if total and speed else ""
        note(f"{title}: {done}{of}{left}")

    return report


def some_of(names: Sequence[str], most: int = 3) -> str:
    """The first few names, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def spans(numbers: Iterable[int]) -> str:
    """Whole numbers in few words, in rising order: `1–29, 31`."""
    runs: list[list[int]] = []
    for number in sorted(set(numbers)):
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    parts = [f"{run[0]}–{run[-1]}" if len(run) > 2 else ", ".join(map(str, run)) for run in runs]
    return ", ".join(parts)


def _console(stderr: bool = False) -> Any:
    from rich.console import Console as RichConsole

    class Console(RichConsole):
        def on_broken_pipe(self) -> None:
            raise

    stream = sys.stderr if stderr else sys.stdout
    return Console(file=stream, width=None if stream.isatty() else 200)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.2f}"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value))
    return str(value)
