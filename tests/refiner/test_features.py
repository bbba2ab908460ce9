"""What the lite backend keeps of images and of what people said: small, exact enough, the same whenever it is made."""

import tracemalloc
from dataclasses import replace
from itertools import chain

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from editfhf.schema import REGION_KINDS
from refiner.agents import Pair
from refiner.data import Lazy, fingerprint, open_samples, read_samples, require_trainable
from refiner.lite import brought_back, features
from refiner.lite.backbone import image_features
from refiner.lite.expectation import expectations
from refiner.lite.features import FeatureCache, Look, Picture
from refiner.lite.planes import compare, edit_distance
from refiner.lite.targets import CELL_SIDE, PLANE_SIDE, Target, collate, soft_mask
from refiner.threads import in_parallel
from refiner.train import train
from tests.factories import photo
from tests.refiner.conftest import QUICK


def look_of(number: int, text: str = "make the car red", side: int = 64) -> Look:
    """A photo, and the same photo with a white box on it."""

    def edited() -> np.ndarray:
        pixels = photo(side, number).copy()
        pixels[10:30, 5:25] = 255
        return pixels

    source = Picture(f"photo {number} {side}", lambda: photo(side, number))
    return Look(source, Picture(f"edit {number} {side}", edited), expectations([text])[0])


def never():
    raise AssertionError("pixels were asked for")


def unseen(look: Look) -> Look:
    return Look(replace(look.source, pixels=never), replace(look.edited, pixels=never), look.expectation)


def test_what_was_prepared_on_threads_is_what_one_thread_makes_however_many_torch_has(tmp_path):
    looks = [look_of(number) for number in range(6)]
    caches = [FeatureCache(tmp_path / name) for name in ("threads", "one by one")]
    list(in_parallel(caches[0].prepare, looks))
    before = torch.get_num_threads()
    for number, look in enumerate(looks):
        torch.set_num_threads(1 + number % 2)
        kept, made = caches[0].features(unseen(look)), caches[1].features(look)
        for one, other in ((kept.source, made.source), (kept.edited, made.edited)):
            assert all(np.array_equal(one[stride], other[stride]) for stride in one)
        assert np.array_equal(kept.planes, made.planes)
        assert np.array_equal(kept.statistics, made.statistics)
    torch.set_num_threads(before)


def test_planes_are_kept_exactly_enough(tmp_path):
    look, other = look_of(1), look_of(2)
    kept = FeatureCache(tmp_path).features(look)
    exact = compare(look.source.pixels(), look.edited.pixels(), look.expectation)
    assert np.abs(kept.planes - exact).max() <= 0.001 * np.abs(exact).max()
    others = compare(other.source.pixels(), other.edited.pixels(), other.expectation)
    kept_others = FeatureCache(tmp_path).features(other)
    assert edit_distance(kept.planes, kept_others.planes) == pytest.approx(edit_distance(exact, others), abs=0.01)


def test_planes_are_kept_for_the_colour_and_the_place_that_are_named_and_not_for_the_words(tmp_path):
    cache = FeatureCache(tmp_path)
    cache.prepare(look_of(1, "make the car red"))
    same = cache.features(unseen(look_of(1, "paint the car red")))
    for text in ("make the car blue", "make the car on the left red", "remove the car"):
        with pytest.raises(AssertionError, match="pixels were asked for"):
            cache.features(unseen(look_of(1, text)))
        assert not np.array_equal(cache.features(look_of(1, text)).planes, same.planes)


def test_files_that_are_gone_or_damaged_and_features_that_do_not_fit_in_memory_change_no_weight(
    dataset, tmp_path, monkeypatch
):
    config = QUICK.model_copy(update={"epochs": 2})
    train(str(dataset), tmp_path / "one", config, cache=tmp_path / "features")
    files = sorted((tmp_path / "features").rglob("*.safetensors"))
    for number, file in enumerate(files):
        if number % 3 == 0:
            file.unlink()
        elif number % 3 == 1:
            file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    monkeypatch.setattr(features, "HELD_BYTES", 1_000_000)
    train(str(dataset), tmp_path / "two", config, cache=tmp_path / "features")
    one, two = (load_file(tmp_path / name / "weights.safetensors") for name in ("one", "two"))
    assert all(np.array_equal(one[name], two[name]) for name in one)
    assert sorted((tmp_path / "features").rglob("*.safetensors")) == files


