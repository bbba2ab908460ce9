"""What came of a benchmark, kept: `benchmark.json`, and `benchmark.html`, a page that needs nothing else."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup
from pydantic import TypeAdapter, ValidationError

from editfhf.errors import BadInput, first_line
from editfhf.files import whole_file
from editfhf.schema import DIMENSIONS, REGION_KINDS
from refiner.measures.entries import (
    ALL,
    CLEAN,
    FLAWED,
    KEPT,
    MAP_MEASURES,
    ORACLE,
    PEOPLE,
    THE_RUN,
    TRIED,
    VERDICTS,
    Entry,
    Figure,
)
from refiner.measures.result import BenchmarkResult

JSON_FILE, PAGE_FILE = "benchmark.json", "benchmark.html"
# Of each measure its name in a heading; the arrow says which way is better.
WORDS = {
    "cc": "CC ↑", "sim": "SIM ↑", "kld": "KLD ↓", "nss": "NSS ↑", "auc_judd": "AUC-Judd ↑", "pixel_ap": "pixel AP ↑",
    "image_auroc": "AUROC ↑", "clean_mse": "MSE ↓", "clean_empty": "map empty ↑", "region_f1": "F1 ↑",
    "type_f1": "F1 ↑", "accuracy": "accuracy ↑", "macro_f1": "macro F1 ↑", "cosine": "cosine ↑", "srcc": "SRCC ↑",
    "krcc": "KRCC ↑", "plcc": "PLCC ↑", "rmse": "RMSE ↓", "pairwise_accuracy": "pairs in order ↑",
    "within_95": "within ± 1.96 std", "improved": "improved ↑", "harmed": "harmed ↓", "unchanged": "unchanged",
    "untouched": "same pixels", "bias": "predicted − true", "covered": "true above the lower limit",
    "truly_better": "truly better ↑", "truly_worse": "truly worse ↓",
    **{f"change_{name}": f"{name.replace('_', ' ')} ↑" for name in DIMENSIONS},
}  # fmt: skip
SHARES = {
    "improved", "harmed", "unchanged", "untouched", "clean_empty", "within_95", "covered", "truly_better",
    "truly_worse",
}  # fmt: skip
OF_PREDICTIONS = ("bias", "covered", "truly_better", "truly_worse")
SMALL = {"clean_mse"}
RESULT: TypeAdapter[BenchmarkResult] = TypeAdapter(BenchmarkResult)


@dataclass(frozen=True)
class Table:
    """A table of the page: a row for each method, a column for each measure.

    Attributes:
        plotted: the number of the column that is drawn with its interval, on the axis `span`; None for no drawing.
    """

    title: str
    columns: list[str]
    rows: list[tuple[str, list[Figure | None]]]
    plotted: int | None = None
    span: tuple[float, float] = (0.0, 1.0)

    @property
    def n(self) -> int:
        """Of how many edits, regions or pairs the first row's first number is."""
        return next((figure.n for _, cells in self.rows for figure in cells if figure is not None), 0)


