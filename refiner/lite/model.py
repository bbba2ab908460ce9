"""The three trained agents of the lite backend: one forward pass of one network serves all of them."""

from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from pydantic import ValidationError

from editfhf.errors import BadInput
from editfhf.flaws import FLAW_TYPES
from editfhf.schema import DIMENSIONS, REGION_KINDS, Polygon
from refiner.agents import Difference, FoundRegion, Pair, Perceived, RepairStep, Scores
from refiner.inputs import pixels_hash
from refiner.lite.backbone import image_features
from refiner.lite.calibration import HALF_WIDTH_STD, Calibration
from refiner.lite.expectation import expectations, likely_task
from refiner.lite.features import features_of_pair
from refiner.lite.kernel import KernelScores
from refiner.lite.network import Batch, LiteNetwork, Output, size_of
from refiner.lite.planes import edit_distance
from refiner.lite.planning import make_plan
from refiner.lite.reasons import composed_reason, retrieved_reason
from refiner.lite.regions import regions_of_map
from refiner.lite.targets import soft_mask
from refiner.lite.terms import KIND_OF_TYPE, within_kind
from refiner.runs import CALIBRATION_FILE, RunRecord, read_json, read_run, read_weights, require_own_parts

# Pairs, of 0.6 MB whatever the images' size: perception, reasoning and evaluation of one image share one forward pass.
REMEMBERED = 8
LARGEST_FALL = 5.0  # points of 100: no score may be expected to fall by more, however little is known of it


