import json
import math
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from editfhf.errors import BadInput
from editfhf.schema import DIMENSIONS
from refiner.agents import Difference, FoundRegion, RepairStep, Scores
from refiner.trace import Attempt, RefineTrace, TraceStep
from tests.factories import photo

BOX = [[[0.2, 0.3], [0.7, 0.3], [0.7, 0.8], [0.2, 0.8]]]
SCRIPT = 'make it <script>alert(1)</script> & "red" \' {{ 7 * 7 }}'


def scores(mean: float) -> Scores:
    return Scores(dict.fromkeys(DIMENSIONS, mean), dict.fromkeys(DIMENSIONS, 6.5))


def make_trace(instruction: str = "make the car red", note: str = "Trained on simulated people.") -> RefineTrace:
    images = [photo(64, seed) for seed in (1, 2)]
    regions = (
        FoundRegion("artifact", "texture_noise", "region", BOX, "a blotch <b>on</b> the door", 0.8),
        FoundRegion("editing_failure", "not_edited", "missing", [], "the car is still blue", 0.6),
    )
    plan = (RepairStep("inpaint", (BOX,), "a blotch"), RepairStep("reapply", (), "not done"))
    better = Difference(4.2, 1.1, dict.fromkeys(DIMENSIONS, 4.2), dict.fromkeys(DIMENSIONS, 2.0))
    unsure = Difference(0.4, math.inf, dict.fromkeys(DIMENSIONS, 0.4), dict.fromkeys(DIMENSIONS, 2.0))
    seconds = {"perception": 0.02, "reasoning": 0.01, "action": 0.3, "evaluation": 0.05}
    random = np.random.default_rng(0)

    def step(number: int, accepted: bool, attempts: tuple[Attempt, ...]) -> TraceStep:
        maps = {
            "artifact": random.random((64, 64)).astype(np.float32),
            "editing_failure": np.zeros((64, 64), np.float32),
        }
        presence = {"artifact": 0.93, "editing_failure": 0.1}
        after = scores(54.2) if accepted else None
        why = "better beyond its error" if accepted else "None is better beyond its error."
        return TraceStep(
            iteration=number, maps=maps, presence=presence, regions=regions, plan=plan, attempts=attempts,
            before=scores(50), after=after, accepted=accepted, why=why, seconds=seconds,
        )  # fmt: skip

    steps = [
        step(1, True, (Attempt(plan[0], better, "Better beyond its error.", kept=True),)),
        step(2, False, (Attempt(plan[0], unsure, "Not certain."), Attempt(plan[1], None, "It cannot be done."))),
    ]
    return RefineTrace(instruction, photo(80, 3), images, [scores(50), scores(54.2)], 1, steps, "None is better.", note)


def assert_same(one: RefineTrace, other: RefineTrace) -> None:
    for name in ("instruction", "note", "stopped", "best_index"):
        assert getattr(one, name) == getattr(other, name)
    assert list(one.scores) == list(other.scores)
    for left, right in zip([one.source, *one.images], [other.source, *other.images], strict=True):
        np.testing.assert_array_equal(left, right)
    for left, right in zip(one.steps, other.steps, strict=True):
        for name in {field.name for field in fields(TraceStep)} - {"maps"}:
            assert getattr(left, name) == getattr(right, name), name
        assert set(left.maps) == set(right.maps)
        for kind in left.maps:
            np.testing.assert_allclose(left.maps[kind], right.maps[kind], atol=0.5 / 255 + 1e-6)


def test_a_trace_comes_back_as_it_was_saved(tmp_path):
    trace = make_trace()
    assert trace.save(tmp_path / "deep/trace") == tmp_path / "deep/trace"
    assert_same(RefineTrace.load(tmp_path / "deep/trace"), trace)
    assert not list((tmp_path / "deep").glob(".*"))
    json.loads((tmp_path / "deep/trace/trace.json").read_text(), parse_constant=lambda name: pytest.fail(name))


def test_the_result_lies_beside_the_trace_as_best_png(tmp_path):
    trace = make_trace()
    trace.save(tmp_path / "trace")
    np.testing.assert_array_equal(np.array(Image.open(tmp_path / "trace/best.png")), trace.images[1])
    replace(trace, best_index=0).save(tmp_path / "trace")
    np.testing.assert_array_equal(np.array(Image.open(tmp_path / "trace/best.png")), trace.images[0])


def test_an_earlier_trace_is_replaced_whole_and_other_folders_are_left_alone(tmp_path):
    make_trace().save(tmp_path / "trace")
    (tmp_path / "trace/image-7.png").touch()
    make_trace("make it blue").save(tmp_path / "trace")
    assert RefineTrace.load(tmp_path / "trace").instruction == "make it blue"
    assert not (tmp_path / "trace/image-7.png").exists()
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters/dear.txt").write_text("you")
    with pytest.raises(BadInput, match="something other"):
        make_trace().save(tmp_path / "letters")
    with pytest.raises(BadInput, match="something other"):
        make_trace().save(tmp_path / "letters/dear.txt")
    assert (tmp_path / "letters/dear.txt").read_text() == "you"


