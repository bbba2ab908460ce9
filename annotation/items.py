"""The items of an answer as Label Studio writes them: what a person, a simulated one or a model put on the screen."""

from collections.abc import Mapping
from typing import Any, Literal

from annotation import interface

Ring = list[list[float]]
Origin = Literal["manual", "prediction"]


def choice_item(item_id: str, control: str, choices: list[str], origin: Origin = "manual") -> dict[str, Any]:
    """What was chosen in one control."""
    return _item(item_id, control, "choices", {"choices": choices}, origin)


def rating_item(dimension: str, score: int) -> dict[str, Any]:
    """A grade, 1..5."""
    return choice_item(dimension, dimension, [interface.GRADES[dimension][score - interface.SCALE[0]]])


def no_flaw_item() -> dict[str, Any]:
    """That there is nothing to draw."""
    return choice_item(interface.OUTCOME, interface.OUTCOME, [interface.NO_FLAW])


def cannot_judge_items(reason: str) -> list[dict[str, Any]]:
    """That the person cannot judge what is shown, and why."""
    return [
        choice_item(interface.OUTCOME, interface.OUTCOME, [interface.CANNOT_JUDGE]),
        _text_item(interface.OUTCOME_REASON, interface.OUTCOME_REASON, reason, "manual"),
    ]


def verdict_items(flaw_type: str | None) -> list[dict[str, Any]]:
    """What a second person says of a region: its flaw type, or None: it is not a flaw."""
    verdict = interface.FLAW if flaw_type else interface.NO_FLAW
    said = [choice_item(interface.VERDICT, interface.VERDICT, [verdict])]
    return [*said, choice_item(interface.VERDICT_TYPE, interface.VERDICT_TYPE, [flaw_type])] if flaw_type else said


def preference_item(choice: str) -> dict[str, Any]:
    """Which of two edits is better: `first` (left), `second` or `tie`."""
    item = choice_item(interface.PREFERENCE, interface.PREFERENCE, [choice])
    return item | {"to_name": interface.FIRST}


def region_items(
    region: str, kind: str, flaw_type: str, reason: str, outline: Ring, size: tuple[int, int], origin: Origin = "manual"
) -> list[dict[str, Any]]:
    """A drawn region: three items that share one id.

    Args:
        outline: one ring in 0..1 of the edited image (people draw no holes).
        size: (width, height) of that image in pixels.
    """
    value = {
        "points": [[round(100 * x, 4), round(100 * y, 4)] for x, y in outline],
        "closed": True,
        "polygonlabels": [interface.KIND_LABELS[kind]],
    }
    drawn = {
        "original_width": size[0], "original_height": size[1], "image_rotation": 0,
        "id": region, "from_name": interface.POLYGONS, "to_name": interface.IMAGE, "type": "polygonlabels",
        "value": value, "origin": origin,
    }  # fmt: skip
    return [
        drawn,
        choice_item(region, interface.TYPE_CONTROLS[kind], [flaw_type], origin),
        _text_item(region, interface.REASON, reason, origin),
    ]


def placeless_items(control: str, flaw_types: list[str], reason: str) -> list[dict[str, Any]]:
    """Flaws without a place: their types and one reason."""
    reason_control = interface.reason_of(control)
    return [choice_item(control, control, flaw_types), _text_item(reason_control, reason_control, reason, "manual")]


def placeless_control(kind: str, extent: str) -> str:
    """The control that takes flaws of this kind and extent; that of the whole image where there is none."""
    for control, (of_kind, of_extent, _) in interface.PLACELESS.items():
        if (of_kind, of_extent) == (kind, extent):
            return control
    return f"whole_{kind}"


def admission_items(said: Mapping[str, str]) -> list[dict[str, Any]]:
    """What was answered at the entrance: control → what was chosen."""
    items = []
    for control, answer in said.items():
        item = choice_item(control, control, [answer])
        on = interface.CONSENT_TEXT if control == interface.CONSENT else interface.shown_of(control)
        items.append(item | {"to_name": on})
    return items


def _text_item(item_id: str, control: str, text: str, origin: Origin) -> dict[str, Any]:
    return _item(item_id, control, "textarea", {"text": [text]}, origin)


def _item(item_id: str, control: str, kind: str, value: dict[str, Any], origin: Origin) -> dict[str, Any]:
    return {
        "id": item_id, "from_name": control, "to_name": interface.IMAGE, "type": kind, "value": value,
        "origin": origin,
    }  # fmt: skip
