"""Who works well, who is worth a look, and whose answers should be set aside: from the tables, with the reasons."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from annotation.all_answers import all_answers
from annotation.campaign import read_assignments
from annotation.entrance import Standing, kinds_of, recorded, standings
from annotation.intervals import share_interval
from annotation.rating_evidence import rating_evidence
from annotation.reason_evidence import reason_evidence
from annotation.region_evidence import region_evidence
from annotation.verdicts import TOO_FEW, VERDICTS, Thresholds, judge
from annotation.worklist import QUALIFICATION
from editfhf.errors import BadInput
from editfhf.schema import RATING_TYPES, TABLES, WORKSPACE_COLUMNS
from editfhf.workspace import Workspace

# Nobody looks at an image, decides and answers faster. The keystroke-level model (Card, Moran & Newell, CACM 1980) has
# 1.35 s for a decision and 0.2 s for a key of a good typist: three grades decided at once take 2 s, and more to see.
FASTEST_S = {"ratings": 2.5, "together": 2.5, "regions": 1.5, "verify": 1.0, "preference": 1.0}
FASTEST_REGION_S = (
    3.0  # for each region more: the same model has 1.1 s for pointing and 0.2 s for a click, at three points
)

TABLES_READ = ("ratings", "regions", "answers", "check_answers")


def assess(
    ratings: pd.DataFrame,
    regions: pd.DataFrame,
    answers: pd.DataFrame,
    check_answers: pd.DataFrame,
    thresholds: Thresholds | None = None,
) -> pd.DataFrame:
    """Evidence and a verdict for everybody who answered anything.

    Args:
        ratings, regions, answers, check_answers: columns of the records `Rating`, `Region`, `Answer`, `CheckAnswer`;
            any of them may have no rows. Who is `screened` is assessed, but is nobody among "the others".

    Returns:
        A row for each annotator, the most suspicious first: annotator, annotator_kind, verdict (one of
        `annotation.verdicts.VERDICTS`), reasons (text), suspicion (0..1, to rank by), and the evidence, NaN where there
        is none. A measure X has its 95 % interval in X_low and X_high.

        - n_checks, passed: share of the items with a known answer, on the screens that ask for ratings, that were
          answered as anybody honest would, without those of the qualification round; n_region_checks, passed_regions:
          the same on the screen `regions`.
        - n_timed, fast: share of answers faster than anybody can look and answer (`FASTEST_S`).
        - what `rating_evidence`, `region_evidence` and `reason_evidence` return; one_grade has an interval as of so
          many independent answers as there are edits.

    Raises:
        BadInput: a column is missing; a scale without width; a score that is not finite.

    Example:
        >>> tables = [TABLES[name].empty_table().to_pandas() for name in TABLES_READ]
        >>> assess(*tables).empty
        True
    """
    tables = dict(zip(TABLES_READ, (ratings, regions, answers, check_answers), strict=True))
    for name, table in tables.items():
        missing = [one for one in TABLES[name].names if one not in table and one not in WORKSPACE_COLUMNS]
        if missing:
            raise BadInput(f"The table {name} lacks the column {', '.join(missing)}.", mend="Pull the answers again.")
    if (ratings["scale_max"] <= ratings["scale_min"]).any():
        raise BadInput("The scale of a rating ends where it begins.", mend="Pull the answers again.")
    if not np.isfinite(ratings["score"].to_numpy(float)).all():
        raise BadInput("A score is not a finite number.", mend="Pull the answers again.")
    known = pd.concat([table[["annotator", "annotator_kind"]].drop_duplicates() for table in tables.values()])
    kinds = known.drop_duplicates("annotator").set_index("annotator").sort_index()
    people = kinds.index
    of_ratings = check_answers["project_type"].isin(RATING_TYPES)
    evidence = _check_evidence(check_answers[of_ratings], people, "passed", "n_checks")
    evidence = evidence.join(_check_evidence(check_answers[~of_ratings], people, "passed_regions", "n_region_checks"))
    evidence = evidence.join(_pace_evidence(answers, regions, people))
    evidence = evidence.join(rating_evidence(ratings, people)).join(region_evidence(regions, answers, people))
    evidence = evidence.join(reason_evidence(regions, people))
    n_edits = evidence["n_edits"].to_numpy(float)
    low, high = share_interval(evidence["one_grade"].fillna(0).to_numpy(float) * n_edits, n_edits)
    evidence["one_grade_low"], evidence["one_grade_high"] = low, high
    result = kinds.join(judge(evidence, thresholds or Thresholds())).join(evidence)
    result = result.rename_axis("annotator").reset_index()
    result = result[["annotator", "annotator_kind", "verdict", "reasons", "suspicion", *evidence.columns]]
    return result.sort_values(["suspicion", "annotator"], ascending=[False, True], ignore_index=True)


def assess_workspace(workspace: Workspace, thresholds: Thresholds | None = None) -> list[dict[str, Any]]:
    """`assess` on the tables of a workspace, as rows for the console: verdict, reasons and how much there was.

    Who is merely of another opinion stands below all whose work is worth a look, and who has answered too little for
    any verdict below all others.
    Who waits for admission or was not admitted is there too, with why (verdict `waits` and `not admitted`); who may see
    colours otherwise is at least `watch`.

    Raises:
        BadInput: nothing was answered yet.
    """
    ratings, regions, checks = (
        workspace.read_table(name).to_pandas() for name in ("ratings", "regions", "check_answers")
    )
    answers = all_answers(workspace)  # verdicts and preferences say how fast a person is
    entrance = standings(workspace, read_assignments(workspace))
    if ratings.empty and regions.empty and answers.empty and checks.empty and not recorded(workspace):
        raise BadInput("There are no answers to judge anybody by.", mend="Bring them home: `editfhf annotate pull`.")
    shown = ["annotator", "annotator_kind", "verdict", "suspicion", "n_ratings", "n_regions", "n_checks", "reasons"]
    rows = assess(ratings, regions, answers, checks, thresholds)
    rows["n_checks"] += rows["n_region_checks"]
    rows = rows.sort_values("verdict", key=lambda verdict: verdict.map(VERDICTS.index), kind="stable")[shown]
    counts = {name: int for name in shown if name.startswith("n_")}
    rounded = rows.astype(counts).round({"suspicion": 2})
    found = [{str(name): value for name, value in row.items()} for row in rounded.to_dict("records")]
    return with_standings(found, entrance, kinds_of(workspace))


def with_standings(
    rows: list[dict[str, Any]], entrance: Mapping[str, Standing], kinds: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Verdicts and reasons of those who have not been admitted, or with a remark; who has answered nothing comes last.

    Args:
        rows: with annotator, verdict and reasons. entrance, kinds: by pseudonym.
    """
    names = {row["annotator"] for row in rows}
    for name in sorted(set(entrance) - names):
        if entrance[name].words:
            empty: dict[str, Any] = {"suspicion": 0.0, "n_ratings": 0, "n_regions": 0, "n_checks": 0}
            row = {"annotator": name, "annotator_kind": kinds[name], "verdict": "good", **empty, "reasons": ""}
            rows = [*rows, row]
    told: list[dict[str, Any]] = []
    for row in rows:
        standing = entrance.get(row["annotator"])
        if standing is None or not standing.words:
            told.append(row)
            continue
        at_least = "watch" if row["verdict"] in ("good", TOO_FEW) else row["verdict"]
        verdict = {"waits": "waits", "refused": "not admitted"}.get(standing.state, at_least)
        reasons = "; ".join(filter(None, [standing.words, row["reasons"]]))
        told.append(row | {"verdict": verdict, "reasons": reasons})
    return told


