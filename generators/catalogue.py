"""What the registry knows, for people: the table of `editfhf models` and the page docs/models.md."""

from collections.abc import Iterable

from editfhf.tasks import TASKS
from generators.base import Figure, ModelEntry
from generators.registry import registered_models

_PAGE_BEGINNING = """\
# Editing models

Made from the registry by `editfhf models --page > docs/models.md`; a test holds that the two agree. How to add one:
[generators/README.md](../generators/README.md).

Revisions are branches of the Hub here; `editfhf plan` resolves them to commits, which are part of every edit's id. GPU
memory is for bfloat16 weights without offload. Times are for one NVIDIA H100 SXM in bfloat16. One that is *calculated*
was never measured: once some images of a model have been made on your machine, `editfhf plan` goes by those.

Photos keep their aspect: within 2 % where a size is a multiple of something (3 % for icedit), exactly where it is
*framed*: the photo's edges are drawn out to the size, and the edit is cut back (`generators/sizes.py`).
"""


def model_rows() -> list[dict[str, object]]:
    """A row for each registered model."""
    return [
        {
            "model": entry.id,
            "procedural": entry.procedural,
            "tasks": len(entry.tasks) or len(TASKS),
            "licence": entry.licence.name,
            "outputs_redistributable": entry.licence.outputs,
            "gpu_memory_gb": _value(entry.memory_gb),
            "h100_seconds_per_image": _value(entry.seconds_per_image),
            "usd_per_edit": _value(entry.price_usd),
            "needs": _needs(entry),
            "revision": entry.revision,
            "description": entry.description,
        }
        for entry in registered_models().values()
    ]


def models_page() -> str:
    """The page docs/models.md, in Markdown."""
    entries = [entry for entry in registered_models().values() if not entry.procedural]
    lines = [
        _PAGE_BEGINNING,
        "| model | pipeline or API | weights | licence | outputs may be passed on | batches |",
        "|---|---|---|---|---|---|",
        *(_overview(entry) for entry in entries),
    ]
    for entry in entries:
        lines += ["", f"## {entry.id}", "", entry.description, "", *_facts(entry)]
    return "\n".join(lines) + "\n"


def _overview(entry: ModelEntry) -> str:
    weights = (
        f"[{entry.repository}](https://huggingface.co/{entry.repository})" if entry.repository else "behind an API"
    )
    batches = (
        f"up to {entry.max_batch}, ± {entry.batch_tolerance} of 255 in float32" if entry.max_batch > 1 else "one by one"
    )
    gated = " (gated)" if entry.gated else ""
    return (
        f"| [{entry.id}](#{entry.id}) | {entry.family} | {weights}{gated} | {entry.licence.name} | "
        f"{entry.licence.outputs} | {batches} |"
    )


def _facts(entry: ModelEntry) -> Iterable[str]:
    if entry.licence.note:
        yield f"- **Licence**: {entry.licence.name}. {entry.licence.note}"
    if entry.more_repositories:
        yield f"- **Also loads**: {', '.join(entry.more_repositories)}"
    params = ", ".join(f"{name} {value}" for name, value in entry.default_params.items())
    source = f" Source: {entry.params_source}" if entry.params_source else ""
    yield f"- **Default parameters**: {params}.{source}"
    size = entry.size
    if size.fixed:
        sizes = ", ".join(f"{width} × {height}" for width, height in size.fixed)
        yield f"- **Sizes**: {sizes}, framed"
    elif size.width:
        yield (
            f"- **Size**: {size.width} pixels wide, height a multiple of {size.multiple}, "
            f"aspect at most {size.max_aspect:g}"
        )
    else:
        least = f"at least {size.min_pixels:,} and " if size.min_pixels else ""
        yield (
            f"- **Size**: {least}at most {size.max_pixels:,} pixels, sides a multiple of {size.multiple}, "
            f"aspect at most {size.max_aspect:g}{', framed' if size.framed else ''}"
        )
    for name, unit, figure in (
        ("GPU memory", "GB", entry.memory_gb),
        ("Weights", "GB", entry.weights_gb),
        ("Time per image", "s", entry.seconds_per_image),
        ("Price per edit, at most", "$", entry.price_usd),
    ):
        if figure is not None:
            yield f"- **{name}**: {figure.value:g} {unit} ({figure.basis})"


def _value(figure: Figure | None) -> float | None:
    return figure.value if figure is not None else None


def _needs(entry: ModelEntry) -> str:
    needs = [entry.key_variable] if entry.key_variable else []
    needs += ["GPU"] if entry.needs_gpu else []
    needs += ["accepted terms"] if entry.gated else []
    return ", ".join(needs)
