"""What there is to hand out on each kind of screen: edits, regions that a single person saw, or pairs of images."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from annotation.lone_regions import lone_regions
from annotation.order import Thing
from annotation.pair_folders import damaged_folders, pairs_in_folders, readable_pairs
from annotation.pairs import Pair, choose_pairs, pairs_of_models
from annotation.roster import Roster
from annotation.worklist import things_of
from editfhf.schema import REGION_TYPES, Edit
from editfhf.workspace import Workspace

ANSWER_COLUMNS = ["edit_id", "annotator", "project_type", "outcome"]


@dataclass(frozen=True, slots=True)
class Offer:
    """The things of one kind of screen.

    Attributes:
        barred: (thing, pseudonym) who must not look at it.
        lacking: why there is nothing, one sentence; "" where there is something.
    """

    things: list[Thing] = field(default_factory=list)
    barred: frozenset[tuple[str, str]] = frozenset()
    lacking: str = ""


class Offers:
    """What a workspace has to show; tables and folders are read when they are asked for.

    Args:
        edits: those whose images are there; of these, those whose photos are known are shown.
    """

    def __init__(self, workspace: Workspace, edits: Sequence[Edit]) -> None:
        self._workspace = workspace
        sources = workspace.sources()
        self.photo_of = {source.source_id: source.root_id for source in sources}
        self.edits = [edit for edit in edits if edit.source_id in self.photo_of]
        self._files = {source.source_id: source.file for source in sources}

    def of(self, project_type: str, handed_out: Iterable[str], people_are_named: bool) -> Offer:
        """What is to be looked at on this kind of screen.

        Args:
            handed_out: ids of the things of this kind that somebody has, or had: of pairs they stay.
        """
        if project_type == "verify":
            return self._to_verify(people_are_named)
        if project_type == "preference":
            return self._to_compare(handed_out)
        return Offer(things_of(self.edits, self.photo_of))

    @cached_property
    def lone_regions(self) -> dict[str, dict[str, Any]]:
        """Regions of these edits that a single person saw, by their ids: rows of the table `regions`."""
        regions = self._workspace.read_table("regions")
        names = ["edit_id", "annotator", "region_id", "kind", "polygon"]
        answers = self._workspace.read_table("answers").select(ANSWER_COLUMNS).to_pandas()
        # As of now: the tables are marked after the work is handed out anew.
        answers["screened"] = answers["annotator"].isin(Roster(self._workspace).screened())
        lone = lone_regions(regions.select(names).to_pandas(), answers)
        rows = regions.filter(pc.is_in(regions["region_id"], pa.array(lone["region_id"], pa.string()))).to_pylist()
        there = {edit.edit_id for edit in self.edits}
        return {row["region_id"]: row for row in rows if row["edit_id"] in there}

    @cached_property
    def all_pairs(self) -> dict[str, Pair]:
        """Every pair that could be asked about, or was, by its id."""
        of_models = pairs_of_models(self.edits, self._files, self.photo_of, every=True)
        return {pair.pair_id: pair for pair in (*of_models, *self._in_folders)}

    @cached_property
    def _of_models(self) -> list[Pair]:
        rows = self._workspace.read_table("assignments")
        of_pairs = rows.filter(pc.equal(rows["project_type"], "preference"))
        handed_out = set(of_pairs["edit_id"].to_pylist())
        return list(pairs_of_models(self.edits, self._files, self.photo_of, handed_out))

    @cached_property
    def _in_folders(self) -> list[Pair]:
        return pairs_in_folders(self._workspace, {edit.edit_id: edit for edit in self.edits}, self.photo_of)

    def _to_verify(self, people_are_named: bool) -> Offer:
        if not people_are_named:
            return Offer(
                lacking="Nothing to verify: a region is never shown to whom drew it, so people have to be named "
                "(`editfhf annotate people --add`)."
            )
        if not self._workspace.read_table("regions").num_rows:
            return Offer(
                lacking="Nothing to verify: no regions have been brought home yet; let people draw them, then "
                "`editfhf annotate pull` and push again."
            )
        edit_of = {edit.edit_id: edit for edit in self.edits}
        things = []
        for region_id, row in self.lone_regions.items():
            edit = edit_of[row["edit_id"]]
            things.append(Thing(region_id, self.photo_of[edit.source_id], edit.model, edit.task))
        if not things:
            return Offer(lacking="Nothing to verify: no region was seen by a single person only.")
        return Offer(things, frozenset(self._barred()))

    def _barred(self) -> Iterator[tuple[str, str]]:
        """Who drew a region; and, where enough others work, all who looked at its edit and have said no to it so."""
        roster = Roster(self._workspace)
        active = {roster.pseudonym(member) for member in roster.active}
        enough = self._workspace.config.annotation.verifiers_per_region
        answers = self._workspace.read_table("answers").select(ANSWER_COLUMNS).to_pandas()
        inspected = answers[answers["project_type"].isin(REGION_TYPES)].groupby("edit_id")["annotator"].agg(set)
        for region_id, row in self.lone_regions.items():
            looked = {row["annotator"], *inspected.get(row["edit_id"], set())}
            for person in looked if len(active - looked) >= enough else {row["annotator"]}:
                yield region_id, person

    def _to_compare(self, handed_out: Iterable[str]) -> Offer:
        settings = self._workspace.config.annotation
        chosen = choose_pairs(self._of_models, settings.preference_pairs, settings.seed, set(handed_out))
        things = [pair.as_thing() for pair in (*chosen, *self._in_folders)]
        if not things:
            return Offer(
                lacking="Nothing to compare: no two models edited the same photo by the same instruction "
                "(or preference_pairs is 0), and no folder of pairs was given with --pairs."
            )
        return Offer(things)


def pairs_shown(workspace: Workspace, wanted: Collection[str]) -> tuple[dict[str, Pair], list[str]]:
    """The pairs with these ids: what answers are checked against, whatever became of the photos and files since.

    Returns:
        Pairs by their ids; of each folder of pairs that cannot be read, why.
    """
    files = {source.source_id: source.file for source in workspace.sources()}
    of_models = pairs_of_models(workspace.edits(), files, {}, every=True)
    in_folders = readable_pairs(workspace)
    found = {pair.pair_id: pair for pair in chain(of_models, in_folders) if pair.pair_id in wanted}
    return found, list(damaged_folders(workspace).values())
