"""What a person looks at in a run folder: the curves and the model card."""

from collections.abc import Sequence
from pathlib import Path

from editfhf.files import whole_file
from editfhf.schema import DIMENSIONS
from refiner.runs import RunRecord

CARD = """\
---
library_name: editfhf
license: apache-2.0
tags: [image-editing, human-feedback, refiner, editfhf]
---
# A refiner of edited images (backend `{backend}`)

{warning}It finds artifacts and editing failures on an edited image, says what they are, repairs them, and
scores the edit in {dimensions}.

```python
from refiner import Refiner

refiner = Refiner.from_run(".")
trace = refiner.refine(source, edited, "turn the umbrella yellow")
```

Trained by `editfhf train` {version} on {n_train} edits of `{dataset}` (fingerprint `{fingerprint}`), validated on
{n_validation}; epoch {epoch} was the best. Models of the edits: {models}. Tasks: {tasks}.

| on the validation split | |
|---|---|
{metrics}

The thresholds were chosen on the validation split too; `editfhf benchmark` measures on the split `test`.
Parts that were not trained here: EfficientNet-lite0 and all-MiniLM-L6-v2 (both Apache-2.0).
"""


def write_pages(out: Path, record: RunRecord, history: Sequence[dict[str, float]]) -> None:
    """Write `README.md` and `curves.png`."""
    marks = []
    if record.simulated:
        marks.append("simulated annotators")
    if record.procedural:
        marks.append("procedural editors")
    warning = f"**Trained on {' and '.join(marks)}: a rehearsal, not human feedback.** " if marks else ""
    warning += f"**{record.too_few}** " if record.too_few else ""
    card = CARD.format(
        backend=record.config.backend,
        warning=warning,
        dimensions=", ".join(name.replace("_", " ") for name in DIMENSIONS),
        version=record.version,
        n_train=record.n_train,
        n_validation=record.n_validation,
        dataset=record.dataset,
        fingerprint=record.dataset_fingerprint,
        epoch=record.best_epoch + 1,
        models=", ".join(record.models),
        tasks=", ".join(record.tasks),
        metrics="\n".join(
            f"| {name.removeprefix('validation ')} | {value:.3f} |" for name, value in record.metrics.items()
        ),
    )
    with whole_file(out / "README.md") as temporary:
        temporary.write_text(card, encoding="utf-8")
    _plot(out, history)


def _plot(out: Path, history: Sequence[dict[str, float]]) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    epochs = [row["epoch"] + 1 for row in history]
    for name in history[0]:
        if name.startswith("loss "):
            first = history[0][name] or 1.0
            left.plot(epochs, [row[name] / first for row in history], marker=".", label=name.removeprefix("loss "))
        elif name.startswith("validation "):
            right.plot(epochs, [row[name] for row in history], marker=".", label=name.removeprefix("validation "))
    right.plot(epochs, [row["selection"] for row in history], "k--", label="selection")
    left.set(title="Losses, as shares of the first epoch's", xlabel="epoch", ylim=(0, None))
    right.set(title="Metrics on the validation split", xlabel="epoch")
    for axes in (left, right):
        axes.legend(fontsize=7, ncols=2)
        axes.grid(alpha=0.3)
    with whole_file(out / "curves.png") as temporary:
        figure.savefig(temporary, format="png", dpi=110)
