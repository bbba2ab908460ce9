"""Editing models behind an API: GPT Image and Gemini, each through its company's own client."""

import math
from typing import Any

from editfhf.errors import BadInput
from generators.api.prices import gemini_edit_price, gpt_edit_price
from generators.base import EditModel, Figure, Licence, ModelEntry
from generators.sizes import SizePolicy

# https://ai.google.dev/gemini-api/docs/image-generation; it also knows 1:8 and 8:1, which no photo has.
GEMINI_ASPECTS = ("1:1", "2:3", "3:2", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "21:9", "1:4", "4:1")
MEGAPIXEL = 1024 * 1024  # what `image_size: 1K` stands for, and what prices.py bounds for GPT Image
GPT_PARAMS: dict[str, Any] = {"quality": "high", "background": "opaque", "input_fidelity": None}
GEMINI_PARAMS: dict[str, Any] = {"image_size": "1K", "thinking_level": "medium", "max_output_tokens": 4096}


def models() -> list[ModelEntry]:
    """The entries of both."""
    return [
        ModelEntry(
            id="gpt-image",
            # The newest with a dated snapshot. GPT Image 1 was shut down on 2026-10-23, 1.5 will be on 2026-12-01; 2.6
            # has no snapshot yet (https://developers.openai.com/api/docs/deprecations, seen 2026-11).
            revision="gpt-image-2.5-sunburst-2026-09-08",
            description="GPT Image 2.5 Sunburst through OpenAI's images.edit; no seeds: every call is another sample.",
            load=_load_gpt_image,
            family="OpenAI Images API",
            licence=Licence(
                "OpenAI Services Agreement",
                outputs="unclear",
                note="The customer owns the output, but may not use it to develop models that compete with OpenAI's: "
                "https://openai.com/policies/services-agreement/.",
            ),
            # Any multiple of 16 within 3 : 1 (openai 3.54, images.edit), of 655,360 to 8,294,400 pixels (documentation
            # of gpt-image-2 on Azure: MicrosoftDocs/azure-ai-docs#779).
            size=SizePolicy(multiple=16, max_pixels=MEGAPIXEL, min_pixels=MEGAPIXEL, max_aspect=3.0),
            default_params=GPT_PARAMS,
            params_source="Quality: the third of five steps of "
            "https://developers.openai.com/api/docs/guides/image-generation, whose own default is auto, which has no "
            "price. input_fidelity: this model knows none (openai 3.54, images.edit). No seed exists.",
            concurrency=8,
            price_usd=Figure(
                gpt_edit_price(GPT_PARAMS),
                "two attempts of an edit that may be billed, each with a margin of 25 %; usually one, of about 0.06 $: "
                "1,756 tokens made at 30 $, 1,024 of the photo at 8 $ a million (OpenAI's prices of 2026-09)",
            ),
            price=gpt_edit_price,
            key_variable="OPENAI_API_KEY",
            extra="api",
        ),
        ModelEntry(
            id="gemini-image",
            # Nano Banana 2.1, generally available since 2026-10-06. Google dates no snapshots of it; what answered is
            # kept with each edit. gemini-2.5-flash-image and gemini-3.1-flash-image were shut down in October 2026
            # (https://ai.google.dev/gemini-api/docs/deprecations).
            revision="gemini-nano-banana-2.1",
            description="Gemini's Nano Banana 2.1 through Google's generateContent; seeds are best effort.",
            load=_load_gemini_image,
            family="Gemini API",
            licence=Licence(
                "Gemini API Additional Terms of Service",
                outputs="unclear",
                note="Google claims no ownership of what is made, but the service may not be used to develop models "
                "that compete with it; every image has a SynthID watermark: https://ai.google.dev/gemini-api/terms.",
            ),
            size=SizePolicy(fixed=tuple(_exactly(aspect) for aspect in GEMINI_ASPECTS), max_aspect=4.0),
            default_params=GEMINI_PARAMS,
            params_source="image_size and thinking_level: the API's own defaults "
            "(https://ai.google.dev/gemini-api/docs/image-generation). max_output_tokens: ours, room for a 1K image of "
            "1,120 tokens and its thoughts, so that the price has a bound.",
            concurrency=8,
            price_usd=Figure(
                gemini_edit_price(GEMINI_PARAMS),
                "two attempts of an edit that may be billed, each token of max_output_tokens at the price of an image; "
                "usually one, of about 0.04 $: 1,120 tokens at 30 $ a million, thoughts at 7.50 $ (Google's prices of "
                "2026-10)",
            ),
            price=gemini_edit_price,
            key_variable="GEMINI_API_KEY",
            extra="api",
        ),
    ]


def _exactly(aspect: str) -> tuple[int, int]:
    """The largest width and height of exactly this aspect within a megapixel."""
    across, down = (int(side) for side in aspect.split(":"))
    across, down = across // math.gcd(across, down), down // math.gcd(across, down)
    times = math.isqrt(MEGAPIXEL // (across * down))
    return across * times, down * times


def _load_gpt_image(entry: ModelEntry, **options: Any) -> EditModel:
    try:
        from generators.api.openai_images import OpenAIImages
    except ImportError as error:
        raise _missing(entry, error) from error
    return OpenAIImages(entry, **options)


def _load_gemini_image(entry: ModelEntry, **options: Any) -> EditModel:
    try:
        from generators.api.gemini import GeminiImages
    except ImportError as error:
        raise _missing(entry, error) from error
    return GeminiImages(entry, **options)


def _missing(entry: ModelEntry, error: ImportError) -> BadInput:
    return BadInput(f"{entry.id} needs a package that is missing ({error}).", mend="`pip install 'editfhf[api]'`.")
