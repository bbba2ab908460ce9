"""What reaches each pipeline's own call: all that was planned for an edit, under the names that the pipeline has."""

import inspect
from typing import Any

import numpy as np
import pytest
from PIL import Image

from generators.base import EditRequest
from generators.models.diffusion import LOAD_PARAMS
from tests.factories import photo
from tests.generators.models.test_adapters import ENTRIES, loaded, request_for

pytestmark = pytest.mark.filterwarnings("ignore")

# Planned parameter → argument of the call, by the class of the pipeline.
STEPS_AND_GUIDANCE = {"steps": "num_inference_steps", "guidance_scale": "guidance_scale"}
ARGUMENTS = {
    "StableDiffusionInstructPix2PixPipeline": {**STEPS_AND_GUIDANCE, "image_guidance_scale": "image_guidance_scale"},
    "StableDiffusionXLInstructPix2PixPipeline": {**STEPS_AND_GUIDANCE, "image_guidance_scale": "image_guidance_scale"},
    "OmniGenPipeline": {**STEPS_AND_GUIDANCE, "image_guidance_scale": "img_guidance_scale"},
    "FluxKontextPipeline": STEPS_AND_GUIDANCE,
    "FluxFillPipeline": STEPS_AND_GUIDANCE,
    "Flux2KleinPipeline": STEPS_AND_GUIDANCE,
    "QwenImageEditPlusPipeline": {
        "steps": "num_inference_steps", "true_cfg_scale": "true_cfg_scale", "negative_prompt": "negative_prompt",
    },
    "LongCatImageEditPipeline": {**STEPS_AND_GUIDANCE, "negative_prompt": "negative_prompt"},
    "JoyImageEditPipeline": {**STEPS_AND_GUIDANCE, "negative_prompt": "negative_prompt"},
}  # fmt: skip
# No pipeline has these by default, and no model of ours is planned with them.
UNUSUAL = {
    "steps": 3,
    "guidance_scale": 3.25,
    "image_guidance_scale": 1.75,
    "true_cfg_scale": 2.75,
    "negative_prompt": "a frame, grain",
}
PHOTO_ARGUMENT = {"OmniGenPipeline": "input_images"}  # of the others: `image`
PROMPT = {
    "OmniGenPipeline": "<img><|image_1|></img> {}",
    "FluxFillPipeline": "A diptych with two side-by-side images of the same scene. On the right, the scene is exactly "
    "the same as on the left but {}",
}
# These make an edit as large as the photo they are shown (LongCat's: see `during_call`), and have no argument for it.
UNSIZED = ("StableDiffusionInstructPix2PixPipeline", "LongCatImageEditPipeline")


@pytest.fixture(params=sorted(ENTRIES))
def model(request, tmp_path_factory) -> Any:
    return loaded(request.param, tmp_path_factory.getbasetemp())


@pytest.fixture
def calls(model, monkeypatch) -> list[dict[str, Any]]:
    """The arguments of each call of the model's pipeline, which runs all the same."""
    pipeline = type(model.pipeline)
    call, seen = pipeline.__call__, []

    def recording(self, **arguments):
        seen.append(arguments)
        return call(self, **arguments)

    recording.__signature__ = inspect.signature(call)
    monkeypatch.setattr(pipeline, "__call__", recording)
    return seen


def unusual_request(model, number: int = 0, **params: Any) -> EditRequest:
    usual = request_for(model, number)
    source = Image.fromarray(photo(200, seed=number)).crop((0, 0, 200, 130))
    planned = {name: UNUSUAL[name] for name in ARGUMENTS[ENTRIES[model.id].family]}
    return request_for(model, number, source=source, params={**usual.params, **planned, **params})


def test_every_parameter_that_is_planned_has_a_name_in_the_call(model):
    entry = ENTRIES[model.id]
    planned = set(entry.default_params) - set(LOAD_PARAMS) - {"max_pixels"}
    assert set(ARGUMENTS[entry.family]) == planned
    known = inspect.signature(type(model.pipeline).__call__).parameters
    for name, argument in ARGUMENTS[entry.family].items():
        assert UNUSUAL[name] not in (known[argument].default, entry.default_params[name])


def test_every_parameter_that_is_planned_reaches_the_pipeline_with_its_value(model, calls):
    request = unusual_request(model)
    model.edit([request])
    (call,) = calls
    arguments = ARGUMENTS[ENTRIES[model.id].family]
    assert {name: call.get(argument) for name, argument in arguments.items()} == {
        name: request.params[name] for name in arguments
    }


def test_two_edits_of_different_parameters_are_made_with_their_own(model, calls):
    for name, argument in ARGUMENTS[ENTRIES[model.id].family].items():
        calls.clear()
        one, other = unusual_request(model), unusual_request(model, **{name: ENTRIES[model.id].default_params[name]})
        if name == "steps":
            one, other = unusual_request(model, steps=2), unusual_request(model, steps=1)
        model.edit([one, other])
        assert [call[argument] for call in calls] == [one.params[name], other.params[name]]


def test_the_pipeline_knows_every_argument_by_name(model, calls):
    """Some pipelines take any further argument and drop it: a name that is misspelt would go unnoticed."""
    model.edit([unusual_request(model)])
    known = inspect.signature(type(model.pipeline).__call__).parameters
    assert set(calls[0]) <= {name for name, one in known.items() if one.kind is not one.VAR_KEYWORD}


def test_photos_prompts_seeds_and_sizes_reach_the_pipeline_each_at_its_place(model, calls):
    entry = ENTRIES[model.id]
    requests = [unusual_request(model, number) for number in (3, 5)[: entry.max_batch]]
    model.edit(requests)
    (call,) = calls
    prompt = PROMPT.get(entry.family, "{}")
    assert flat(call["prompt"]) == [prompt.format(one.instruction) for one in requests]
    assert [one.initial_seed() for one in flat(call["generator"])] == [one.seed for one in requests]
    shown = flat(call[PHOTO_ARGUMENT.get(entry.family, "image")])
    expected = [entry.size.resize(one.source, one.params["max_pixels"]) for one in requests]
    assert expected[0].width != expected[0].height
    if entry.family == "FluxFillPipeline":  # a diptych: the photo, and the photo again to be painted over
        expected = [Image.fromarray(np.hstack([np.asarray(one)] * 2)) for one in expected]
    assert [one.size for one in shown] == [one.size for one in expected]
    assert all(np.array_equal(one, other) for one, other in zip(shown, expected, strict=True))
    told = call.get("width"), call.get("height")
    assert told == ((None, None) if entry.family in UNSIZED else expected[0].size)


def test_no_pipeline_is_left_to_resize_the_photo_as_it_pleases(model, calls):
    """Kontext would snap the photo to one of its own sizes; OmniGen would cut it to 1024 pixels a side."""
    model.edit([unusual_request(model)])
    (call,) = calls
    width, height = call.get("width"), call.get("height")
    expected = {
        "FluxKontextPipeline": lambda: {"max_area": width * height, "_auto_resize": False},
        "OmniGenPipeline": lambda: {"max_input_image_size": max(width, height)},
    }.get(ENTRIES[model.id].family, dict)()
    assert {name: call.get(name) for name in expected} == expected


def flat(value: Any) -> list[Any]:
    return [one for part in value for one in flat(part)] if isinstance(value, list) else [value]
