"""The lite network as something that `refiner.train` trains."""

import copy
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from editfhf.schema import DIMENSIONS, REGION_KINDS
from refiner.data import Sample, decode
from refiner.inputs import same_frame
from refiner.lite.calibration import calibrate
from refiner.lite.features import FeatureCache, PairFeatures, features_of_samples
from refiner.lite.metrics import measure
from refiner.lite.network import Batch, LiteNetwork, NetworkSize
from refiner.lite.planes import compare, statistics
from refiner.lite.targets import FOLLOWS, Target, collate, flip
from refiner.lite.terms import WEIGHTS, terms
from refiner.runs import TrainConfig
from refiner.train import Report, Tensors, progress_of

WARM_UP = 0.15  # share of all steps in which the learning rate rises
LAST_RATE = 0.02  # of the learning rate, at the end of its cosine
CLIP = 1.0  # norm of the gradient
AVERAGED = 0.98  # of the running mean of the weights stays at each step: about the last fifty steps count
UNEDITED = 0.05  # quantile of the training scores that an unedited photo gets for instruction following
PARTLY_BROUGHT_BACK = 3  # every so many training edits also serve with a part brought back
MIRRORED = 0.5  # share of batches that are shown mirrored
NAMES_A_SIDE = re.compile(r"\b(left|right)\b", re.IGNORECASE)