class LiteModel:
    """Perception, reasoning and evaluation of a trained run.

    Args:
        retrieve: take reasons from what people wrote in training, where somebody did, instead of composing them.

    Raises:
        BadInput: by each method whose agent was not trained in this run.
    """

    def __init__(
        self, record: RunRecord, network: LiteNetwork, calibration: Calibration, retrieve: bool = False
    ) -> None:
        self.record, self.network, self.calibration, self.retrieve = record, network.eval(), calibration, retrieve
        self._outputs: OrderedDict[tuple[str, str, str], tuple[Output, np.ndarray]] = OrderedDict()
        self._sources: OrderedDict[str, dict[int, np.ndarray]] = OrderedDict()

    @classmethod
    def read(cls, folder: Path, retrieve: bool = False) -> "LiteModel":
        """The model of a run folder.

        Raises:
            BadInput: no run, of another version, half written or damaged.
        """
        from refiner.lite.expectation import width

        record = read_run(folder)
        weights = read_weights(folder)
        require_own_parts(folder, record)
        remembered = len(weights.get("kernel.rows", ()))
        network = LiteNetwork(size_of(record.config, width()), KernelScores(remembered) if remembered else None)
        try:
            network.load_state_dict({name: torch.from_numpy(value) for name, value in weights.items()})
            calibration = Calibration.model_validate(read_json(folder, CALIBRATION_FILE))
        except (RuntimeError, ValidationError) as error:
            what = "weights do" if isinstance(error, RuntimeError) else "calibration does"
            raise BadInput(f"{folder}: the {what} not fit this version.", mend="Train again.") from error
        if any(not bool(torch.isfinite(value).all()) for value in network.state_dict().values()):
            raise BadInput(f"{folder}: a weight is not a finite number.", mend="Train again, or copy the run again.")
        return cls(record, network, calibration, retrieve)

    # Perception

    def perceive(self, pair: Pair) -> Perceived:
        """Both maps; a kind whose presence does not pass its threshold has an empty one."""
        self._require("perception")
        output = self._output(pair)
        height, width = pair.edited.shape[:2]
        presence = {kind: float(torch.sigmoid(output.presence[0, number])) for number, kind in enumerate(REGION_KINDS)}
        maps, undecided = {}, {}
        for number, kind in enumerate(REGION_KINDS):
            small = torch.sigmoid(output.maps[0, number]).numpy()
            undecided[kind] = np.clip(cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC), 0, 1)
            shown = presence[kind] >= self.calibration.presence[kind]
            maps[kind] = undecided[kind] if shown else np.zeros((height, width), np.float32)
        return Perceived(maps, presence, undecided)

    # Reasoning

    def find_regions(self, pair: Pair, perceived: Perceived) -> list[FoundRegion]:
        """The maps cut at each kind's threshold, and flaws without a place; the most certain first."""
        self._require("reasoning")
        output = self._output(pair)
        regions = []
        for number, kind in enumerate(REGION_KINDS):
            people = perceived.maps[kind]
            if not people.any():
                continue
            for polygon, confidence in regions_of_map(people, self.calibration.threshold[kind]):
                flaw_type = self._name(output, polygon, number)
                reason = self._reason(flaw_type, polygon, pair.instruction)
                regions.append(FoundRegion(kind, flaw_type, "region", polygon, reason, round(confidence, 4)))
        return sorted([*regions, *self._without_place(output, pair)], key=lambda region: -region.confidence)

    def name_region(self, pair: Pair, polygon: Polygon, kind: str) -> str:
        """The flaw type of a region that somebody else drew."""
        self._require("reasoning")
        return self._name(self._output(pair), polygon, REGION_KINDS.index(kind))

    def plan(self, pair: Pair, regions: Sequence[FoundRegion]) -> list[RepairStep]:
        """See `planning.make_plan`."""
        return make_plan(regions, likely_task(expectations([pair.instruction])[0]))

    # Evaluation

    def evaluate(self, pair: Pair) -> Scores:
        """The three scores, with the errors that such scores have on the validation split."""
        self._require("evaluation")
        values = self._output(pair).scores[0].numpy() * 100
        return Scores(
            {name: float(value) for name, value in zip(DIMENSIONS, values, strict=True)}, self.calibration.std
        )

    def compare(self, before: Pair, after: Pair) -> Difference:
        """The difference of the scores; its interval is wider the further apart the two images look."""
        first, second = self.evaluate(before), self.evaluate(after)
        dimensions = {name: second.values[name] - first.values[name] for name in DIMENSIONS}
        distance = edit_distance(self._planes(before), self._planes(after))
        error = {name: HALF_WIDTH_STD * one.at(distance) for name, one in self.calibration.pair_error.items()}
        half_width = error.pop("mean")
        noise = {name: min(LARGEST_FALL, value) for name, value in error.items()}
        return Difference(second.mean - first.mean, half_width, dimensions, noise)

    # One forward pass

    def _planes(self, pair: Pair) -> np.ndarray:
        return self._seen(pair)[1]

    def _output(self, pair: Pair) -> Output:
        return self._seen(pair)[0]

    def _seen(self, pair: Pair) -> tuple[Output, np.ndarray]:
        photo = pixels_hash(pair.source)
        key = (photo, pixels_hash(pair.edited), pair.instruction)
        seen = self._outputs.get(key)
        if seen is None:
            source = self._sources.get(photo)
            if source is None:
                (source,) = image_features([pair.source], self.record.config.backbone)
                _remember(self._sources, photo, source)
            features = features_of_pair(pair, self.record.config.backbone, source)
            with torch.inference_mode():
                seen = (
                    self.network(Batch.of([features], with_summaries=self.network.kernel is not None)),
                    features.planes,
                )
            _remember(self._outputs, key, seen)
        return seen

    def _name(self, output: Output, polygon: Polygon, kind: int) -> str:
        mask = torch.from_numpy(soft_mask(polygon))[None]
        with torch.inference_mode():
            logits = self.network.name_regions(output, mask, torch.zeros(1, dtype=torch.long))
        return FLAW_TYPES[int(within_kind(logits, torch.tensor([kind])).argmax())].id

    def _without_place(self, output: Output, pair: Pair) -> list[FoundRegion]:
        """Flaws that are everywhere or of something that is missing: no polygon."""
        likely = torch.sigmoid(output.whole[0]).numpy()
        found = []
        for number, flaw in enumerate(FLAW_TYPES):
            if likely[number] >= self.calibration.whole:
                assert int(KIND_OF_TYPE[number]) == REGION_KINDS.index(flaw.kind)
                reason = self._reason(flaw.id, [], pair.instruction)
                confidence = round(float(likely[number]), 4)
                extent = "missing" if flaw.id in self.calibration.missing else "whole"
                found.append(FoundRegion(flaw.kind, flaw.id, extent, [], reason, confidence))
        return found

    def _reason(self, flaw_type: str, polygon: Polygon, instruction: str) -> str:
        if self.retrieve:
            written = retrieved_reason(flaw_type, instruction, self.calibration.reasons)
            if written is not None:
                return written
        return composed_reason(flaw_type, polygon, instruction)

    def _require(self, agent: str) -> None:
        if agent not in self.record.config.agents:
            raise BadInput(f"This run was trained without its {agent} agent.", mend="Train it with `--agent all`.")


def _remember(store: OrderedDict[Any, Any], key: Any, value: Any) -> None:
    store[key] = value
    while len(store) > REMEMBERED:
        store.popitem(last=False)
