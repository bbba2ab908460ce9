"""Train, validation and test: by photo, even over tasks as far as that allows, and never moved once assigned."""

from collections import Counter, defaultdict
from collections.abc import Mapping

from editfhf.config import SplitsConfig
from editfhf.errors import BadInput
from editfhf.schema import SPLITS, stable_id
from editfhf.workspace import Workspace


def assign_splits(
    photos: Mapping[str, Mapping[str, int]], shares: Mapping[str, float], existing: Mapping[str, str]
) -> dict[str, str]:
    """The split of every photo. A photo in `existing` keeps its split, whatever the shares say now: changed shares
    govern only photos that come later.

    New photos come one by one, in the order of a hash of their id, to the split that lacks most: of photos, and of
    edits of the tasks that this photo has. As long as photos suffice, no split of positive share stays empty.

    Args:
        photos: id of the clean photo → task → number of its edits.
        shares: split → share in 0..1; they add up to 1.
        existing: photo → split, as assigned before.
    """
    assigned = {photo: split for photo, split in existing.items() if split in shares}
    # A photo that is gone keeps its split, should it return, but fills no place.
    sizes = Counter(split for photo, split in assigned.items() if photo in photos)
    edits: dict[str, Counter[str]] = defaultdict(Counter)  # task → split → edits
    for photo, split in assigned.items():
        for task, count in photos.get(photo, {}).items():
            edits[task][split] += count
    new = sorted(set(photos) - set(assigned), key=stable_id)
    for position, photo in enumerate(new):
        empty = [split for split, share in shares.items() if share > 0 and not sizes[split]]
        choices = empty if len(empty) >= len(new) - position else [split for split in shares if shares[split] > 0]
        total = sizes.total() + 1

        def lack(split: str, photo: str = photo, total: int = total) -> float:
            tasks = photos[photo]
            of_tasks = [
                (shares[split] * (edits[task].total() + count) - edits[task][split]) / count
                for task, count in tasks.items()
            ]
            return shares[split] * total - sizes[split] + (sum(of_tasks) / len(of_tasks) if of_tasks else 0)

        chosen = max(choices, key=lambda split: (lack(split), shares[split]))
        assigned[photo] = chosen
        sizes[chosen] += 1
        for task, count in photos[photo].items():
            edits[task][chosen] += count
    return assigned


def split_workspace(workspace: Workspace) -> dict[str, str]:
    """source_id → split for every source that has edits, derived ones with their clean photo.

    New assignments are stored. A photo gets its split when it gets its first edit: before, it would take a place in a
    split that then has nothing to show for it.

    Raises:
        BadInput: an edit is of a photo that the workspace does not have.
    """
    root_of = {source.source_id: source.root_id for source in workspace.sources()}
    photos: dict[str, Counter[str]] = defaultdict(Counter)
    used = set()
    for edit in workspace.edits():
        if edit.source_id not in root_of:
            raise BadInput(
                f"{workspace.root}: edit {edit.edit_id} is of photo {edit.source_id}, which is not in it.",
                mend="Import the photo again: `editfhf init`.",
            )
        used.add(edit.source_id)
        photos[root_of[edit.source_id]][edit.task] += 1
    existing = {row["source_id"]: row["split"] for row in workspace.read_table("splits").to_pylist()}
    assigned = assign_splits(photos, shares_of(workspace.config.build.splits), existing)
    if assigned != existing:
        rows = [{"source_id": photo, "split": split} for photo, split in sorted(assigned.items())]
        workspace.write_table("splits", rows)
    return {source_id: assigned[root_of[source_id]] for source_id in sorted(used)}


def shares_of(config: SplitsConfig) -> dict[str, float]:
    """The configured shares, by split."""
    return {split: getattr(config, split) for split in SPLITS}
