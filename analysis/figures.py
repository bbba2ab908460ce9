"""The plots of the report: vector graphics (SVG) as text, in colours that work on light and on dark paper."""

import io
import re

import matplotlib
import numpy as np
import pandas as pd

matplotlib.use("svg")
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from editfhf.schema import DIMENSIONS

INK = "#7a7f87"  # readable on white and on near-black
COLOURS = {"overall": "#3f7fbf", **dict(zip(DIMENSIONS, ("#c2703d", "#4f9a6b", "#8a6bbd"), strict=True))}
WIDTH = 7.2  # inches; the page scales it

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
    """Means with their 95 % intervals, a row per model, best on top; one colour per dimension."""
    names = ["overall", *DIMENSIONS]
    figure, axes = _figure(1.2 + 0.62 * len(board))
    for offset, name in enumerate(names):
        y = np.arange(len(board)) + (offset - 1.5) * 0.17
        low, high = board[name] - board[f"{name}_low"], board[f"{name}_high"] - board[name]
        axes.errorbar(
            board[name], y, xerr=np.clip([low, high], 0, None), fmt="o", ms=5 if name == "overall" else 3.5,
            color=COLOURS[name], elinewidth=1.4, capsize=2, label=words(name),
        )  # fmt: skip
    axes.set_yticks(np.arange(len(board)), board.index)
    axes.invert_yaxis()
    axes.set(xlim=(0, 100), xlabel="mean opinion score (0 to 100), 95 % interval over photos and people")
    axes.legend(
        loc="upper center",
        bbox_to_anchor=(0.45, -0.28 if len(board) < 5 else -0.16),
        ncols=4,
        frameon=False,
        labelcolor=INK,
    )
    return _svg(figure)


def plot_heat_map(scores: pd.DataFrame) -> str:
    """Mean overall score of each model in each task; empty where there is none."""
    table = scores.pivot_table(index="task", columns="model", values="mos", aggfunc="mean")
    table = table[table.mean().sort_values(ascending=False, kind="stable").index]  # best model first
    figure, axes = _figure(1.0 + 0.23 * len(table))
    axes.set_facecolor("white")  # under the cells, on dark paper too: their numbers are dark
    axes.imshow(table.to_numpy(), cmap="RdYlGn", vmin=0, vmax=100, aspect="auto", alpha=0.75)
    axes.set_xticks(np.arange(table.shape[1]), table.columns)
    axes.set_yticks(np.arange(len(table)), table.index)
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    for (row, column), value in np.ndenumerate(table.to_numpy()):
        if np.isfinite(value):
            axes.text(column, row, f"{value:.0f}", ha="center", va="center", fontsize=7.5, color="#1c1e21")
    return _svg(figure)


def plot_distributions(scores: pd.DataFrame) -> str:
    """How the edits' opinion scores are spread, dimension by dimension."""
    with plt.rc_context(_STYLE):
        figure, many = plt.subplots(1, len(DIMENSIONS), figsize=(WIDTH, 2), sharey=True)
    for axes, name in zip(many, DIMENSIONS, strict=True):
        values = scores.loc[scores["dimension"] == name, "mos"]
        axes.hist(values, bins=np.linspace(0, 100, 21), color=COLOURS[name], alpha=0.85)
        axes.set(title=words(name), xlim=(0, 100), xlabel="mean opinion score")
        axes.title.set_fontsize(9)
    many[0].set_ylabel("edits")
    return _svg(figure)


def plot_flaw_types(counts: pd.DataFrame) -> str:
    """How many consensus regions of each flaw type each model's edits have.

    Args:
        counts: indexed by flaw type, a column per model.
    """
    figure, axes = _figure(0.9 + 0.25 * len(counts))
    left = np.zeros(len(counts))
    shades = plt.get_cmap("tab20")(np.linspace(0, 0.95, max(counts.shape[1], 2)))
    for shade, model in zip(shades, counts.columns, strict=False):
        axes.barh(np.arange(len(counts)), counts[model], left=left, color=shade, label=model, height=0.7)
        left += counts[model].to_numpy()
    axes.set_yticks(np.arange(len(counts)), [words(str(name)) for name in counts.index])
    axes.invert_yaxis()
    axes.set_xlabel("consensus regions")
    axes.legend(frameon=False, fontsize=7.5, labelcolor=INK)
    return _svg(figure)


def _figure(height: float) -> tuple[Figure, Axes]:
    with plt.rc_context(_STYLE):
        return plt.subplots(figsize=(WIDTH, height))


def _svg(figure: Figure) -> str:
    buffer = io.StringIO()
    with plt.rc_context(_STYLE):
        figure.savefig(buffer, format="svg", bbox_inches="tight", metadata={"Date": None, "Creator": None})
    plt.close(figure)
    svg = buffer.getvalue()
    # Inline in HTML: no XML prologue, no metadata that names other sites, and a size that follows the page.
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    return re.sub(r'(<svg[^>]*?) width="[^"]*"| height="[^"]*pt"', lambda match: match[1] or "", svg, count=2)
