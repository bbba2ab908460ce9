"""Training of the lite refiner: it learns, goes on after a kill, and says what it cannot use."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import load_file, save_file

from analysis.saliency import cc
from editfhf.errors import BadInput, JobFailed
from editfhf.schema import DIMENSIONS, REGION_KINDS
from refiner.data import read_samples
from refiner.lite.trainee import LiteTrainee
from refiner.refiner import Refiner
from refiner.runs import TrainConfig, read_run
from refiner.train import train
from tests.refiner.conftest import QUICK
from tests.refiner.tiny_dataset import tiny_dataset


def broken(sample) -> bool:
    return sample.model.endswith("broken")


def test_photos_that_were_never_seen_are_judged_and_looked_at_as_people_did(refiner, test_samples):
    scores = {True: [], False: []}
    likeness = {kind: [] for kind in REGION_KINDS}
    for sample in test_samples:
        pair = sample.pair()
        scores[broken(sample)].append(refiner.model.evaluate(pair).mean)
        perceived = refiner.model.perceive(pair)
        for kind in REGION_KINDS:
            assert perceived.maps[kind].shape == pair.edited.shape[:2]
            assert perceived.maps[kind].dtype == np.float32
            if broken(sample):
                likeness[kind].append(cc(perceived.maps[kind], sample.map_of(kind)))
    assert max(scores[True]) < min(scores[False])
    assert min(np.mean(values) for values in likeness.values()) > 0.6


def test_an_edit_without_a_flaw_gets_empty_maps(refiner, test_samples):
    clean = [refiner.model.perceive(sample.pair()).maps for sample in test_samples if not broken(sample)]
    assert np.mean([not maps[kind].any() for maps in clean for kind in REGION_KINDS]) >= 0.9


def test_what_is_found_has_the_flaw_type_and_the_place_that_people_gave(refiner, test_samples):
    there = {("artifact", "texture_noise"), ("editing_failure", "unintended_change")}
    found = []
    for pair in (sample.pair() for sample in test_samples if broken(sample)):
        regions = refiner.model.find_regions(pair, refiner.model.perceive(pair))
        found.append({(region.kind, region.flaw_type) for region in regions} >= there)
        assert all(region.description and 0 < region.confidence <= 1 for region in regions)
        assert bool(regions) == bool(refiner.model.plan(pair, regions))
    assert np.mean(found) >= 0.8


def test_the_model_the_parameters_and_the_task_of_an_edit_change_no_prediction(dataset, refiner, run, tmp_path):
    """Everything that only the maker of an edit knows is taken out, and a run trained without it: images, text and
    answers stay. Its features are its own too."""
    blind, blind_run = tmp_path / "blind", tmp_path / "run"
    shutil.copytree(dataset, blind)
    shutil.rmtree(blind / "oracle", ignore_errors=True)
    for path in blind.glob("data/edits/*.parquet"):
        table = pq.read_table(path)
        unseen = dict.fromkeys(("model", "task", "task_group"), "x") | {"params": "{}", "model_revision": "", "seed": 0}
        for column, value in unseen.items():
            place = table.schema.get_field_index(column)
            field = table.schema.field(place)
            table = table.set_column(place, field, pa.array([value] * table.num_rows, field.type))
        pq.write_table(table, path)
    train(str(blind), blind_run, QUICK, cache=tmp_path / "features")
    weights, unseeing = (load_file(folder / "weights.safetensors") for folder in (run, blind_run))
    assert set(weights) == set(unseeing)
    assert all(np.array_equal(weights[name], unseeing[name]) for name in weights)
    assert (blind_run / "calibration.json").read_bytes() == (run / "calibration.json").read_bytes()
    models = refiner.model, Refiner.from_run(blind_run).model
    for sample, unknown in zip(read_samples(str(dataset), "test"), read_samples(str(blind), "test"), strict=True):
        assert (unknown.model, unknown.task, unknown.task_group) == ("x", "x", "x")
        one, other = (said_of(model, pair) for model, pair in zip(models, (sample.pair(), unknown.pair()), strict=True))
        assert one == other


def said_of(model, pair) -> tuple:
    perceived = model.perceive(pair)
    regions = model.find_regions(pair, perceived)
    maps = {kind: values.tobytes() for kind, values in perceived.maps.items()}
    return maps, perceived.presence, regions, model.plan(pair, regions), model.evaluate(pair)


def test_the_same_dataset_and_seed_give_the_same_weights_and_another_seed_does_not(dataset, feature_cache, tmp_path):
    for name, seed in (("one", 3), ("two", 3), ("three", 4)):
        train(str(dataset), tmp_path / name, QUICK.model_copy(update={"epochs": 2, "seed": seed}), cache=feature_cache)
    one, two, three = (load_file(tmp_path / name / "weights.safetensors") for name in ("one", "two", "three"))
    assert all(np.array_equal(one[name], two[name]) for name in one)
    assert any(not np.array_equal(one[name], three[name]) for name in one)


def test_a_run_that_is_killed_goes_on_to_the_result_of_one_that_was_not(dataset, feature_cache, tmp_path):
    # Each in a process of its own, as `editfhf train` is.
    def command(out):
        code = f"""
