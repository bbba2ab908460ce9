"""The settings of a workspace, `editfhf.yaml`: read, validated, and a wrong line named."""

import difflib
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from editfhf.errors import BadInput
from editfhf.flaws import FLAWS

CONFIG_NAME = "editfhf.yaml"


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class SourcesConfig(_Section):
    """How photos are imported."""

    licence: str = "unknown"
    min_side: Annotated[int, Field(ge=8)] = 64
    max_megapixels: Annotated[float, Field(gt=0, le=1000)] = 100.0


class InstructConfig(_Section):
    """Who writes instructions where no person and no template does: a vision-language model."""

    vlm_model: Annotated[str, Field(min_length=1)] = "Qwen/Qwen3-VL-8B-Instruct"
    vlm_base_url: str = ""
    vlm_params: dict[str, Any] = {}
    instructions_per_photo: Annotated[int, Field(ge=1, le=43)] = 43


class GenerateConfig(_Section):
    """What is edited by which models."""

    models: list[str] = Field(
        default=["procedural/careful", "procedural/hurried", "procedural/careless", "procedural/broken"], min_length=1
    )
    tasks: list[str] = []
    seed: int = 0
    pairs: Annotated[int, Field(ge=1)] = 1250
    common_pairs: bool = True
    repeats: Annotated[float, Field(ge=0, le=1)] = 0.02
    params: dict[str, dict[str, Any]] = {}
    revisions: dict[str, str] = {}
    options: dict[str, dict[str, Any]] = {}
    batch_size: Annotated[int, Field(ge=1, le=256)] = 1
    budget_usd: Annotated[float, Field(gt=0)] | None = None


class StorageConfig(_Section):
    """Where edited images lie."""

    images: str = ""
    options: dict[str, Any] = {}


class AnnotationConfig(_Section):
    """The campaign: who looks at what, how often."""

    title: Annotated[str, Field(min_length=3, max_length=50)] = "EditFHF"
    screens: list[Literal["ratings", "regions", "together", "verify", "preference"]] = Field(
        default=["ratings", "regions"], min_length=1
    )
    raters_per_edit: Annotated[int, Field(ge=1, le=100)] = 15
    drawers_per_edit: Annotated[int, Field(ge=1, le=100)] = 4
    verifiers_per_region: Annotated[int, Field(ge=1, le=100)] = 3
    judges_per_pair: Annotated[int, Field(ge=1, le=100)] = 5
    preference_pairs: Annotated[int, Field(ge=0)] = 500
    # Together they leave room for edits.
    checks: Annotated[float, Field(ge=0, le=0.4)] = 0.05
    repeats: Annotated[float, Field(ge=0, le=0.4)] = 0.05
    qualification: Annotated[int, Field(ge=0, le=100)] = 0
    qualification_share: Annotated[float, Field(gt=0, le=1)] = 0.75
    consent: bool = True
    consent_text: str = ""
    vision_check: bool = True
    colour_vision: Literal["watch", "required"] = "watch"
    simulated_admission: bool = False
    seed: int = 0
    session_minutes: Annotated[float, Field(gt=0, le=30)] = 30
    wage_per_hour: Annotated[float, Field(ge=0)] = 15
    assisted: Annotated[float, Field(ge=0, le=1)] = 0.9
    renamed_flaw_types: dict[str, str] = {}
    simulated_annotators: Annotated[int, Field(ge=1, le=1000)] = 16

    def people_per_edit(self, screen: str) -> int:
        """How many people look at each edit, region or pair on this kind of screen."""
        own = {
            "ratings": self.raters_per_edit, "verify": self.verifiers_per_region, "preference": self.judges_per_pair,
        }  # fmt: skip
        return own.get(screen, self.drawers_per_edit)


class SplitsConfig(_Section):
    """Shares of the photos in each split; they add up to 1."""

    train: Annotated[float, Field(gt=0, lt=1)] = 0.7
    validation: Annotated[float, Field(ge=0, lt=1)] = 0.1
    test: Annotated[float, Field(gt=0, lt=1)] = 0.2


class BuildConfig(_Section):
    """The dataset that `editfhf build` writes."""

    name: Annotated[str, Field(min_length=1)] = "my-edit-feedback"
    licence: str = "other"
    splits: SplitsConfig = SplitsConfig()


