"""The plots of the report: vector graphics (SVG) as text, in colours that work on light and on dark paper."""

import io
import re

import matplotlib
import numpy as np
import pandas as pd

matplotlib.use("svg")
from markupsafe import escape
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from editfhf.schema import DIMENSIONS

INK = "#7a7f87"  # readable on white and on near-black
COLOURS = {"overall": "#3f7fbf", **dict(zip(DIMENSIONS, ("#c2703d", "#4f9a6b", "#8a6bbd"), strict=True))}
WIDTH = 7.2  # inches; the page scales it
NAME_LETTERS = 40  # of a model, as a label
LETTER_HEIGHT = 0.085  # inches, of a label that stands on end
LETTERS_ABREAST = 70  # of the labels of all columns, that fit beside each other

_STYLE = {
    "svg.fonttype": "path",
    "svg.hashsalt": "editfhf",  # the same data give the same file
    "font.size": 9,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
}


def words(name: str) -> str:
    """`perceptual_quality` → `perceptual quality`."""
    return name.replace("_", " ")


def plot_leaderboard(board: pd.DataFrame) -> str:
    """Means with their 95 % intervals, a row per model, best on top; one colour per dimension.

    Args:
        board: as of `leaderboard`, indexed by model.
    """
    names = ["overall", *DIMENSIONS]
    figure, axes = _figure(1.2 + 0.62 * len(board))
    for offset, name in enumerate(names):
        y = np.arange(len(board)) + (offset - 1.5) * 0.17
        low, high = board[name] - board[f"{name}_low"], board[f"{name}_high"] - board[name]
        axes.errorbar(
            board[name], y, xerr=np.clip([low, high], 0, None), fmt="o", ms=5 if name == "overall" else 3.5,
            color=COLOURS[name], elinewidth=1.4, capsize=2, label=words(name),
        )  # fmt: skip
    axes.set_yticks(np.arange(len(board)), [_short(name) for name in board.index])
    axes.invert_yaxis()
    axes.set(xlim=(0, 100), xlabel="mean opinion score (0 to 100), 95 % interval over photos and people")
    figure.legend(loc="outside upper center", ncols=4, frameon=False, labelcolor=INK)
    best = f"; {board.index[0]} is first with {board['overall'].iloc[0]:.1f} overall"
    return _svg(figure, "leaderboard", f"Mean opinion score and 95 % interval of {len(board)} models{best}.")


def plot_heat_map(table: pd.DataFrame) -> str:
    """Mean overall score of each model in each task; empty where there is none.

    Args:
        table: columns task, model, overall.
    """
    cells = table.pivot(index="task", columns="model", values="overall")
    cells = cells[cells.mean().sort_values(ascending=False, kind="stable").index]  # best model first
    figure = _heat_map(cells, [str(name) for name in cells.index], "RdYlGn", 100.0)
    low, high = np.nanmin(cells.to_numpy(float)), np.nanmax(cells.to_numpy(float))
    told = f"Mean opinion score of {cells.shape[1]} models in {cells.shape[0]} tasks, from {low:.0f} to {high:.0f}."
    return _svg(figure, "tasks", told)


def plot_distributions(table: pd.DataFrame) -> str:
    """How the edits' opinion scores are spread, dimension by dimension.

    Args:
        table: columns dimension, from, to, edits.
    """
    with plt.rc_context(_STYLE):
        figure, many = plt.subplots(1, len(DIMENSIONS), figsize=(WIDTH, 2), sharey=True)
    told = []
    for axes, name in zip(many, DIMENSIONS, strict=True):
        own = table[table["dimension"] == name]
        axes.bar(own["from"], own["edits"], own["to"] - own["from"], align="edge", color=COLOURS[name], alpha=0.85)
        axes.set(title=words(name), xlim=(0, 100), xlabel="mean opinion score")
        axes.title.set_fontsize(9)
        if own["edits"].sum():
            start, end = own[["from", "to"]].to_numpy()[own["edits"].to_numpy().argmax()]
            told.append(f"{words(name)}, most edits from {start:.0f} to {end:.0f}")
    many[0].set_ylabel("edits")
    return _svg(figure, "distributions", f"Histograms of the edits' mean opinion scores: {'; '.join(told)}.")


def plot_flaw_types(table: pd.DataFrame) -> str:
    """In what share of each model's edits each flaw type is.

    Args:
        table: columns flaw_type, model, share (0..1); the types in the order in which they are to stand.
    """
    order = table["flaw_type"].drop_duplicates()
    cells = 100 * table.pivot(index="flaw_type", columns="model", values="share").loc[order]
    figure = _heat_map(
        cells, [words(str(name)) for name in cells.index], "Oranges", max(10.0, 1.3 * float(cells.to_numpy().max()))
    )
    told = f"Per cent of the edits of {cells.shape[1]} models with each of {len(order)} flaw types"
    return _svg(figure, "flaws", f"{told}; the most frequent is {words(str(order.iloc[0]))}.")


def _heat_map(cells: pd.DataFrame, names: list[str], colours: str, most: float) -> Figure:
    """Numbers as colours, and as numbers on them. Many models have their names on end, not to run into each other."""
    columns = [_short(name) for name in cells.columns]
    upright = sum(map(len, columns)) > LETTERS_ABREAST
    figure, axes = _figure(1.0 + 0.23 * len(cells) + (LETTER_HEIGHT * max(map(len, columns)) if upright else 0))
    axes.set_facecolor("white")  # under the cells, on dark paper too: their numbers are dark
    axes.imshow(cells.to_numpy(), cmap=colours, vmin=0, vmax=most, aspect="auto", alpha=0.75)
    axes.set_xticks(np.arange(cells.shape[1]), columns, rotation=90 if upright else 0)
    axes.set_yticks(np.arange(len(cells)), names)
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    for (row, column), value in np.ndenumerate(cells.to_numpy()):
        if np.isfinite(value):
            axes.text(column, row, f"{value:.0f}", ha="center", va="center", fontsize=7.5, color="#1c1e21")
    return figure


def _short(name: object) -> str:
    text = str(name)
    return text if len(text) <= NAME_LETTERS else text[:NAME_LETTERS] + "…"


def _figure(height: float) -> tuple[Figure, Axes]:
    with plt.rc_context(_STYLE):
        return plt.subplots(figsize=(WIDTH, height), layout="constrained")


def _svg(figure: Figure, name: str, alternative: str) -> str:
    """The figure as an SVG with a text for who does not see it; `name` begins its ids, apart from other figures'."""
    buffer = io.StringIO()
    with plt.rc_context(_STYLE):
        figure.savefig(buffer, format="svg", bbox_inches="tight", metadata={"Date": None, "Creator": None})
    plt.close(figure)
    svg = buffer.getvalue()
    # Inline in HTML: no XML prologue, no metadata that names other sites, and a size that follows the page.
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*"| height="[^"]*pt"', lambda match: match[1] or "", svg, count=2)
    svg = re.sub(r' id="|(?<=href="#)|(?<=url\(#)', lambda match: f"{match[0]}{name}-", svg)
    return svg.replace("<svg", f'<svg role="img" aria-label="{escape(alternative)}"', 1)
