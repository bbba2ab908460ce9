"""Regions that a single person saw: what the screen `verify` shows to others."""

import numpy as np
import pandas as pd

from annotation.region_evidence import inspections, meetings


def lone_regions(regions: pd.DataFrame, answers: pd.DataFrame) -> pd.DataFrame:
    """The rows of regions that nobody else has.

    A region is lone if two people or more inspected its edit, and nobody else's region meets it: shares a twentieth of
    the union of both (`annotation.region_evidence.TOUCH_IOU`), whatever kind was chosen. Who was set aside is nobody,
    neither as who drew nor as somebody else. Left out are regions without an outline on the edited image (everywhere,
    missing, drawn on the photo): there is nothing to outline for others.

    Args:
        regions, answers: columns of the records `Region` and `Answer`; region_id names a row.
    """
    inspected = inspections(answers)
    counting = inspected[~inspected["screened"].astype(bool)]
    n_people = counting["edit_id"].value_counts()
    rows = regions.merge(counting[["edit_id", "annotator"]], on=["edit_id", "annotator"])
    met = np.zeros(len(rows), bool)
    met[meetings(rows)[0]] = True
    outlined = np.array([len(polygon) > 0 for polygon in rows["polygon"]], bool)
    several = rows["edit_id"].map(n_people).fillna(0).to_numpy() >= 2
    return rows[outlined & several & ~met].reset_index(drop=True)