def test_no_more_is_held_in_memory_than_is_allowed(tmp_path, monkeypatch):
    looks = [look_of(number) for number in range(4)]
    monkeypatch.setattr(features, "HELD_BYTES", 700_000)
    cache = FeatureCache(tmp_path)
    for look in looks:
        cache.features(look)
    for file in cache.folder.iterdir():
        file.unlink()
    held = []
    for look in looks:
        try:
            held.append(cache.features(unseen(look)))
        except AssertionError:
            continue
    assert len(held) == 1  # a pair takes 576 kB: images of 147 kB and planes of 282 kB
    assert (
        held[0].planes.nbytes + sum(v.nbytes for image in (held[0].source, held[0].edited) for v in image.values())
        < 7e5
    )


# What is brought back


def test_a_box_of_the_edit_is_the_photo_again_and_the_share_of_change_that_is_lost_is_told(tmp_path):
    look, cache = look_of(3), FeatureCache(tmp_path)
    mixed, lost = brought_back.partly(look, cache, seed=0)
    source, edited, pixels = (
        one().astype(float) for one in (look.source.pixels, look.edited.pixels, mixed.edited.pixels)
    )
    assert (np.minimum(source, edited) - 1 <= pixels).all()
    assert (pixels <= np.maximum(source, edited) + 1).all()
    before, after = np.abs(edited - source).sum(), np.abs(pixels - source).sum()
    assert lost == pytest.approx(1 - after / before, abs=0.01)
    again, lost_again = brought_back.partly(unseen(look), cache, seed=0)  # found, not made
    assert (again.edited.name, lost_again) == (mixed.edited.name, lost)
    boxes = {brought_back.partly(look, cache, seed)[1] for seed in range(8)}
    assert len(boxes) > 1


def test_a_photo_of_another_aspect_is_not_laid_over_the_edit(tmp_path):
    look = replace(look_of(4), edited=Picture("wide", lambda: photo(64, 4)[:32]))
    assert brought_back.partly(look, FeatureCache(tmp_path), seed=0) is None


# Samples and targets


def test_samples_are_read_when_they_are_asked_for_and_are_those_that_are_held(dataset):
    lazy, held = open_samples(str(dataset), "train"), read_samples(str(dataset), "train")
    assert list(lazy) == held == sorted(held, key=lambda one: one.edit_id)
    assert lazy[0] is not lazy[0]
    assert (lazy[-1], lazy[1:3], len(lazy)) == (held[-1], held[1:3], len(held))
    only = {held[2].edit_id, held[0].edit_id, "unknown"}
    assert list(open_samples(str(dataset), "train", only)) == [held[0], held[2]]
    with pytest.raises(IndexError):
        lazy[len(held)]
    assert list(Lazy(3, str)) == ["0", "1", "2"]


def test_a_dataset_is_checked_without_holding_more_than_a_few_of_its_images(dataset):
    held = read_samples(str(dataset), "train")
    many = Lazy(40, lambda number: replace(held[number % len(held)], source=bytes(1_000_000)))
    tracemalloc.start()
    require_trainable("a dataset", many, many)
    fingerprint(chain(many, many))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4_000_000


def test_targets_are_kept_in_bytes_without_losing_what_is_taught(dataset):
    samples = read_samples(str(dataset), "train")[:12]
    together = collate([Target.of(one) for one in samples])
    assert (together.maps.dtype, together.masks.dtype) == (torch.float32, torch.float32)
    for maps, sample in zip(together.maps.numpy(), samples, strict=True):
        for kind, one in zip(REGION_KINDS, maps, strict=True):
            assert np.abs(one - sample.map_of(kind, (PLANE_SIDE, PLANE_SIDE))).max() <= 0.5 / 255 + 1e-6
    masks = [soft_mask(region["polygon"]) for one in samples for region in one.regions]
    assert together.masks.shape == (len(masks), CELL_SIDE, CELL_SIDE)
    assert len(masks) > 0
    assert np.array_equal(together.masks.numpy(), np.stack(masks))


# What is remembered at use


def test_an_image_that_was_changed_in_place_is_looked_at_again_and_a_copy_is_not(refiner, monkeypatch):
    looked = []

    def counted(images, weights):
        looked.append(len(images))
        return image_features(images, weights)

    monkeypatch.setattr(features, "image_features", counted)
    source, edited = photo(64, 5), photo(64, 5).copy()
    before = refiner.model.evaluate(Pair(source, edited, "make it red"))
    assert refiner.model.evaluate(Pair(source.copy(), edited.copy(), "make it red")) == before
    assert len(looked) == 1
    edited[8:40, 8:40] = (255, 0, 0)
    assert refiner.model.evaluate(Pair(source, edited, "make it red")) != before
    assert len(looked) == 2