def test_a_save_that_fails_leaves_nothing_behind(tmp_path, monkeypatch):
    make_trace().save(tmp_path / "trace")

    def full(*_):
        raise OSError("no space left on device")

    monkeypatch.setattr("refiner.trace_page.page_of", full)
    with pytest.raises(OSError, match="no space"):
        make_trace("make it blue").save(tmp_path / "trace")
    assert [path.name for path in tmp_path.iterdir()] == ["trace"]
    assert RefineTrace.load(tmp_path / "trace").instruction == "make the car red"


def test_the_page_escapes_what_people_and_models_wrote(tmp_path):
    make_trace(SCRIPT, note="<i>note</i>").save(tmp_path / "trace")
    page = (tmp_path / "trace/trace.html").read_text()
    assert "<script>" not in page
    assert "<b>on</b>" not in page
    assert "<i>note" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "{{ 7 * 7 }}" in page


def test_the_page_shows_its_note_and_needs_no_other_file(tmp_path):
    make_trace().save(tmp_path / "trace")
    page = (tmp_path / "trace/trace.html").read_text()
    assert "Trained on simulated people." in page
    assert "http" not in page
    assert 'src="data:image/' in page
    assert page.count('src="') == page.count('src="data:image/')
    assert "not edited" in page
    assert 'role="note"' not in _saved_page(make_trace(note=""), tmp_path / "other")


def _saved_page(trace: RefineTrace, folder) -> str:
    return (trace.save(folder) / "trace.html").read_text()


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda folder: (folder / "trace.json").unlink(), "holds no trace"),
        (lambda folder: (folder / "trace.json").write_text('{"format": 1, "instr'), "trace.json is damaged"),
        (lambda folder: (folder / "trace.json").write_bytes(b"\xff\xfe\x00"), "trace.json is damaged"),
        (lambda folder: (folder / "trace.json").write_text("[1]"), "trace.json is damaged"),
        (lambda folder: (folder / "trace.json").write_text('{"format": 99}'), "another version"),
        (lambda folder: _change(folder, best_index=5), "do not belong together"),
        (lambda folder: _change(folder, best_index=-1), "do not belong together"),
        (lambda folder: _change(folder, scores=[]), "do not belong together"),
        (lambda folder: _change(folder, best_index=0, scores=_stored(folder)["scores"][:1]), "do not belong together"),
        (lambda folder: _change_step(folder, 1, iteration=1), "do not belong together"),
        (lambda folder: _refuse_first_step(folder), "do not belong together"),
        (lambda folder: _change(folder, stopped=None), "stopped"),
        (lambda folder: _change_step(folder, 0, unknown=1), r"steps\.0\.unknown"),
        (lambda folder: _change_step(folder, 0, attempts=[{}]), r"steps\.0\.attempts\.0\.step"),
        (lambda folder: (folder / "image-1.png").unlink(), "image-1.png is damaged"),
        (lambda folder: (folder / "source.png").write_bytes(b"GIF89a"), "source.png is damaged"),
        (lambda folder: _cut(folder / "map-1-artifact.png"), "map-1-artifact.png is damaged"),
        (lambda folder: Image.new("L", (9, 9)).save(folder / "map-2-artifact.png"), "map-2-artifact.png is damaged"),
        (lambda folder: Image.new("RGB", (9, 9)).save(folder / "image-1.png"), "differ in size"),
    ],
)
def test_a_damaged_trace_is_refused_by_the_name_of_the_file(tmp_path, damage, said):
    folder = make_trace().save(tmp_path / "trace")
    damage(folder)
    with pytest.raises(BadInput, match=said):
        RefineTrace.load(folder)


def test_a_trace_cannot_make_the_reader_look_elsewhere(tmp_path):
    folder = make_trace().save(tmp_path / "trace")
    _change_step(folder, 0, kinds=["../../secret"])
    with pytest.raises(BadInput, match="do not belong together"):
        RefineTrace.load(folder)


def _stored(folder) -> dict[str, Any]:
    return json.loads((folder / "trace.json").read_text())


def _change(folder, **values) -> None:
    (folder / "trace.json").write_text(json.dumps({**_stored(folder), **values}))


def _change_step(folder, number: int, **values) -> None:
    steps = _stored(folder)["steps"]
    steps[number] |= values
    _change(folder, steps=steps)


def _refuse_first_step(folder) -> None:
    """As if the loop had gone on from an image that it refused; as many are accepted as before."""
    _change_step(folder, 0, accepted=False, after=None)
    _change_step(folder, 1, accepted=True)


def _cut(path) -> None:
    path.write_bytes(path.read_bytes()[:60])
