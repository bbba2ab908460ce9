"""Local models: one file for each pipeline family, one entry for each set of weights."""

from importlib import import_module

from generators.base import ModelEntry

FAMILIES = ("instruct_pix2pix", "omnigen", "flux", "flux2", "qwen_image", "longcat", "joyimage")


def models() -> list[ModelEntry]:
    """The entries of all local models. Torch is imported by the one that is loaded, not here."""
    return [entry for family in FAMILIES for entry in import_module(f"{__name__}.{family}").models()]