def write_benchmark(folder: Path, result: BenchmarkResult) -> Path:
    """Write `benchmark.json` and `benchmark.html` into a folder, such as the run's; returns the page's path.

    Raises:
        BadInput: the folder cannot be written.
    """
    texts = {
        JSON_FILE: RESULT.dump_json(result, indent=1).decode() + "\n",
        PAGE_FILE: page_of(result),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            with whole_file(folder / name) as temporary:
                temporary.write_text(text, encoding="utf-8")
    except OSError as error:
        raise BadInput(f"{folder} cannot be written ({error.strerror}).", mend="Choose another folder.") from error
    return folder / PAGE_FILE


def read_benchmark(folder: Path) -> BenchmarkResult:
    """What `write_benchmark` wrote.

    Raises:
        BadInput: it is not there, or damaged.
    """
    path = folder / JSON_FILE
    try:
        return RESULT.validate_json(path.read_bytes())
    except FileNotFoundError as error:
        raise BadInput(f"{folder} has no {JSON_FILE}.", mend="`editfhf benchmark` makes one.") from error
    except (OSError, ValidationError) as error:
        raise BadInput(f"{path} cannot be read: {first_line(error)}.", mend="Run `editfhf benchmark` again.") from error


def page_of(result: BenchmarkResult) -> str:
    """The page, self-contained."""
    return _template("benchmark.html.j2").render(result=result, section=section_of(result))


def section_of(result: BenchmarkResult) -> Markup:
    """The same as a section of another page: one element with its own style, without headings above h2."""
    return Markup(
        _template("benchmark_section.html.j2").render(
            result=result,
            the_run=THE_RUN,
            dimensions=DIMENSIONS,
            perception=_perception(result),
            by_group=_by_group(result),
            reasoning=_reasoning(result),
            evaluation=_evaluation(result),
            by_model=_by_model(result),
            loop=_loop(result),
            bars=_bars(result),
        )
    )


def _perception(result: BenchmarkResult) -> list[Table]:
    tables = []
    for kind in REGION_KINDS:
        for judge, words in ((PEOPLE, "people's maps"), (ORACLE, ORACLE)):
            some = _some(result, "perception", kind, judge)
            tables.append(_table(f"{_words(kind)}: against {words}", some, MAP_MEASURES, 0))
    presence = [one for one in _some(result, "perception") if one.measure == "image_auroc"]
    tables += [
        _table(f"{_words(kind)}: is there any? ", [one for one in presence if one.what == kind], ("image_auroc",), 0)
        for kind in REGION_KINDS
    ]
    clean = [one for one in _some(result, "perception") if one.measure.startswith("clean_")]
    named = [_renamed(one, f"{_words(one.what)}; clean as {_who(one.judged_by)} said") for one in clean]
    tables.append(_table("what is seen on clean edits", named, ("clean_mse", "clean_empty")))
    return [table for table in tables if table.rows]


def _by_group(result: BenchmarkResult) -> list[Table]:
    tables = []
    for kind in REGION_KINDS:
        some = [one for one in result.entries if (one.part, one.what, one.judged_by) == ("perception", kind, PEOPLE)]
        groups = sorted({one.group for one in some} - {ALL})
        rows = [_renamed(one, one.group) for one in some if one.group in groups and one.method == THE_RUN]
        tables.append(_table(f"{_words(kind)}: this run, by group of tasks", rows, MAP_MEASURES, 0))
    return [table for table in tables if table.rows]


def _reasoning(result: BenchmarkResult) -> list[Table]:
    some = _some(result, "reasoning")
    regions = [_renamed(one, _words(one.what)) for one in some if one.measure in ("region_f1", "type_f1")]
    merged = [_renamed(one, one.method, "region_f1") for one in regions]
    tables = [_table("regions that are people's too", merged, ("region_f1",), 0)]
    for what in ("types of people's regions", "types of matched regions"):
        tables.append(_table(what, [one for one in some if one.what == what], ("accuracy", "macro_f1"), 0))
    tables.append(_table("reasons", [one for one in some if one.measure == "cosine"], ("cosine",), 0))
    return [table for table in tables if table.rows]


def _evaluation(result: BenchmarkResult) -> list[Table]:
    measures = ("srcc", "krcc", "plcc", "rmse", "pairwise_accuracy", "within_95")
    return [
        _table(_words(name), _some(result, "evaluation", name), measures, 0, (-0.5, 1.0))
        for name in DIMENSIONS
        if _some(result, "evaluation", name)
    ]


def _by_model(result: BenchmarkResult) -> list[Table]:
    tables = []
    for name in DIMENSIONS:
        some = [
            _renamed(one, one.group)
            for one in result.entries
            if (one.part, one.what, one.method) == ("evaluation", name, THE_RUN) and one.group != ALL
        ]
        tables.append(_table(f"{_words(name)}: this run, by model", some, ("srcc", "krcc", "plcc", "rmse")))
    return [table for table in tables if table.rows]


def _loop(result: BenchmarkResult) -> list[Table]:
    changes = [f"change_{name}" for name in DIMENSIONS]
    tables = []
    for what in (FLAWED, CLEAN):
        some = _some(result, "loop", what)
        for judge in dict.fromkeys(one.judged_by for one in some):
            of_judge = [one for one in some if one.judged_by == judge]
            if judge in result.judges:
                tables.append(_table(f"{what}, judged by: {judge}", of_judge, (*VERDICTS, *changes)))
            else:
                tables.append(_table(f"{what}: left as they were, pixel for pixel", of_judge, ("untouched",)))
    title = f"{TRIED}: the predicted gain beside the true one, which is to lie above the lower limit for 84 %"
    tables.append(_table(title, _some(result, "loop", TRIED), OF_PREDICTIONS))
    title = f"{KEPT}, chosen for what was predicted of them"
    tables.append(_table(title, _some(result, "loop", KEPT), OF_PREDICTIONS))
    return [table for table in tables if table.rows]


def _bars(result: BenchmarkResult) -> list[dict[str, Any]]:
    """What became of flawed edits, a bar for each judge and method."""
    bars = []
    some = _some(result, "loop", FLAWED)
    for judge, method in dict.fromkeys((one.judged_by, one.method) for one in some if one.judged_by in result.judges):
        shares = {
            one.measure: one.figure.value or 0.0
            for one in some
            if (one.judged_by, one.method) == (judge, method) and one.measure in VERDICTS
        }
        bars.append({"judge": judge, "method": method, "shares": shares})
    return bars


def _some(result: BenchmarkResult, part: str, what: str | None = None, judged_by: str | None = None) -> list[Entry]:
    """The entries over all edits of a part."""
    return [
        one
        for one in result.entries
        if one.part == part and one.group == ALL and what in (None, one.what) and judged_by in (None, one.judged_by)
    ]


def _table(
    title: str,
    entries: Sequence[Entry],
    measures: Sequence[str],
    plotted: int | None = None,
    span: tuple[float, float] = (0.0, 1.0),
) -> Table:
    """A row for each method of the entries, in their order."""
    known = {(one.method, one.measure): one.figure for one in entries}
    used = [name for name in measures if any(measure == name for _, measure in known)]
    methods = dict.fromkeys(method for method, measure in known if measure in used)
    rows = [(method, [known.get((method, name)) for name in used]) for method in methods]
    return Table(title, used, rows, plotted if used else None, span)


def _renamed(entry: Entry, method: str, measure: str | None = None) -> Entry:
    return Entry(
        entry.part, entry.what, method, entry.judged_by, measure or entry.measure, entry.figure, entry.group,
        entry.headline,
    )  # fmt: skip


def _who(judged_by: str) -> str:
    return "the truth" if judged_by == ORACLE else judged_by


def _words(name: str) -> str:
    return name.replace("_", " ")


def _shown(value: float | None, measure: str) -> str:
    """A number as the page shows it."""
    if value is None:
        return "–"
    if measure in SHARES:
        return f"{100 * value:.0f} %"
    if measure.startswith("change_") or measure == "bias":
        return f"{value:+.1f}".replace("-", "−")
    text = f"{value:.4f}" if measure in SMALL else f"{value:.1f}" if measure == "rmse" else f"{value:.2f}"
    return text.replace("-", "−")


def _template(name: str) -> jinja2.Template:
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    environment.filters |= {"words": _words, "shown": _shown, "heading": lambda name: WORDS.get(name, name)}
    return environment.from_string(files("refiner").joinpath(f"templates/{name}").read_text(encoding="utf-8"))
