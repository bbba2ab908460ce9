"""Ratings as a matrix of stimuli and subjects with gaps: dense where most people rated most, sparse elsewhere."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from editfhf.errors import BadInput

COLUMNS = ("stimulus", "subject", "score")
DENSE_FROM = 0.3  # share of the cells that are filled, from which on a dense matrix is the faster

Matrix = Any  # np.ndarray or sparse.csr_array, stimuli × subjects


@dataclass(frozen=True)
class Opinions:
    """One score for each (stimulus, subject) that was rated.

    Attributes:
        stimuli, subjects: their names, sorted.
        table: stimuli × subjects; what is not stored was not rated. float64, each row sorted by subject.
    """

    stimuli: pd.Index
    subjects: pd.Index
    table: sparse.csr_array

    @classmethod
    def of(cls, ratings: pd.DataFrame) -> "Opinions":
        """From a long table; several ratings of one stimulus by one subject become their mean: a person is one voice.

        The order of the rows changes nothing, not the last bit.

        Raises:
            BadInput: a column is missing, no rows, a score that is not finite, a rating of nothing or by nobody.
        """
        missing = [column for column in COLUMNS if column not in ratings]
        if missing:
            raise BadInput(f"The ratings lack the column {', '.join(missing)}.", mend=f"Needed: {', '.join(COLUMNS)}.")
        if ratings.empty:
            raise BadInput("There are no ratings.", mend="Bring answers home first: `editfhf annotate pull`.")
        scores = pd.to_numeric(ratings["score"], errors="coerce").to_numpy(dtype=float)
        if not np.isfinite(scores).all():
            raise BadInput(
                "A score is not a finite number.", mend="Remove the rows with NaN, infinite or textual scores."
            )
        rows, stimuli = pd.factorize(ratings["stimulus"], sort=True)
        columns, subjects = pd.factorize(ratings["subject"], sort=True)
        if rows.min() < 0 or columns.min() < 0:
            raise BadInput("A rating names no stimulus or no subject.", mend="Remove the rows where either is empty.")
        shape = len(stimuli), len(subjects)
        cells = rows * np.int64(shape[1]) + columns
        if (np.diff(cells) > 0).all():  # in order already, each once
            starts = np.searchsorted(rows, np.arange(shape[0] + 1))
            table = sparse.csr_array((scores, columns, starts), shape=shape)
        else:
            table = sparse.coo_array((scores, (rows, columns)), shape=shape).tocsr()
        if table.nnz < len(scores):
            table = _averaged(rows, columns, scores, shape)
        return cls(pd.Index(stimuli), pd.Index(subjects), table)

    @property
    def scores(self) -> np.ndarray:
        """float64, one for each cell that is filled, by stimulus, then by subject."""
        return self.table.data

    @cached_property
    def stimulus_of(self) -> np.ndarray:
        """Row of each of `scores`."""
        return np.repeat(np.arange(len(self.stimuli)), self.n_of_stimulus)

    @property
    def subject_of(self) -> np.ndarray:
        """Column of each of `scores`."""
        return self.table.indices

    @cached_property
    def n_of_stimulus(self) -> np.ndarray:
        """How many people rated each stimulus."""
        return np.diff(self.table.indptr)

    @cached_property
    def n_of_subject(self) -> np.ndarray:
        """How many stimuli each person rated."""
        return np.bincount(self.subject_of, minlength=len(self.subjects))

    def by_stimulus(self, values: np.ndarray) -> np.ndarray:
        """Sums over the people who rated each stimulus, of one value for each of `scores`."""
        # They lie behind each other, and each has one. Floats: sums of truth values would be truth values.
        return np.add.reduceat(np.asarray(values, dtype=float), self.table.indptr[:-1])

    def by_subject(self, values: np.ndarray) -> np.ndarray:
        """Sums over the stimuli that each person rated, of one value for each of `scores`."""
        return np.bincount(self.subject_of, values, len(self.subjects))

    def matrix(self, values: np.ndarray) -> Matrix:
        """One value for each of `scores` at its place in a matrix, 0 elsewhere: for products with vectors."""
        placed = sparse.csr_array((values, self.table.indices, self.table.indptr), shape=self.table.shape)
        return placed.toarray() if self.table.nnz >= DENSE_FROM * np.prod(self.table.shape) else placed

    def blocks(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """(positions in `scores`, shape (stimuli, n); their rows), for the stimuli that n people rated, for each n."""
        starts = self.table.indptr[:-1]
        return [
            (starts[rows][:, None] + np.arange(n), rows)
            for n in np.unique(self.n_of_stimulus)
            if len(rows := np.flatnonzero(self.n_of_stimulus == n))
        ]

    def n_parts(self) -> int:
        """Groups of people that no stimulus, directly or through others, joins to each other: 1 where all are joined.

        Who rates low and whose stimuli are bad cannot be told apart between such groups.
        """
        n_stimuli, n_subjects = self.table.shape
        if self.n_of_subject.max() == n_stimuli:  # somebody rated everything
            return 1
        edges = (np.ones(len(self.scores), dtype=bool), (self.stimulus_of, self.subject_of + n_stimuli))
        size = n_stimuli + n_subjects
        return int(connected_components(sparse.coo_array(edges, shape=(size, size)), directed=False)[0])


def _averaged(rows: np.ndarray, columns: np.ndarray, scores: np.ndarray, shape: tuple[int, int]) -> sparse.csr_array:
    # Sums of floats depend on their order: that of the scores themselves, whatever the order of the table.
    cells = rows.astype(np.int64) * shape[1] + columns
    order = np.lexsort((scores, cells))
    cell, start, n = np.unique(cells[order], return_index=True, return_counts=True)
    means = np.add.reduceat(scores[order], start) / n
    return sparse.coo_array((means, (cell // shape[1], cell % shape[1])), shape=shape).tocsr()
