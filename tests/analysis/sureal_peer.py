"""The package sureal 0.9 on a matrix of scores: an implementation of the standards' methods that is not ours."""

import contextlib
import io
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
from sureal import subjective_model as models
from sureal.dataset_reader import RawDatasetReader

# Ours (method, options) → theirs.
PEERS = [
    ("mean", {}, models.MosModel),
    ("zscore", {}, models.ZscoringMosModel),
    ("bt500", {"variant": "sureal"}, models.SubjrejMosModel),
    ("bias_removed", {}, models.BiasremvMosModel),
    ("bias_removed", {"rejection": True, "variant": "sureal"}, models.BiasremvSubjrejMosModel),
    ("p910", {}, models.SubjectMLEModelProjectionSolver2),
]


def run(model: Any, matrix: np.ndarray) -> dict[str, Any]:
    """What a model makes of stimuli × subjects, NaN where nobody rated."""
    videos = [
        {
            "content_id": 0, "asset_id": stimulus, "path": str(stimulus),
            "os": {f"{subject:04}": score for subject, score in enumerate(row) if not np.isnan(score)},
        }
        for stimulus, row in enumerate(matrix)
    ]  # fmt: skip
    dataset = SimpleNamespace(ref_videos=[{"content_id": 0, "path": "reference"}], dis_videos=videos)
    with contextlib.redirect_stdout(io.StringIO()), np.errstate(all="ignore"):
        return model(RawDatasetReader(dataset)).run_modeling()


def long_table(matrix: np.ndarray) -> pd.DataFrame:
    """The same scores as ours takes them."""
    stimuli, subjects = np.nonzero(~np.isnan(matrix))
    names = {"stimulus": [f"{i:06}" for i in stimuli], "subject": [f"{i:04}" for i in subjects]}
    return pd.DataFrame({**names, "score": matrix[stimuli, subjects]})
