"""Annotations as the labelling screen of Label Studio 1.23.2 sends them (copied by hand from its answers)."""

from typing import Any

from annotation.interface import GRADES

SQUARE = [[10, 10], [50, 10], [50, 30], [10, 30]]


def rating(dimension: str, grade: str = "") -> dict[str, Any]:
    return choice(dimension, grade or GRADES[dimension][3]) | {"id": f"id-{dimension}", "origin": "manual"}


def ratings(*grades: str) -> list[dict[str, Any]]:
    """A grade for each dimension, known by its first digit: each dimension has words of its own for it."""
    pairs = zip(GRADES, grades or ("4", "2", "5"), strict=True)
    return [rating(dimension, GRADES[dimension][int(grade[0]) - 1]) for dimension, grade in pairs]


def choice(control: str, *chosen: str) -> dict[str, Any]:
    value = {"choices": list(chosen)}
    return {"value": value, "id": f"id-{control}", "from_name": control, "to_name": "edited", "type": "choices"}


def text(control: str, *written: str) -> dict[str, Any]:
    value = {"text": list(written)}
    return {"value": value, "id": f"id-{control}", "from_name": control, "to_name": "edited", "type": "textarea"}


def outcome(name: str, reason: str | None = None) -> list[dict[str, Any]]:
    """No flaw, cannot judge or distressing; with what was written below."""
    return [choice("outcome", name), *([] if reason is None else [text("outcome_reason", reason)])]


def region(
    points: list[list[float]] = SQUARE,
    label: str = "Artifact",
    flaw_type: str | None = "texture_noise",
    reason: str | None = "grain on the wall",
    region_id: str = "TX9H2wmZTM",
    type_control: str = "artifact_type",
) -> list[dict[str, Any]]:
    """The three items that share one id; without type or reason, the one is missing."""
    frame = {"original_width": 96, "original_height": 96, "image_rotation": 0, "id": region_id, "to_name": "edited"}
    drawn = {"points": points, "closed": True}
    items: list[dict[str, Any]] = [
        frame | {"from_name": "flaw", "type": "polygonlabels", "value": drawn | {"polygonlabels": [label]}}
    ]
    if flaw_type is not None:
        items.append(frame | {"from_name": type_control, "type": "choices", "value": drawn | {"choices": [flaw_type]}})
    if reason is not None:
        items.append(frame | {"from_name": "reason", "type": "textarea", "value": drawn | {"text": [reason]}})
    return items


def region_in_photo(
    points: list[list[float]] = SQUARE,
    flaw_type: str | None = "not_edited",
    reason: str | None = "the hat is still there",
    region_id: str = "Ph0t0",
) -> list[dict[str, Any]]:
    """Drawn on the photo; the label comes back as its alias."""
    items = region(points, "editing_failure", flaw_type, reason, region_id, "photo_type")
    names = {"flaw": "flaw_in_photo", "reason": "photo_reason"}
    return [
        item | {"to_name": "source", "from_name": names.get(item["from_name"], item["from_name"])} for item in items
    ]


def placeless(control: str, flaw_types: list[str], reason: str | None) -> list[dict[str, Any]]:
    return [choice(control, *flaw_types), *([] if reason is None else [text(f"{control}_reason", reason)])]


def annotation(result: Any, **changes: Any) -> dict[str, Any]:
    return {
        "id": 7,
        "completed_by": 1,
        "result": result,
        "was_cancelled": False,
        "ground_truth": False,
        "created_at": "2026-11-23T20:27:23.617207Z",
        "updated_at": "2026-11-23T20:27:23.617251Z",
        "lead_time": 13.036,
        "task": 3,
        "project": 2,
    } | changes
