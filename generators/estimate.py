"""What a plan will take: GPU hours, dollars and disk for each model, each with the basis of its estimate."""

import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from editfhf.ledger import Finished
from editfhf.schema import Edit, Source
from editfhf.workspace import Workspace
from generators.base import ModelEntry
from generators.plan import Plan

ENOUGH_MEASURED = 3  # images of a model, beside the first of each run (which compiles, fills caches)
# PNG of a photo of about a megapixel: between 1.3 (smooth) and 2.2 (grass) bytes a pixel were seen on the samples.
PNG_BYTES_PER_PIXEL = 1.7


@dataclass(frozen=True, slots=True)
class Estimate:
    """What is planned for one model, and what the rest of it will take.

    Attributes:
        jobs: edits planned; `made` of them have an image, `ended` otherwise were refused or failed.
        left_out: pairs that the model cannot do.
        gpu_hours, usd, disk_gb: for what is still to be made. `usd` is the most it can cost until four edits were paid
            here, and from then on what it will cost at their mean.
        basis: what each of the figures rests on.
    """

    model: str
    jobs: int
    made: int
    ended: int
    left_out: int
    gpu_hours: float
    usd: float
    disk_gb: float
    basis: str

    def as_row(self) -> dict[str, object]:
        return asdict(self)


def estimate_plan(workspace: Workspace, plan: Plan) -> list[Estimate]:
    """A row for each model of the plan, in its order. What was measured here comes before what the registry says."""
    finished = {one.edit_id: one for one in workspace.ledger.finished()}
    first = workspace.ledger.first_made()
    sources = {source.source_id: source for source in workspace.sources()}
    by_model: dict[str, list[Edit]] = defaultdict(list)
    for edit in plan.edits:
        by_model[edit.model].append(edit)
    return [
        _estimate(entry, by_model[entry.id], finished, first, sources, plan.left_out.get(entry.id, 0))
        for entry in plan.entries
    ]


def _estimate(
    entry: ModelEntry,
    edits: Sequence[Edit],
    finished: Mapping[str, Finished],
    first: set[str],
    sources: Mapping[str, Source],
    left_out: int,
) -> Estimate:
    ended = [finished[edit.edit_id] for edit in edits if edit.edit_id in finished]
    done = [one for one in ended if one.status == "done"]
    missing = [edit for edit in edits if edit.edit_id not in finished]
    seconds, seconds_basis = _seconds(entry, [one for one in done if one.edit_id not in first])
    usd, usd_basis = _usd(entry, missing, ended)
    disk, disk_basis = _disk(entry, missing, done, sources)
    return Estimate(
        entry.id,
        len(edits),
        len(done),
        len(ended) - len(done),
        left_out,
        round(seconds * len(missing) / 3600, 2) if entry.needs_gpu else 0.0,
        round(usd, 2),
        round(disk / 1e9, 3),
        "; ".join(basis for basis in (seconds_basis, usd_basis, disk_basis) if basis),
    )


def _seconds(entry: ModelEntry, done: Sequence[Finished]) -> tuple[float, str]:
    measured = [one.seconds for one in done if one.seconds > 0]
    if len(measured) >= ENOUGH_MEASURED:
        device = done[-1].device or "this machine"
        typical = statistics.median(measured)
        return typical, f"{typical:.3g} s per image: median of {len(measured)} made here on {device}"
    if entry.seconds_per_image is None:
        return 0.0, ""
    return entry.seconds_per_image.value, f"{entry.seconds_per_image.value:g} s: {entry.seconds_per_image.basis}"


def _usd(entry: ModelEntry, missing: Sequence[Edit], ended: Sequence[Finished]) -> tuple[float, str]:
    if entry.price_usd is None:
        return 0.0, ""
    paid = [one.cost_usd for one in ended]
    if len(paid) > ENOUGH_MEASURED:
        mean = statistics.fmean(paid)
        return mean * len(missing), f"{mean:.4f} $ an edit: mean of {len(paid)} paid here"
    highest = sum(entry.highest_price(edit.params) for edit in missing)
    return highest, f"at most {entry.price_usd.value:g} $ an edit: {entry.price_usd.basis}"


def _disk(
    entry: ModelEntry, missing: Sequence[Edit], done: Sequence[Finished], sources: Mapping[str, Source]
) -> tuple[float, str]:
    sizes = [one.n_bytes for one in done if one.n_bytes]
    if len(sizes) > ENOUGH_MEASURED:
        mean = statistics.fmean(sizes)
        return mean * len(missing), f"{mean / 1e6:.2f} MB an image: mean of {len(sizes)} made here"
    pixels = 0
    for edit in missing:
        source = sources[edit.source_id]
        width, height = entry.size.fit(source.width, source.height, edit.params.get("max_pixels"))
        pixels += width * height
    return pixels * PNG_BYTES_PER_PIXEL, f"{PNG_BYTES_PER_PIXEL} bytes a pixel: PNG of photos"