from pathlib import Path
from refiner.train import train
from tests.refiner.conftest import QUICK
train({str(dataset)!r}, Path({str(out)!r}), QUICK, cache=Path({str(feature_cache)!r}))
"""
        return [sys.executable, "-c", code]

    alone = {**os.environ, "OMP_NUM_THREADS": "1"}
    kills = 0
    while kills < 3:
        running = subprocess.Popen(command(tmp_path / "run"), env=alone)
        checkpoints = tmp_path / "run/checkpoint"
        before = set(checkpoints.glob("epoch-*")) if checkpoints.is_dir() else set()
        deadline = time.monotonic() + 120
        while running.poll() is None and time.monotonic() < deadline:
            if checkpoints.is_dir() and set(checkpoints.glob("epoch-*")) - before:
                break
            time.sleep(0.01)
        if running.poll() is not None:
            break
        running.send_signal(signal.SIGKILL)
        running.wait()
        kills += 1
    assert kills >= 1
    for name in ("run", "unbroken"):
        subprocess.run(command(tmp_path / name), env=alone, check=True, timeout=600)
    folders = [tmp_path / "run", tmp_path / "unbroken"]
    whole, unbroken = (load_file(folder / "weights.safetensors") for folder in folders)
    assert set(whole) == set(unbroken)
    assert all(np.array_equal(whole[name], unbroken[name]) for name in whole)
    history = [json.loads((folder / "history.json").read_text()) for folder in folders]
    timeless = [[{k: v for k, v in row.items() if "seconds" not in k} for row in rows] for rows in history]
    assert timeless[0] == timeless[1]


def test_training_a_finished_run_again_changes_nothing(dataset, feature_cache, run):
    before = {path.name: path.read_bytes() for path in run.iterdir() if path.is_file()}
    assert train(str(dataset), run, QUICK, cache=feature_cache) == read_run(run)
    assert {path.name: path.read_bytes() for path in run.iterdir() if path.is_file()} == before


def test_features_and_planes_are_worked_out_once(dataset, feature_cache, run, tmp_path, monkeypatch):
    def never(*_):
        raise AssertionError("the cache was not asked")

    monkeypatch.setattr("refiner.lite.features.image_features", never)
    monkeypatch.setattr("refiner.lite.features.compare", never)
    train(str(dataset), tmp_path / "run", QUICK.model_copy(update={"epochs": 1}), cache=feature_cache)


def test_only_the_agents_that_were_asked_for_are_trained_and_used(dataset, feature_cache, tmp_path, test_samples):
    config = QUICK.model_copy(update={"epochs": 1, "agents": ("evaluation",)})
    record = train(str(dataset), tmp_path / "run", config, cache=feature_cache)
    assert not [
        name for row in json.loads((tmp_path / "run/history.json").read_text()) for name in row if "map" in name
    ]
    assert record.config.agents == ("evaluation",)
    model = Refiner.from_run(tmp_path / "run").model
    assert set(model.evaluate(test_samples[0].pair()).values) == set(DIMENSIONS)
    with pytest.raises(BadInput, match="without its perception agent"):
        model.perceive(test_samples[0].pair())


# What cannot be trained on


def test_a_dataset_that_is_too_small_or_lacks_a_kind_is_one_sentence(tmp_path):
    small = tiny_dataset(tmp_path / "small", n_sources=4)
    with pytest.raises(BadInput, match=r"judged edits to train on and \d+ to validate on; 24 and 4 are the least"):
        train(str(small), tmp_path / "run", QUICK)
    assert not (tmp_path / "run").exists()  # nothing was begun
    lacking = tiny_dataset(tmp_path / "lacking", kinds=("artifact",))
    with pytest.raises(BadInput, match="no region of kind editing_failure in the split `train`"):
        train(str(lacking), tmp_path / "run2", QUICK)


def test_a_score_that_is_not_a_number_is_named(dataset, tmp_path):
    bad = tmp_path / "bad"
    shutil.copytree(dataset, bad)
    (path,) = bad.glob("data/edits/train-*.parquet")
    table = pq.read_table(path)
    place = table.schema.get_field_index("visual_consistency")
    values = table["visual_consistency"].to_pylist()
    values[0] = float("nan")
    table = table.set_column(place, table.schema.field(place), pa.array(values, pa.float64()))
    pq.write_table(table, path)
    with pytest.raises(BadInput, match=f"edit {table['edit_id'][0].as_py()}: visual_consistency is nan"):
        train(str(bad), tmp_path / "run", QUICK)


def test_a_loss_that_is_not_a_number_ends_training_in_a_sentence(dataset, feature_cache, tmp_path, monkeypatch):
    monkeypatch.setattr(LiteTrainee, "learn", lambda *_: {"map_bce": float("nan")})
    with pytest.raises(JobFailed, match="The loss map_bce became nan in epoch 1"):
        train(str(dataset), tmp_path / "run", QUICK, cache=feature_cache)


def test_a_folder_of_something_else_or_of_another_configuration_is_left_alone(dataset, run, tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(BadInput, match=r"is not empty \(it holds thesis.txt\) and is no run"):
        train(str(dataset), tmp_path, QUICK)
    with pytest.raises(BadInput, match="begun with another configuration"):
        train(str(dataset), run, TrainConfig(seed=99))


# What cannot be used


def test_a_run_that_is_damaged_is_one_sentence(run, tmp_path):
    def copy(name):
        shutil.copytree(run, tmp_path / name)
        # As of an earlier version, which did not note what belongs together (test_run_parts.py).
        (tmp_path / name / "run.json").write_text(read_run(run).model_dump_json(exclude={"sha256"}))
        return tmp_path / name

    half = copy("half")
    (half / "run.json").unlink()
    with pytest.raises(BadInput, match="is a run that was not finished"):
        Refiner.from_run(half)
    other = copy("other")
    record = json.loads((other / "run.json").read_text())
    (other / "run.json").write_text(json.dumps({**record, "format": 99}))
    with pytest.raises(BadInput, match="is of format 99; this version reads format 2"):
        Refiner.from_run(other)
    cut = copy("cut")
    (cut / "weights.safetensors").write_bytes((cut / "weights.safetensors").read_bytes()[:1000])
    with pytest.raises(BadInput, match=r"weights\.safetensors is damaged"):
        Refiner.from_run(cut)
    strange = copy("strange")
    save_file({"a": np.zeros(3, np.float32)}, strange / "weights.safetensors")
    with pytest.raises(BadInput, match="the weights do not fit this version"):
        Refiner.from_run(strange)
    poisoned = copy("poisoned")
    weights = load_file(poisoned / "weights.safetensors")
    weights["judge.0.weight"][0, 0] = np.nan
    save_file(weights, poisoned / "weights.safetensors")
    with pytest.raises(BadInput, match="a weight is not a finite number"):
        Refiner.from_run(poisoned)
    with pytest.raises(BadInput, match="does not exist"):
        Refiner.from_run(tmp_path / "nowhere")


def test_the_card_says_what_the_run_learned_from(run):
    card = (run / "README.md").read_text()
    assert "**Trained on simulated annotators and procedural editors: a rehearsal, not human feedback.**" in card
    assert "/" not in read_run(run).dataset
    assert (run / "curves.png").stat().st_size > 10_000
