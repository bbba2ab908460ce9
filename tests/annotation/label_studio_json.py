"""Annotations as the labelling screen of Label Studio 1.23.2 sends them (copied by hand from its answers)."""

from typing import Any

SQUARE = [[10, 10], [50, 10], [50, 30], [10, 30]]


def rating(dimension: str, grade: str = "4 Good") -> dict[str, Any]:
    return {
        "value": {"choices": [grade]},
        "id": f"id-{dimension}",
        "from_name": dimension,
        "to_name": "edited",
        "type": "choices",
        "origin": "manual",
    }


def ratings(*grades: str) -> list[dict[str, Any]]:
    dimensions = ("perceptual_quality", "instruction_following", "visual_consistency")
    return [rating(*pair) for pair in zip(dimensions, grades or ("4 Good", "2 Poor", "5 Excellent"), strict=True)]


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


def placeless(control: str, flaw_types: list[str], reason: str | None) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = [
        {"value": {"choices": flaw_types}, "id": "p1", "from_name": control, "to_name": "edited", "type": "choices"}
    ]
    if reason is not None:
        name = f"{control}_reason"
        value = {"text": [reason]}
        items.append({"value": value, "id": "p2", "from_name": name, "to_name": "edited", "type": "textarea"})
    return items


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