class LiteTrainee:
    """Network, optimiser and features of one run.

    Args:
        cache: where the backbone's features are kept; default: the user's cache folder.
        report: see `refiner.train.train`.
    """

    def __init__(
        self,
        config: TrainConfig,
        train: Sequence[Sample],
        validation: Sequence[Sample],
        cache: Path | None,
        report: Report,
    ) -> None:
        self.config = config
        self.validation = validation
        features = FeatureCache(cache, config.backbone)
        total = len(train) + len(validation)

        def track(samples: Sequence[Sample]) -> Iterator[Sample]:
            return progress_of(samples, "Features", total, report)

        self._train = features_of_samples(train, features, track)
        self._validation = features_of_samples(validation, features, track)
        self._targets = [Target.of(one) for one in train]
        self._add_brought_back(train, features)
        self._validation_targets = [Target.of(one) for one in validation]
        self._sided = np.array([bool(NAMES_A_SIDE.search(text)) for text in self._texts])
        self._samples = train
        torch.manual_seed(config.seed)
        self.network = LiteNetwork(size_of(config, len(self._train[0].expectation.vector)))
        # Weights averaged over the last steps generalise better than the last ones (Polyak and Juditsky, 1992).
        self.averaged = copy.deepcopy(self.network).requires_grad_(False)
        self._optimiser = torch.optim.AdamW(
            self.network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
        )
        self._steps = 0
        self._weights = {name: weight for agent in config.agents for name, weight in WEIGHTS[agent].items()}

    def _add_brought_back(self, train: Sequence[Sample], features: FeatureCache) -> None:
        """Images that a repair may lead to: the photo itself as the edit, and edits of which a part is the photo again.

        They are rare among those that models make; without them the evaluation takes a photo without a flaw for a good
        edit. Only their instruction following is taught: a photo cannot have followed, and an edit of which a part was
        brought back has lost so much of it as of its change lies in that part.
        """
        follows = float(np.quantile([one.scores[DIMENSIONS.index(FOLLOWS)] for one in self._targets], UNEDITED))
        self._texts = [one.instruction for one in train]
        for group, number in {one.group: number for number, one in enumerate(train)}.items():
            edited = self._train[number]
            photo = decode(train[number].source)
            planes = compare(photo, photo, edited.expectation)
            self._train.append(
                PairFeatures(edited.source, edited.source, planes, statistics(planes), edited.expectation)
            )
            self._targets.append(Target.following(group, follows))
            self._texts.append(train[number].instruction)
        random = np.random.default_rng([self.config.seed, 1])
        for number in range(0, len(train), PARTLY_BROUGHT_BACK):
            pair = train[number].pair()
            if not same_frame(pair.source, pair.edited):
                continue
            height, width = pair.edited.shape[:2]
            mask = _soft_box(height, width, random)
            photo = cv2.resize(pair.source, (width, height), interpolation=cv2.INTER_AREA)
            mixed = np.rint(pair.edited * (1 - mask[..., None]) + photo * mask[..., None]).astype(np.uint8)
            change = np.abs(pair.edited.astype(np.float32) - photo).sum(axis=2)
            lost = float((change * mask).sum() / max(float(change.sum()), 1.0))
            whole = float(self._targets[number].scores[DIMENSIONS.index(FOLLOWS)])
            edited = self._train[number]
            planes = compare(pair.source, mixed, edited.expectation)
            brought_back = features.of_pixels(mixed)
            self._train.append(
                PairFeatures(edited.source, brought_back, planes, statistics(planes), edited.expectation)
            )
            self._targets.append(Target.following(train[number].group, whole - lost * max(0.0, whole - follows)))
            self._texts.append(train[number].instruction)

    def batches(self, epoch: int) -> Iterator[tuple[np.ndarray, bool]]:
        """Indices of the samples of each batch, and whether it is shown mirrored.

        Instructions that name a side are kept apart from those that may be mirrored, and edits of one photo by one
        instruction stand together: their differences are learned too.
        """
        random = np.random.default_rng([self.config.seed, epoch])
        torch.manual_seed(int(random.integers(2**31)))  # of the dropout: a run that goes on draws the same
        batches = []
        for sided in (False, True):
            (numbers,) = np.nonzero(self._sided == sided)
            if len(numbers):
                n_batches = max(1, len(numbers) // self.config.batch_size)
                for part in np.array_split(self._in_groups(numbers, random), n_batches):
                    batches.append((part, not sided and bool(random.random() < MIRRORED)))
        # A batch of one has no spread to normalise by.
        batches = [batch for batch in batches if len(batch[0]) > 1]
        yield from (batches[number] for number in random.permutation(len(batches)))

    def _in_groups(self, numbers: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """The numbers in a random order of their groups."""
        groups: dict[str, list[int]] = {}
        for number in numbers:
            groups.setdefault(self._targets[number].group, []).append(int(number))
        names = list(groups)
        return np.array([number for place in random.permutation(len(names)) for number in groups[names[place]]])

    def learn(self, batch: tuple[np.ndarray, bool], progress: float) -> dict[str, float]:
        self.network.train()
        numbers, mirrored = batch
        features = Batch.of([self._train[number] for number in numbers])
        targets = collate([self._targets[number] for number in numbers])
        if mirrored:
            features, targets = flip(features, targets)
        losses = terms(self.network, self.network(features), targets)
        used = {name: losses[name] for name in self._weights if name in losses}
        total = torch.stack([self._weights[name] * value for name, value in used.items()]).sum()
        for group in self._optimiser.param_groups:
            group["lr"] = self.config.learning_rate * _rate(progress)
        self._optimiser.zero_grad()
        total.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), CLIP)
        self._optimiser.step()
        self._average()
        return {name: float(value.detach()) for name, value in used.items()}

    def _average(self) -> None:
        """Take the step's weights into the running mean, which forgets faster while there are few of them."""
        self._steps += 1
        share = min(AVERAGED, (1 + self._steps) / (10 + self._steps))
        with torch.no_grad():
            for mean, now in zip(self.averaged.parameters(), self.network.parameters(), strict=True):
                mean.lerp_(now, 1 - share)
            for kept, seen in zip(self.averaged.buffers(), self.network.buffers(), strict=True):
                kept.copy_(seen)

    def validate(self) -> dict[str, float]:
        """Metrics of `analysis/` on the validation split; `selection`: the mean of those of the trained agents."""
        measured = measure(self.averaged, self._validation_targets, self._validation)
        parts = []
        if "perception" in self.config.agents:
            parts += [measured[f"cc {kind}"] for kind in REGION_KINDS]
        if "reasoning" in self.config.agents:
            parts.append(measured["flaw type accuracy"])
        if "evaluation" in self.config.agents:
            parts.append(float(np.mean([measured[f"srcc {name}"] for name in DIMENSIONS])))
        return {**measured, "selection": float(np.mean(parts))}

    def weights(self) -> Tensors:
        return {name: value.numpy().copy() for name, value in self.averaged.state_dict().items()}

    def load(self, weights: Tensors) -> None:
        self.averaged.load_state_dict({name: torch.from_numpy(value) for name, value in weights.items()})

    def state(self) -> Tensors:
        state = {f"averaged/{name}": value for name, value in self.weights().items()}
        state |= {f"network/{name}": value.numpy().copy() for name, value in self.network.state_dict().items()}
        state["steps/n"] = np.array([self._steps])
        for number, moments in self._optimiser.state_dict()["state"].items():
            state |= {f"optimiser/{number}/{name}": value.numpy().copy() for name, value in moments.items()}
        return state

    def restore(self, state: Tensors) -> None:
        parts: dict[str, dict[str, torch.Tensor]] = {"network": {}, "averaged": {}, "optimiser": {}, "steps": {}}
        for name, value in state.items():
            part, _, rest = name.partition("/")
            parts[part][rest] = torch.from_numpy(value)
        self.network.load_state_dict(parts["network"])
        self.averaged.load_state_dict(parts["averaged"])
        self._steps = int(parts["steps"]["n"])
        moments: dict[int, dict[str, torch.Tensor]] = {}
        for name, moment in parts["optimiser"].items():
            number, _, rest = name.partition("/")
            moments.setdefault(int(number), {})[rest] = moment
        self._optimiser.load_state_dict({**self._optimiser.state_dict(), "state": moments})

    def calibrate(self) -> dict[str, Any]:
        return calibrate(self.averaged, self.validation, self._validation, self._samples)


def _soft_box(height: int, width: int, random: np.random.Generator) -> np.ndarray:
    """A random box of a fifth to four fifths of each side, with a soft rim: float32, shape (height, width), 0..1."""
    shares = random.uniform(0.2, 0.8, 2)
    left, top = (random.uniform(0, 1 - share) for share in shares)
    mask = np.zeros((height, width), np.float32)
    mask[int(top * height) : int((top + shares[1]) * height), int(left * width) : int((left + shares[0]) * width)] = 1
    return np.asarray(cv2.GaussianBlur(mask, (0, 0), 0.01 * float(np.hypot(height, width))))


def size_of(config: TrainConfig, text: int) -> NetworkSize:
    """The size of the network that a configuration asks for."""
    return NetworkSize(config.channels, text, config.use_instruction, config.use_source)


def _rate(progress: float) -> float:
    """A linear rise, then half a cosine: factor on the learning rate (Loshchilov and Hutter, ICLR 2017)."""
    if progress < WARM_UP:
        return 0.05 + 0.95 * progress / WARM_UP
    done = (progress - WARM_UP) / (1 - WARM_UP)
    return LAST_RATE + (1 - LAST_RATE) * 0.5 * (1 + float(np.cos(np.pi * done)))
