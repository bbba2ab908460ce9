"""Processors of the Qwen vision-language encoders for machines without torchvision.

The real classes insist on a video processor, and that on torchvision. An edit shows them a photo and words: these are
the same classes with an image processor written on Pillow, and a tokenizer.
"""

from importlib.util import find_spec
from typing import Any

TOKENS = {"image_token": "<|image_pad|>", "video_token": "<|video_pad|>"}
VISION_TOKENS = {"vision_start_token": "<|vision_start|>", "vision_end_token": "<|vision_end|>"}


def image_only_class(name: str) -> type:
    """`Qwen2VLProcessor` or `Qwen3VLProcessor` of transformers, without its video part."""
    import transformers
    from transformers.processing_utils import ProcessorMixin

    class ImageOnlyProcessor(getattr(transformers, name)):  # type: ignore[misc]
        def __init__(
            self, image_processor: Any = None, tokenizer: Any = None, chat_template: str | None = None
        ) -> None:
            for attribute, token in {**TOKENS, **VISION_TOKENS}.items():
                setattr(self, attribute, token)
                setattr(self, f"{attribute}_id", tokenizer.convert_tokens_to_ids(token))
            ProcessorMixin.__init__(self, image_processor, tokenizer, chat_template=chat_template)

    # What diffusers writes into model_index.json, so that a pipeline saved with it loads the real one elsewhere.
    ImageOnlyProcessor.__name__ = name
    ImageOnlyProcessor.__module__ = getattr(transformers, name).__module__
    return ImageOnlyProcessor


def image_only_processor(name: str, location: str, subfolder: str = "", revision: str | None = None) -> Any | None:
    """The processor in a model's folder or repository; None where torchvision is there and the real one can load."""
    if find_spec("torchvision") is not None:
        return None
    from transformers import AutoTokenizer, Qwen2VLImageProcessorPil

    options = {"subfolder": subfolder, **({"revision": revision} if revision else {})}
    tokenizer = AutoTokenizer.from_pretrained(location, **options)
    # Mean, standard deviation and patch sizes are the checkpoint's: the class's own defaults are another model's.
    image_processor = Qwen2VLImageProcessorPil.from_pretrained(location, **options)
    return image_only_class(name)(image_processor, tokenizer, chat_template=tokenizer.chat_template)
