"""Makes edited images: the editing models, the plan, and the run that nothing can break."""

from generators.base import EditModel, EditOutcome, EditRequest
from generators.registry import load_model

__all__ = ["EditModel", "EditOutcome", "EditRequest", "load_model"]