class Config(_Section):
    """All settings; each has a default, so an empty file is valid."""

    sources: SourcesConfig = SourcesConfig()
    instruct: InstructConfig = InstructConfig()
    generate: GenerateConfig = GenerateConfig()
    storage: StorageConfig = StorageConfig()
    annotation: AnnotationConfig = AnnotationConfig()
    build: BuildConfig = BuildConfig()

    @classmethod
    def read(cls, path: Path) -> "Config":
        """Read and validate a file.

        Raises:
            BadInput: not YAML, an unknown key, a wrong value; the message names the line.
        """
        try:
            text = path.read_text(encoding="utf-8")
            tree = yaml.compose(text, Loader=yaml.SafeLoader)
            values = yaml.safe_load(text) or {}
        except yaml.MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else 1
            raise BadInput(
                f"{path}: line {line}: not valid YAML: {error.problem}.", mend="Check the indentation and the quotes."
            ) from error
        except (UnicodeDecodeError, yaml.YAMLError) as error:
            raise BadInput(f"{path} is not a text file in UTF-8: {error}.", mend="Save it as UTF-8.") from error
        if not isinstance(values, dict):
            raise BadInput(
                f"{path}: line 1: settings are expected as `key: value`.",
                mend="`editfhf init` writes a file with all of them.",
            )
        try:
            config = cls.model_validate(values)
        except ValidationError as error:
            problem = error.errors()[0]
            raise _line_error(path, tree, problem) from error
        _check_renamed(path, tree, config.annotation.renamed_flaw_types)
        shares = config.build.splits
        total = shares.train + shares.validation + shares.test
        if abs(total - 1) > 1e-6:
            line = _line_of(tree, ("build", "splits"))
            raise BadInput(
                f"{path}: line {line}: build.splits add up to {total:g}.", mend="Make the shares add up to 1."
            )
        return config


def line_of_setting(path: Path, *keys: str | int) -> int:
    """The line (from 1) on which a setting stands in the file, for values that only their user can judge."""
    return _line_of(yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader), keys)


def _check_renamed(path: Path, tree: yaml.Node | None, renamed: dict[str, str]) -> None:
    """Raises BadInput for a name of today that is none, and for an earlier one that is of today."""
    for old, new in renamed.items():
        where = f"{path}: line {_line_of(tree, ('annotation', 'renamed_flaw_types', old))}: "
        if new not in FLAWS:
            close = difflib.get_close_matches(new, FLAWS, 1)
            hint = f"Did you mean `{close[0]}`?" if close else "`editfhf flaws` lists all."
            raise BadInput(f"{where}annotation.renamed_flaw_types: there is no flaw type {new!r}.", mend=hint)
        if old in FLAWS:  # what people choose on the screen of today would be changed as well
            raise BadInput(
                f"{where}annotation.renamed_flaw_types: {old!r} is a flaw type of today.", mend="Take out that line."
            )


def _line_error(path: Path, tree: yaml.Node | None, problem: Any) -> BadInput:
    keys = tuple(problem["loc"])
    where = f"{path}: line {_line_of(tree, keys)}: `{'.'.join(map(str, keys))}`"
    if problem["type"] == "extra_forbidden":
        known = list(_section_at(keys[:-1]).model_fields)
        close = difflib.get_close_matches(str(keys[-1]), known, 1)
        hint = f"Did you mean `{close[0]}`?" if close else f"Known here: {', '.join(known)}."
        return BadInput(f"{where} is not a setting.", mend=hint)
    message = problem["msg"][0].lower() + problem["msg"][1:]
    return BadInput(f"{where} is {problem['input']!r}, but {message}.", mend="Change the value on that line.")


def _section_at(keys: tuple[Any, ...]) -> type[BaseModel]:
    section: Any = Config
    for key in keys:
        section = section.model_fields[key].annotation
    return section


def _line_of(node: yaml.Node | None, keys: tuple[Any, ...]) -> int:
    """The line (from 1) on which the setting stands, or the nearest that exists."""
    line = 1
    for key in keys:
        if isinstance(node, yaml.MappingNode):
            for key_node, value_node in node.value:
                if key_node.value == str(key):
                    line, node = key_node.start_mark.line + 1, value_node
                    break
        elif isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
            node = node.value[key]
            line = node.start_mark.line + 1
    return line


