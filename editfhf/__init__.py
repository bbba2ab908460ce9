"""EditFHF: fine-grained human feedback on edited images, from collection to a trained refiner."""

__version__ = "0.1.0"


def load(path_or_repo: str, config: str = "default"):  # type: ignore[no-untyped-def]
    """Load a built dataset. See `editfhf.dataset.load`; imported on first use, since `datasets` takes seconds."""
    from editfhf.dataset import load as load_dataset

    return load_dataset(path_or_repo, config)
