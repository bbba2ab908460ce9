"""A workspace: the folder in which one campaign lives. All its paths, tables and images are reached through here."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from functools import cached_property
from pathlib import Path
from typing import Any

import filelock
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from editfhf.config import CONFIG_NAME, Config
from editfhf.errors import BadInput, first_line
from editfhf.files import whole_file
from editfhf.ledger import Ledger
from editfhf.schema import TABLES, Edit, Source, as_of_today, to_table
from editfhf.storage import ImageStore

ANALYSIS_TABLES = {"mos", "consensus"}


class Workspace:
    """A folder with `editfhf.yaml` in it.

    ```
    editfhf.yaml        settings                       ledger.sqlite    the edits: planned, made, refused, failed
    sources/            the photos, as imported        images/          edited images, named by the hash of their bytes
    instructions.csv    what to do to which photo      tables/          sources, ratings, regions, answers, set aside
    annotation/         server, campaign, secrets      analysis/        scores, consensus, maps, report
    oracle/             what the procedural editors really broke (simulation and benchmarks only)
    ```
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    @classmethod
    def open(cls, root: Path | str) -> "Workspace":
        """An existing workspace.

        Raises:
            BadInput: the folder is not there or has no `editfhf.yaml`.
        """
        root = Path(root).expanduser().resolve()
        if not (root / CONFIG_NAME).is_file():
            if root.is_file():
                raise BadInput(f"{root} is a file.", mend="Name the folder of the workspace with -w.")
            problem = "is not a workspace (it has no editfhf.yaml)" if root.is_dir() else "does not exist"
            raise BadInput(
                f"{root} {problem}.",
                mend="Name the workspace with -w, or make one with `editfhf init WS --sources PHOTOS`.",
            )
        return cls(root)

    @cached_property
    def config(self) -> Config:
        return Config.read(self.root / CONFIG_NAME)

    @property
    def sources_dir(self) -> Path:
        return self.root / "sources"

    @property
    def images_dir(self) -> Path:
        return self.root / "images"

    @property
    def instructions_path(self) -> Path:
        return self.root / "instructions.csv"

    @property
    def oracle_dir(self) -> Path:
        return self.root / "oracle"

    @property
    def annotation_dir(self) -> Path:
        return self.root / "annotation"

    @property
    def analysis_dir(self) -> Path:
        return self.root / "analysis"

    @cached_property
    def ledger(self) -> Ledger:
        return Ledger(self.root / "ledger.sqlite")

    # Tables

    def table_path(self, name: str) -> Path:
        return self.root / ("analysis" if name in ANALYSIS_TABLES else "tables") / f"{name}.parquet"

    def has_table(self, name: str) -> bool:
        return self.table_path(name).is_file()

    def read_table(self, name: str) -> pa.Table:
        """The table `name` of `editfhf.schema.TABLES`; empty when nothing was stored yet.

        Raises:
            BadInput: the file is damaged or lacks a column that every version wrote.
        """
        path = self.table_path(name)
        if not path.is_file():
            return TABLES[name].empty_table()
        try:
            return as_of_today(name, pq.read_table(path))
        except (pa.ArrowException, KeyError, OSError) as error:
            raise BadInput(
                f"{path} cannot be read: {first_line(error)}.",
                mend="Remove it and run the command that made it again.",
            ) from error

    def write_table(self, name: str, records: list[Any] | pa.Table) -> None:
        """Replace the table `name`, whole or not at all."""
        table = records if isinstance(records, pa.Table) else to_table(name, records)
        path = self.table_path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as temporary:
            pq.write_table(table, temporary)

    def write_batches(self, name: str, batches: Iterable[pa.Table]) -> int:
        """Replace the table `name` by these rows, of which one batch is in memory at a time; returns how many.

        Each batch is a row group of the file.
        """
        path = self.table_path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as temporary, pq.ParquetWriter(temporary, TABLES[name]) as writer:
            rows = 0
            for batch in batches:
                writer.write_table(batch)
                rows += batch.num_rows
        return rows

    def sources(self) -> list[Source]:
        """All photos, derived ones too, in the order of the table."""
        rows = self.read_table("sources").to_pylist()
        for row in rows:
            row["subject_box"] = tuple(row["subject_box"]) if row["subject_box"] else None
        return [Source(**{field.name: row[field.name] for field in fields(Source)}) for row in rows]

    # Images

    def read_image(self, file: str) -> np.ndarray:
        """An image of this workspace as uint8, shape (height, width, 3), RGB; `file` as in `Source` and `Edit`."""
        with Image.open(self.path_of(file)) as image:
            return np.asarray(image.convert("RGB"))

    def path_of(self, file: str) -> Path:
        """The path of a file named in a table; an image that lies elsewhere is fetched first.

        Raises:
            BadInput: it would lie outside the workspace (a table from elsewhere may say anything).
        """
        path = (self.root / file).resolve()
        if not path.is_relative_to(self.root.resolve()):
            raise BadInput(f"{file!r} lies outside the workspace {self.root}.")
        images = self.images_dir.resolve()
        if self.images.url and path.is_relative_to(images):
            return self.images.path_of(path.relative_to(images).as_posix())
        return path

    @cached_property
    def images(self) -> ImageStore:
        """The edited images: in `images/`, or where `storage.images` of the settings says (then that is a cache)."""
        storage = self.config.storage
        return ImageStore(self.images_dir, storage.images, storage.options)

    def store_image(self, data: bytes, extension: str = "png") -> str:
        """Store encoded bytes under the hash of them, whole or not at all; returns the path within the workspace."""
        return f"images/{self.images.put(data, extension)}"

    def edits(self) -> list[Edit]:
        """Every edit that has an image, in the order in which they were planned."""
        return self.ledger.edits("done")

    # One at a time

    @contextmanager
    def lock(self, work: str) -> Iterator[None]:
        """Hold `work` (such as `generate`) for this process; the lock falls with the process, however it dies.

        Raises:
            BadInput: another process holds it.
        """
        self.annotation_dir.parent.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(self.root / f".{work}.lock")
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            raise BadInput(f"Another `editfhf {work}` is running on {self.root}.", mend="Wait for it to end.") from None
        try:
            yield
        finally:
            lock.release()