TEMPLATE = """\
# Settings of this workspace. Every line may be left out: what stands here is the default.

sources:
  licence: {licence}          # of photos that no photos.csv says more about; publish only what you may
  min_side: 64              # pixels; smaller photos are set aside
  max_megapixels: 100       # larger photos are set aside (a decompression bomb says it is huge)

instruct:                   # for `editfhf instruct --with vlm`
  vlm_model: Qwen/Qwen3-VL-8B-Instruct    # a repository of the Hub, a folder, or what the server calls it
  vlm_base_url: ""          # empty: runs here (transformers); or such as http://localhost:8000/v1 (key: OPENAI_API_KEY)
  vlm_params: {{}}            # more fields of each request to a server, such as `temperature: 0`
  instructions_per_photo: 43    # at most; one for each task

generate:
  models:                   # `editfhf models` lists them
    - procedural/careful
    - procedural/hurried
    - procedural/careless
    - procedural/broken
  tasks: []                 # of the 43 that `editfhf tasks` lists; empty: all that make sense on the photos
  seed: 0                   # the same seed gives the same plan and the same images
  pairs: 1250               # photos × tasks at most, even over tasks and photos; each is edited by every model
  common_pairs: true        # only pairs that all models can do (task, aspect), so that they are compared on the same;
                            # false: each model does those of the pairs that it can
  repeats: 0.02             # share of each model's pairs made again with another seed (the variance within a model)
  params: {{}}                # by model: settings other than its own, such as `flux2-klein: {{steps: 8}}`
  revisions: {{}}             # by model: a commit of its weights; default: the newest when planned, then kept
  options: {{}}               # by model: what changes no pixel: device, offload, weights (a folder), base_url
  batch_size: 1             # photos of one size in one call, where a model can; 1 gives the same bytes in any order
  budget_usd: null          # dollars that paid models may cost in all; they do not run without it

storage:
  images: ""                # empty: images/ in this folder; or such as s3://bucket/campaign
  options: {{}}               # for its file system, such as endpoint_url; keys come from the environment

annotation:
  title: {title}
  screens: [ratings, regions]   # a project of its own for each; or [together]: both on one screen; later also
                            # verify (regions that one person saw) and preference (which of two edits is better)
  raters_per_edit: 15       # people who rate each edit
  drawers_per_edit: 4       # people who draw its flaws (those of `together` do both)
  verifiers_per_region: 3   # people who say whether a region that only one person drew is a flaw
  judges_per_pair: 5        # people who choose between two edits
  preference_pairs: 500     # pairs of two models' edits of one photo and instruction at most, even over models; 0: none
  checks: 0.05              # share of the items whose answer is known (noise is not excellent)
  repeats: 0.05             # share of the ratings that the same person is asked for again
  qualification: 0          # such items before the first edit; the edits are held back until they are passed
  qualification_share: 0.75 # of them that have to be right
  consent: true             # people agree before they get any edit, and it is recorded
  consent_text: ""          # what they agree to: text, or the name of a .txt file in this folder; empty: a short one
  vision_check: true        # rings and dots to read before the first edit (acuity, colours)
  colour_vision: watch      # who misreads the dots: watch (works, and is named) or required (gets no edits)
  simulated_admission: false    # whether a rehearsal goes through consent and vision check, too (a program has no eyes)
  seed: 0                   # of who looks at what
  session_minutes: 30       # at a time; ITU-R BT.500 allows half an hour
  wage_per_hour: 15         # for `editfhf annotate plan`, in any currency
  assisted: 0.9             # share of the edits on which predictions are drawn beforehand, if any; others: a control
  renamed_flaw_types: {{}}    # of screens before a change of the flaw types, such as {{grain: texture_noise}}
  simulated_annotators: 16  # for the rehearsal only (`editfhf annotate simulate`)

build:
  name: {name}
  licence: other            # of the dataset as a whole (SPDX, as the Hub spells it)
  splits:                   # shares of the photos; a photo is in one split only
    train: 0.7
    validation: 0.1
    test: 0.2
"""