def _check_evidence(check_answers: pd.DataFrame, people: pd.Index, name: str, count: str) -> pd.DataFrame:
    """Of the checks among the edits: those of the qualification told who may begin, and are known for what they are."""
    check_answers = check_answers[check_answers["role"] != QUALIFICATION]
    by_person = check_answers.groupby("annotator")["passed"].agg(["sum", "count"]).reindex(people).fillna(0)
    return _share(by_person["sum"], by_person["count"], name, count, people)


def _pace_evidence(answers: pd.DataFrame, regions: pd.DataFrame, people: pd.Index) -> pd.DataFrame:
    key = ["edit_id", "annotator"]
    drawn = regions.groupby(key).size().rename("drawn").reset_index()
    # 0 is unknown; who skipped, or could not judge, may be as quick as can be.
    timed = answers[(answers["lead_time_s"] > 0) & answers["outcome"].isin(["answered", "no_flaw"])]
    timed = timed[[*key, "project_type", "lead_time_s"]].merge(drawn, on=key, how="left")
    draws = timed["project_type"].isin(["regions", "together"])
    fastest = timed["project_type"].map(FASTEST_S).astype(float).fillna(0)
    fastest = fastest + FASTEST_REGION_S * timed["drawn"].fillna(0).where(draws, 0)
    fast = (timed["lead_time_s"] < fastest).groupby(timed["annotator"]).agg(["sum", "count"])
    fast = fast.reindex(people).fillna(0)
    return _share(fast["sum"], fast["count"], "fast", "n_timed", people)


def _share(k: pd.Series, n: pd.Series, name: str, count: str, people: pd.Index) -> pd.DataFrame:
    of = n.to_numpy(float)
    low, high = share_interval(k.to_numpy(float), of)
    share = np.where(of > 0, k.to_numpy(float) / np.where(of > 0, of, 1), np.nan)
    return pd.DataFrame({count: of, name: share, f"{name}_low": low, f"{name}_high": high}, index=people)
