"""The lite network as something that `refiner.train` trains."""

import copy
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch

from editfhf.schema import DIMENSIONS, REGION_KINDS
from refiner.data import Lazy, Sample, content_hash, decode
from refiner.lite import brought_back
from refiner.lite.backbone import TEXT_WIDTH
from refiner.lite.calibration import calibrate
from refiner.lite.composites import Composite, compose, partners, worth
from refiner.lite.expectation import Expectation, expectations
from refiner.lite.features import FeatureCache, Look, Picture
from refiner.lite.kernel import KernelScores
from refiner.lite.metrics import measure
from refiner.lite.network import Batch, LiteNetwork, size_of
from refiner.lite.targets import FOLLOWS, Target, collate, flip
from refiner.lite.terms import WEIGHTS, terms
from refiner.runs import TrainConfig
from refiner.threads import in_parallel
from refiner.train import Report, Tensors

WARM_UP = 0.15  # share of all steps in which the learning rate rises
LAST_RATE = 0.02  # of the learning rate, at the end of its cosine
CLIP = 1.0  # norm of the gradient
AVERAGED = 0.98  # of the running mean of the weights stays at each step: about the last fifty steps count
UNEDITED = 0.05  # quantile of the training scores that an unedited photo gets for instruction following
PARTLY_BROUGHT_BACK = 3  # every so many training edits also serve with a part brought back
MIRRORED = 0.5  # share of batches that are shown mirrored
MADE_SHOWN = 0.5  # share of the images that nobody rated, made here, that an epoch shows: each epoch others
NAMES_A_SIDE = re.compile(r"\b(left|right)\b", re.IGNORECASE)
Result = TypeVar("Result")


