"""Which model is best: means with intervals, on the photos and tasks that all models answered."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from scipy import sparse

from analysis.mos import DEFAULT, METHODS
from analysis.opinions import Opinions
from analysis.screening import Fit
from analysis.two_way import CONFIDENCE, Contrasts, Uncertainty, two_way, worth_of
from editfhf.errors import BadInput
from editfhf.schema import DIMENSIONS

OVERALL = "overall"
COLUMNS = ("source_id", "task", "dimension", "mos")
RATING_COLUMNS = ("edit_id", "annotator", "dimension", "score")
_ASPECTS = {  # weights of the dimensions in each column of the board
    OVERALL: np.full(len(DIMENSIONS), 1 / len(DIMENSIONS)),
    **dict(zip(DIMENSIONS, np.eye(len(DIMENSIONS)), strict=True)),
}
N_BOOTSTRAP = 1000  # draws
WORST = 0.0  # opinion score of an edit that a model refused to make


def leaderboard(
    scores: pd.DataFrame,
    by: str = "model",
    n_bootstrap: int = N_BOOTSTRAP,
    seed: int = 0,
    ratings: pd.DataFrame | None = None,
    method: str = DEFAULT,
) -> pd.DataFrame:
    """Mean opinion score of each model, overall and by dimension, best first.

    Models are compared on the (photo, task) pairs that every model has scores for in every dimension. Photos are drawn
    anew with replacement, with all edits of a photo and for all models together; with `ratings`, people too
    (`analysis.two_way`). Without, the intervals hold for other photos and the same people.

    Args:
        scores: columns source_id, task, `by`, dimension, mos (0..100); a row per edit and dimension. Where several
            sources were made from one photo, a column `photo` names it, and they are drawn together.
        by: the column that names what is ranked.
        ratings: columns of the table `ratings` (at least edit_id, annotator, dimension, score); `scores` then has a
            column edit_id. Attention checks and screened ratings are left out here.
        method: of `estimate_mos`, by which `scores` were made of `ratings`.

    Returns:
        Indexed by `by`; rank (1 is best); for `overall` (mean of the dimensions) and each dimension: NAME, NAME_low,
        NAME_high (95 % interval; NaN with a single photo, which says nothing about others); best_rank and worst_rank:
        all ranks lie between them with 95 % confidence at least, of all models at once; group: models that share a
        letter do not differ significantly overall (5 % for all comparisons together); n_edits.

    Raises:
        BadInput: a column is missing, or there is no pair that all have.
    """
    return stand(scores, by, n_bootstrap, seed, ratings, method).board()


def leaderboard_by_group(
    scores: pd.DataFrame,
    group_of: Mapping[str, str],
    by: str = "model",
    n_bootstrap: int = N_BOOTSTRAP,
    seed: int = 0,
    ratings: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """`leaderboard` for each group of tasks, on the pairs of that group alone; indexed by task_group and `by`.

    Args:
        group_of: task → group. Groups without a pair that all models have are left out.
    """
    boards = {}
    groups = scores["task"].map(group_of)
    for group in sorted(groups.dropna().unique()):
        try:
            boards[group] = leaderboard(scores[groups == group], by, n_bootstrap, seed, ratings)
        except BadInput:  # no common pair in this group: nothing to rank there
            continue
    return pd.concat(boards, names=["task_group"]) if boards else pd.DataFrame()


def compare_models(
    scores: pd.DataFrame,
    by: str = "model",
    n_bootstrap: int = N_BOOTSTRAP,
    seed: int = 0,
    ratings: pd.DataFrame | None = None,
    method: str = DEFAULT,
) -> pd.DataFrame:
    """The difference of every two models, as in `leaderboard`: paired, by photos and by people.

    Returns:
        columns dimension (`overall` first), better, worse, difference (of opinion scores, 0 or above), low, high (its
        95 % interval, for itself alone), p, p_adjusted (for all pairs of one dimension together, by max-T).
    """
    return stand(scores, by, n_bootstrap, seed, ratings, method).comparisons()


@dataclass(frozen=True)
class Standing:
    """What is known of the models' means, and how well.

    Attributes:
        names: of the M models, best first. by: what they are called together.
        means: of model after model: the D dimensions.
        n_edits: of each model.
    """

    names: tuple[str, ...]
    by: str
    means: Uncertainty
    n_edits: int

    def board(self) -> pd.DataFrame:
        m = len(self.names)
        board = pd.DataFrame({"rank": np.arange(1, m + 1)}, index=pd.Index(self.names, name=self.by))
        for name, weights in _ASPECTS.items():
            found = self.means.of(np.kron(np.eye(m), weights))
            means = self.means.estimate.reshape(m, -1)
            board[name] = means.mean(axis=1) if name == OVERALL else means @ weights
            board[f"{name}_low"], board[f"{name}_high"] = found.interval()
        apart = self._apart()
        board["best_rank"] = 1 + np.triu(apart).sum(axis=0)  # those that stand above and differ
        board["worst_rank"] = m - np.triu(apart).sum(axis=1)
        board["group"] = letters(apart)
        board["n_edits"] = self.n_edits
        return board

    def comparisons(self) -> pd.DataFrame:
        tables = []
        for name, weights in _ASPECTS.items():
            pairs, found = self._pairs(weights)
            low, high = found.interval()
            swapped = found.estimate < 0
            columns = {
                "dimension": name,
                "better": [self.names[j if swap else i] for (i, j), swap in zip(pairs, swapped, strict=True)],
                "worse": [self.names[i if swap else j] for (i, j), swap in zip(pairs, swapped, strict=True)],
                "difference": np.abs(found.estimate),
                "low": np.where(swapped, -high, low),
                "high": np.where(swapped, -low, high),
                "p": found.p_values(),
                "p_adjusted": found.p_values_of_all(),
            }
            tables.append(pd.DataFrame(columns))
        return pd.concat(tables, ignore_index=True)

    def _pairs(self, weights: np.ndarray) -> tuple[list[tuple[int, int]], Contrasts]:
        """Every two models, the better (overall) less the other."""
        m = len(self.names)
        pairs = list(combinations(range(m), 2))
        contrasts = np.zeros((len(pairs), m))
        for row, (i, j) in enumerate(pairs):
            contrasts[row, i], contrasts[row, j] = 1, -1
        return pairs, self.means.of(np.kron(contrasts, weights))

    def _apart(self) -> np.ndarray:
        """Which two models differ significantly overall: bool, shape (M, M), symmetric."""
        m = len(self.names)
        apart = np.zeros((m, m), dtype=bool)
        pairs, found = self._pairs(_ASPECTS[OVERALL])
        for (i, j), p in zip(pairs, found.p_values_of_all(), strict=True):
            apart[i, j] = apart[j, i] = p < 1 - CONFIDENCE
        return apart


def stand(
    scores: pd.DataFrame,
    by: str = "model",
    n_bootstrap: int = N_BOOTSTRAP,
    seed: int = 0,
    ratings: pd.DataFrame | None = None,
    method: str = DEFAULT,
) -> Standing:
    """What `leaderboard` and `compare_models` say, reckoned once; arguments and errors are theirs."""
    needed = (by, *COLUMNS) if ratings is None else (by, *COLUMNS, "edit_id")
    if missing := [column for column in needed if column not in scores]:
        raise BadInput(f"The scores lack the column {', '.join(missing)}.")
    # Photo × task in rows, model × dimension in columns: the rows without a gap are what all models answered.
    table = scores.pivot_table(index=["source_id", "task"], columns=[by, "dimension"], values="mos", aggfunc="mean")
    names = sorted(scores[by].unique())
    table = table.reindex(columns=pd.MultiIndex.from_product([names, DIMENSIONS])).dropna().sort_index()
    if table.empty:
        raise BadInput(f"No photo and task has scores of every {by}.", mend="Bring more answers home, then try again.")
    overall = table.mean().groupby(level=0).mean()
    names = sorted(names, key=lambda name: -overall[name])  # stable: by name where they are even
    table = table.reindex(columns=pd.MultiIndex.from_product([names, DIMENSIONS]))

    values = table.to_numpy()
    means = values.mean(axis=0)
    photo_of = scores.drop_duplicates("source_id").set_index("source_id")
    photos = photo_of["photo"] if "photo" in scores else photo_of.index.to_series()
    photo_of_row, known = pd.factorize(photos.reindex(table.index.get_level_values("source_id")), sort=True)
    by_photo = np.zeros((len(known), values.shape[1]))
    np.add.at(by_photo, photo_of_row, (values - means) / len(values))
    by_person, answers, worth = np.zeros((0, len(means))), np.zeros((0, len(means))), None
    if ratings is not None:
        place = pd.Series(np.arange(len(table)), index=table.index)
        by_person, answers, worth = _people(scores, by, ratings, method, names, place, photo_of_row)
    means_known = two_way(means, by_photo, by_person, answers, n_bootstrap, seed, worth)
    return Standing(tuple(names), by, means_known, len(table))


def letters(apart: np.ndarray) -> list[str]:
    """Letters of groups: two models share one if, and only if, they do not differ. `apart`: bool, symmetric.

    Source:
        H.-P. Piepho, An Algorithm for a Letter-Based Representation of All-Pairwise Comparisons, 2004 (insert, absorb).
    """
    groups = [frozenset(range(len(apart)))]
    for i, j in zip(*np.nonzero(np.triu(apart)), strict=True):
        split = [part for group in groups for part in ((group - {i}, group - {j}) if {i, j} <= group else (group,))]
        groups = [group for group in dict.fromkeys(split) if not any(group < other for other in split)]
    groups.sort(key=sorted)
    return [" ".join(_letter(number) for number, group in enumerate(groups) if i in group) for i in range(len(apart))]


def with_refusals(scores: pd.DataFrame, refused: pd.DataFrame, by: str = "model") -> pd.DataFrame:
    """The scores, and the worst score in every dimension for each edit that a model refused to make.

    Args:
        refused: columns source_id, task, `by`; optionally photo.
    """
    rows = refused.drop_duplicates(["source_id", "task", by])
    rows = rows.merge(pd.DataFrame({"dimension": DIMENSIONS, "mos": WORST}), how="cross")
    if "photo" in scores and "photo" not in rows:
        photos = scores.drop_duplicates("source_id").set_index("source_id")["photo"]
        rows["photo"] = rows["source_id"].map(photos).fillna(rows["source_id"])
    return pd.concat([scores, rows], ignore_index=True)


def refusals(
    scores: pd.DataFrame, outcomes: pd.DataFrame, by: str = "model", n_bootstrap: int = N_BOOTSTRAP, seed: int = 0,
    ratings: pd.DataFrame | None = None,
) -> pd.DataFrame:  # fmt: skip
    """How often each model refused, and where it would stand if a refusal were the worst edit there is.

    Args:
        scores, ratings: as in `leaderboard`.
        outcomes: columns source_id, task, `by`, status (`done`, `refused`, `failed`, `planned`): the ledger's.

    Returns:
        Indexed by `by`, in the order of the ranks: made, refused, failed; refusal_rate: of made and refused, NaN where
        there is neither; rank, overall, overall_low, overall_high, n_edits of `leaderboard` with refusals as the
        worst, on the pairs that every model has scores for or refused. Only pairs that somebody's edit was rated of
        count.
    """
    counts = outcomes.groupby([by, "status"]).size().unstack(fill_value=0)
    counts = counts.reindex(columns=["done", "refused", "failed"], fill_value=0).rename(columns={"done": "made"})
    counts["refusal_rate"] = counts["refused"] / (counts["made"] + counts["refused"]).replace(0, np.nan)
    counts = counts[["made", "refused", "failed", "refusal_rate"]]
    refused = outcomes.loc[outcomes["status"] == "refused", ["source_id", "task", by]]
    refused = refused.merge(scores[["source_id", "task"]].drop_duplicates())
    told = with_refusals(scores, refused, by)
    board = leaderboard(told, by, n_bootstrap, seed, ratings)
    shown = board[["rank", OVERALL, f"{OVERALL}_low", f"{OVERALL}_high", "n_edits"]]
    return shown.join(counts, how="outer").sort_values("rank", kind="stable").rename_axis(by)


def _people(
    scores: pd.DataFrame,
    by: str,
    ratings: pd.DataFrame,
    method: str,
    names: list[str],
    place: pd.Series,
    photo_of_row: np.ndarray,
) -> tuple[np.ndarray, sparse.csr_array, float]:
    """What each person adds to the error of the means, what their answers about one photo add, and their worth."""
    if missing := [column for column in RATING_COLUMNS if column not in ratings]:
        raise BadInput(f"The ratings lack the column {', '.join(missing)}.")
    people = pd.Index(sorted(ratings["annotator"].unique()))
    by_person = np.zeros((len(people), len(names), len(DIMENSIONS)))
    rows: list[np.ndarray] = []
    columns: list[np.ndarray] = []
    values: list[np.ndarray] = []
    worth: list[float] = []
    for number, (opinions, fit, wanted) in enumerate(_opinions(scores, by, ratings, method, place)):
        person = people.get_indexer(opinions.subjects)
        edit, subject = opinions.stimulus_of, opinions.subject_of
        model, row, share = wanted["model"].to_numpy(), wanted["row"].to_numpy(), wanted["share"].to_numpy()
        model = pd.Index(names).get_indexer(pd.Index(model))
        # Each score's weight in its edit's, its edit's in the model's mean, and how far it is from its edit's.
        weight = fit.weight[subject]
        with np.errstate(divide="ignore", invalid="ignore"):
            part = weight / opinions.by_stimulus(weight)[edit]
        part = np.where(share[edit] > 0, np.nan_to_num(part), 0.0)
        off = fit.adjusted - opinions.by_stimulus(part * fit.adjusted)[edit]
        scale = _shrunk_by(opinions, part, share)
        added = share[edit] * part * off * scale
        used = added != 0
        np.add.at(by_person[:, :, number], (person[subject[used]], model[edit[used]]), added[used])
        rows.append(photo_of_row[row[edit[used]]] * len(people) + person[subject[used]])
        columns.append(model[edit[used]] * len(DIMENSIONS) + number)
        values.append(added[used])
        worth.append(worth_of(opinions.by_subject(share[edit] * part)))
        if fit.bias is not None:
            # Biases were taken out of the scores, but the level of all scores is still that of these people.
            level = fit.bias - fit.bias.mean()
            by_person[person, :, number] += (level / np.sqrt(len(level) * max(len(level) - 1, 1)))[:, None]
    cells, cell = np.unique(np.concatenate(rows), return_inverse=True)
    shape = len(cells), len(names) * len(DIMENSIONS)
    answers = sparse.coo_array((np.concatenate(values), (cell, np.concatenate(columns))), shape=shape).tocsr()
    return by_person.reshape(len(people), -1), answers, min(worth)


def _opinions(
    scores: pd.DataFrame, by: str, ratings: pd.DataFrame, method: str, place: pd.Series
) -> Iterator[tuple[Opinions, Fit, pd.DataFrame]]:
    """Of each dimension: the opinions, what the method makes of them, and of each stimulus: the model, the row of its
    photo and task (0 where it is not compared), and the share that it has in its model's mean."""
    if method not in METHODS:
        raise BadInput(f"Unknown method {method!r} of opinion scores.", mend=f"There are: {', '.join(METHODS)}.")
    counted = ratings
    for flag in ("check", "screened"):
        if flag in counted:
            counted = counted[~counted[flag].astype(bool)]
    for dimension in DIMENSIONS:
        own = counted[counted["dimension"] == dimension]
        score = own["score"]
        if {"scale_min", "scale_max"} <= set(own):
            score = 100 * (score - own["scale_min"]) / (own["scale_max"] - own["scale_min"])
        table = pd.DataFrame({"stimulus": own["edit_id"], "subject": own["annotator"], "score": score})
        opinions = Opinions.of(table)
        edits = scores[scores["dimension"] == dimension].drop_duplicates("edit_id").set_index("edit_id")
        edits = edits[edits.index.notna()]
        key = pd.MultiIndex.from_frame(edits[["source_id", "task"]])
        edits = edits.assign(row=place.reindex(key).to_numpy(), model=edits[by])
        twins = edits.groupby(["source_id", "task", "model"])["mos"].transform("size")
        edits["share"] = np.where(edits["row"].notna(), 1 / (len(place) * twins), 0.0)
        wanted = edits[["model", "row", "share"]].reindex(opinions.stimuli)
        wanted = wanted.fillna({"row": 0, "share": 0.0}).astype({"row": int})
        yield opinions, METHODS[method](opinions), wanted


def _shrunk_by(opinions: Opinions, part: np.ndarray, share: np.ndarray) -> float:
    """By how much people's deviations are too small, because each is told from a mean that holds their own scores.

    Had everybody a taste of their own, of variance 1, the error of a mean had the variance Σ c², c the weight of each
    person in it. Of the deviations one sees diag(c) − Hᵀ H instead, H the weights of people in edits.
    """
    total = share.sum()
    share = share / total
    weights = opinions.by_subject(share[opinions.stimulus_of] * part)
    root = np.sqrt(share)[opinions.stimulus_of] * part
    placed = sparse.csr_array((root, opinions.table.indices, opinions.table.indptr), shape=opinions.table.shape)
    seen = sparse.diags_array(weights) - placed.T @ placed
    squares = float((seen.multiply(seen)).sum())
    return float(np.sqrt(np.square(weights).sum() / squares)) if squares > 0 else 1.0


def _letter(number: int) -> str:
    return chr(ord("a") + number % 26) * (1 + number // 26)