class LiteTrainee:
    """Network, optimiser and what is learned from, of one run.

    Samples are read and features fetched a batch at a time: what is in memory hardly grows with their number.

    Args:
        cache: where features are kept; default: the user's cache folder.
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
        self._samples = train
        self._cache = FeatureCache(cache, config.backbone)
        texts, judged = [one.instruction for one in train], [one.instruction for one in validation]
        distinct = sorted({*texts, *judged})
        told = dict(zip(distinct, expectations(distinct), strict=True))
        one_of_each = list({one.group: number for number, one in enumerate(train)}.values())
        partly = range(0, len(train), PARTLY_BROUGHT_BACK)
        pairs, judged_pairs = (self._draw_pairs(one) for one in (train, validation))
        self._total = len(train) + len(validation) + len(one_of_each) + len(partly) + len(pairs) + len(judged_pairs)
        self._done, self._report = 0, report
        looks, self._targets = self._look(train, [told[text] for text in texts])
        validated, self._validation_targets = self._look(validation, [told[text] for text in judged])
        cost = worth(self._targets)
        composed = self._composites(train, looks, self._targets, pairs, cost)
        self._judged_composites = self._composites(validation, validated, self._validation_targets, judged_pairs, cost)
        self._add_brought_back(looks, texts, one_of_each, partly)
        looks += [one.look for one in composed]
        texts += [texts[one.below] for one in composed]
        self._targets += [one.target for one in composed]
        self._train = Lazy(len(looks), lambda number: self._cache.features(looks[number]))
        self._validation = Lazy(len(validated), lambda number: self._cache.features(validated[number]))
        self._sided = np.array([bool(NAMES_A_SIDE.search(text)) for text in texts])
        torch.manual_seed(config.seed)
        self.network = LiteNetwork(size_of(config, len(looks[0].expectation.vector)))
        # Weights averaged over the last steps generalise better than the last ones (Polyak and Juditsky, 1992).
        self.averaged = copy.deepcopy(self.network).requires_grad_(False)
        # An ablation is about what the network makes of less.
        if "evaluation" in config.agents and config.use_instruction and config.use_source:
            self.averaged.kernel = self._fit_kernel()
        self._optimiser = torch.optim.AdamW(
            self.network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
        )
        self._steps = 0
        self._weights = {name: weight for agent in config.agents for name, weight in WEIGHTS[agent].items()}

    def _look(self, samples: Sequence[Sample], told: Sequence[Expectation]) -> tuple[list[Look], list[Target]]:
        """What is to be seen and said of each sample; its features are in the cache then."""

        def work(number: int) -> tuple[Look, Target]:
            sample = samples[number]
            source = Picture(content_hash(sample.source), lambda: decode(samples[number].source))
            edited = Picture(content_hash(sample.edited), lambda: decode(samples[number].edited))
            look = Look(source, edited, told[number])
            self._cache.prepare(look)
            return look, Target.of(sample)

        done = list(self._each(work, range(len(samples))))
        return [look for look, _ in done], [target for _, target in done]

    def _draw_pairs(self, samples: Sequence[Sample]) -> list[tuple[int, int]]:
        """Each edit with another of its photo and instruction, where there is one."""
        random = np.random.default_rng([self.config.seed, 2])
        others = partners([one.group for one in samples])
        return [(below, int(random.choice(some))) for below, some in sorted(others.items())]

    def _composites(
        self,
        samples: Sequence[Sample],
        looks: Sequence[Look],
        targets: Sequence[Target],
        pairs: Sequence[tuple[int, int]],
        cost: np.ndarray,
    ) -> list[Composite]:
        def work(number: int) -> Composite | None:
            return compose(samples, looks, targets, pairs[number], cost, self._cache, self.config.seed)

        return [made for made in self._each(work, range(len(pairs))) if made is not None]

    def _add_brought_back(
        self, looks: list[Look], texts: list[str], one_of_each: Sequence[int], some: Sequence[int]
    ) -> None:
        """Lengthen the three lists by images that a repair may lead to, see `refiner.lite.brought_back`."""
        following = [float(one.scores[DIMENSIONS.index(FOLLOWS)]) for one in self._targets]
        follows = float(np.quantile(following, UNEDITED))
        whole = self._each(lambda number: brought_back.whole(looks[number], self._cache), one_of_each)
        partly = self._each(lambda number: brought_back.partly(looks[number], self._cache, self.config.seed), some)
        added = [(number, photo, follows) for number, photo in zip(one_of_each, whole, strict=True)]
        for number, mixed in zip(some, partly, strict=True):
            if mixed is not None:
                look, lost = mixed
                added.append((number, look, following[number] - lost * max(0.0, following[number] - follows)))
        for number, look, value in added:
            looks.append(look)
            texts.append(texts[number])
            self._targets.append(Target.following(self._targets[number].group, value))

    def _fit_kernel(self) -> KernelScores:
        told = np.stack([self._train[number].expectation.vector[:TEXT_WIDTH] for number in range(len(self._train))])
        summaries = list(in_parallel(lambda number: self._train[number].summary(), range(len(self._train))))
        scores = np.stack([one.scores for one in self._targets])
        return KernelScores.fit(np.stack(summaries), told, scores, self.config.seed)

    def _each(self, work: Callable[[int], Result], numbers: Sequence[int]) -> Iterator[Result]:
        for result in in_parallel(work, numbers):
            yield result
            self._done += 1
            self._report("Features", self._done, self._total, {})

    def batches(self, epoch: int) -> Iterator[tuple[np.ndarray, bool]]:
        """Indices of the samples of each batch, and whether it is shown mirrored.

        Instructions that name a side are kept apart from those that may be mirrored, and edits of one photo by one
        instruction stand together: their differences are learned too.
        """
        random = np.random.default_rng([self.config.seed, epoch])
        torch.manual_seed(int(random.integers(2**31)))  # of the dropout: a run that goes on draws the same
        shown = random.random(len(self._targets)) < MADE_SHOWN
        shown[: len(self._samples)] = True
        batches = []
        for sided in (False, True):
            (numbers,) = np.nonzero(shown & (self._sided == sided))
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
            for name, seen in self.network.named_buffers():
                self.averaged.get_buffer(name).copy_(seen)

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
        # Read many times, and no images are needed.
        validation = [replace(one, source=b"", edited=b"") for one in self.validation]
        composites = self._judged_composites
        composed = Lazy(len(composites), lambda number: self._cache.features(composites[number].look))
        return calibrate(self.averaged, validation, self._validation, self._samples, composites, composed)


def _rate(progress: float) -> float:
    """A linear rise, then half a cosine: factor on the learning rate (Loshchilov and Hutter, ICLR 2017)."""
    if progress < WARM_UP:
        return 0.05 + 0.95 * progress / WARM_UP
    done = (progress - WARM_UP) / (1 - WARM_UP)
    return LAST_RATE + (1 - LAST_RATE) * 0.5 * (1 + float(np.cos(np.pi * done)))
