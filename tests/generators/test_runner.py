"""A run of the generators: whatever happens to it, each planned edit ends up once, whole, and the same."""

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import Future
from pathlib import Path

import pytest
from PIL import Image

from editfhf.errors import BadInput, JobFailed
from editfhf.workspace import Workspace
from generators.api import models as api_models
from generators.engine import engine_of
from generators.models import models as local_models
from generators.runner import Selection, dry_run, generate
from generators.worker import Made, ModelLoad
from tests.factories import photo
from tests.generators.conftest import N_PHOTOS, reword

EVERYTHING = N_PHOTOS * 3 * 2


def state(workspace: Workspace) -> dict[str, str]:
    """edit_id → hash of the bytes on disk."""
    return {
        edit.edit_id: hashlib.sha256(workspace.path_of(edit.image).read_bytes()).hexdigest()
        for edit in workspace.edits()
    }


def by_model(workspace: Workspace) -> dict[tuple[str, str], int]:
    """(model, status) → number of edits."""
    statuses = workspace.ledger.statuses()
    return Counter((edit.model, statuses[edit.edit_id]) for edit in workspace.ledger.edits())


@pytest.fixture
def diary(tmp_path, monkeypatch):
    """What the models noted, a line each: `loaded on GPU N`, `batch N` and, for whatever reached them, `edit ID`."""
    path = tmp_path / "diary.txt"
    path.touch()
    monkeypatch.setenv("EDITFHF_TEST_DIARY", str(path))
    return lambda: path.read_text().splitlines()


def test_a_run_makes_everything_and_a_second_run_nothing(workspace):
    first = generate(workspace)
    assert first.made == EVERYTHING
    before = state(workspace)
    second = generate(workspace)
    assert (second.made, second.already_made) == (0, first.made)
    assert state(workspace) == before


def test_images_are_named_by_the_hash_of_their_bytes(workspace):
    generate(workspace, Selection(limit=4))
    for edit in workspace.edits():
        assert Path(edit.image).stem == hashlib.sha256(workspace.path_of(edit.image).read_bytes()).hexdigest()
        assert workspace.read_image(edit.image).shape == (edit.height, edit.width, 3)


def test_the_same_limit_is_the_same_subset_and_a_larger_one_contains_it(workspace):
    generate(workspace, Selection(limit=6))
    six = state(workspace)
    assert generate(workspace, Selection(limit=6)).made == 0
    generate(workspace, Selection(limit=12))
    twelve = state(workspace)
    assert (len(six), len(twelve)) == (6, 12)
    assert six.items() <= twelve.items()


def test_an_image_that_was_deleted_or_cut_is_made_again(workspace):
    generate(workspace, Selection(limit=3))
    before = state(workspace)
    deleted = workspace.edits()[1]
    workspace.path_of(deleted.image).unlink()
    assert generate(workspace, Selection(limit=3)).made == 1
    assert state(workspace) == before


def test_what_one_edit_does_wrong_is_a_row_with_its_reason(workspace):
    reword(workspace, "refuse", "crash", "black", "nothing")
    counts = generate(workspace)
    assert (counts.refused, counts.failed, counts.unchanged) == (4, 2, 2)
    assert counts.made == EVERYTHING - 6
    told = Counter(workspace.ledger.reasons().values())
    assert told.pop("I would rather not.") == 2
    assert told.pop("RuntimeError: out of luck") == 2
    (black,) = told
    assert "one colour throughout (RGB 0, 0, 0)" in black
    unchanged = [one for one in workspace.ledger.finished("done") if one.unchanged]
    assert len(unchanged) == 2
    assert generate(workspace).set_aside == 6
    assert generate(workspace, Selection(retry="failed")).failed == 2
    assert generate(workspace, Selection(retry="refused")).refused == 4


def test_a_failure_that_may_pass_is_tried_again_three_times_in_all(workspace):
    reword(workspace, "busy")
    tried = [generate(workspace).failed for _ in range(5)]
    assert tried == [2, 2, 2, 0, 0]


def test_an_edit_does_not_depend_on_the_order_in_which_edits_are_made(workspace, make_campaign):
    generate(workspace)
    other = make_campaign()
    generate(other, Selection(models=["test/three"]))
    generate(other, Selection(tasks=["text_add"]))
    generate(other)
    assert state(other) == state(workspace)


def test_where_an_image_comes_from_is_kept(workspace):
    generate(workspace, Selection(limit=2))
    one = workspace.ledger.finished("done")[0]
    assert (one.device, one.served_by[:8]) == ("imagination", "test/one")
    assert one.n_bytes == workspace.path_of(one.image).stat().st_size
    (run,) = workspace.ledger.runs().values()
    assert run["engine"] == "local"
    assert run["packages"]["pillow"]


# Batches and memory


def test_out_of_memory_halves_the_batch_and_goes_on(make_campaign, workspace, diary):
    generate(workspace)
    batched = make_campaign(more="  batch_size: 8\n")
    assert generate(batched).made == EVERYTHING
    assert state(batched) == state(workspace)
    sizes = [int(line.split()[1]) for line in diary() if line.startswith("batch")][EVERYTHING:]
    # 15 photos of one size for each of two models, in batches of 8 and 7. The first does not fit, nor may its half;
    # what fits is remembered by the worker.
    assert sum(size > 4 for size in sizes) == 2
    assert sizes.count(2) + sizes.count(3) > 8


def test_one_crash_in_a_batch_fails_one_edit(make_campaign):
    workspace = make_campaign(more="  batch_size: 3\n")
    reword(workspace, "crash")
    counts = generate(workspace)
    assert (counts.failed, counts.made) == (2, EVERYTHING - 2)


# Deaths


def test_a_job_that_kills_its_worker_three_times_is_set_aside_and_costs_no_other(workspace, make_campaign, diary):
    reword(workspace, "kill")
    counts = generate(workspace)
    assert (counts.failed, counts.made) == (2, EVERYTHING - 2)
    (reason,) = set(workspace.ledger.reasons().values())
    assert "Killed its worker 3 times (signal 9" in reason
    assert generate(workspace).set_aside == 2
    # At most four times: once among others, then three times alone.
    assert max(Counter(line for line in diary() if line.startswith("edit")).values()) <= 4


@pytest.mark.parametrize(
    ("start", "error", "message"),
    [
        ("refuse", BadInput, "test/one cannot be loaded"),
        ("die", JobFailed, r"test/one: 3 workers died before the model was loaded \(exit code 3; see .*worker-0.log"),
    ],
)
def test_a_model_that_cannot_be_loaded_is_one_sentence_and_stops_no_other(make_campaign, start, error, message):
    workspace = make_campaign(more=f"  options: {{test/one: {{start: {start}}}}}\n")
    with pytest.raises(error, match=message + ".* The run went on: 15 edits were made, 0 refused, 0 failed"):
        generate(workspace)
    assert by_model(workspace) == {("test/one", "planned"): 15, ("test/three", "done"): 15}


def test_every_model_that_could_not_go_on_is_named_with_its_reason(make_campaign):
    more = "  options: {test/one: {start: refuse}, test/three: {start: die}}\n"
    workspace = make_campaign("[test/one, test/square, test/three]", more)
    with pytest.raises(JobFailed, match=r"^2 models .*test/one cannot be loaded.*test/three: 3 workers died"):
        generate(workspace)
    assert by_model(workspace)["test/square", "done"] == 15


def test_what_no_edit_could_survive_ends_the_model_at_once(workspace, diary):
    reword(workspace, *["wrong key"] * N_PHOTOS)
    with pytest.raises(BadInput, match=r"test/one: The key is wrong.*test/three: The key is wrong"):
        generate(workspace)
    assert len(diary()) < 2 * EVERYTHING
    assert "failed" not in workspace.ledger.statuses().values()


def test_a_library_of_cuda_that_finds_no_room_is_no_lost_gpu(make_campaign):
    workspace = make_campaign("[test/one]")
    reword(workspace, "no room")
    assert generate(workspace).made == N_PHOTOS * 3 - 1
    assert list(workspace.ledger.reasons().values()) == ["Out of memory with a single photo."]


def test_a_lost_gpu_costs_the_edit_that_lost_it_and_no_other(make_campaign):
    workspace = make_campaign("[test/one]")
    reword(workspace, "lose the GPU")
    counts = generate(workspace)
    assert (counts.failed, counts.made) == (1, N_PHOTOS * 3 - 1)
    (reason,) = workspace.ledger.reasons().values()
    assert reason == "Killed its worker 3 times (CUDA error: an illegal memory access was encountered)."


def test_a_model_that_fails_whatever_it_is_asked_ends_and_what_failed_is_tried_again(make_campaign, diary):
    workspace = make_campaign(more="  options: {test/one: {start: crash}}\n", photos=10)
    with pytest.raises(JobFailed, match="test/one: 20 edits in a row failed for one reason: RuntimeError: out of luck"):
        generate(workspace)
    ended = by_model(workspace)
    assert (ended["test/one", "failed"], ended["test/one", "planned"], ended["test/three", "planned"]) == (20, 10, 0)
    (workspace.root / "editfhf.yaml").write_text((workspace.root / "editfhf.yaml").read_text().replace("crash", "well"))
    counts = generate(Workspace.open(workspace.root))
    assert (counts.made, counts.failed) == (30, 0)


def test_a_model_whose_workers_die_of_every_edit_ends(make_campaign, monkeypatch):
    monkeypatch.setattr("generators.dispatch.MOST_DEATHS", 5)
    workspace = make_campaign(more="  options: {test/one: {start: kill}}\n")
    with pytest.raises(JobFailed, match="test/one: 5 workers in a row died with nothing made in between"):
        generate(workspace)
    assert by_model(workspace) == {("test/one", "planned"): 15, ("test/three", "done"): 15}


def test_killed_at_any_moment_nothing_is_lost_torn_or_doubled(make_campaign, diary):
    kills = 6
    slow = "  params: {test/one: {seconds: 0.02}, test/three: {seconds: 0.02}}\n"
    workspace = make_campaign(more=slow)
    moments = random.Random(7)
    command = [sys.executable, "-m", "editfhf", "generate", "-w", str(workspace.root)]
    # Most of the time an image is being written, so that most kills come in the middle of that.
    environment = {**os.environ, "EDITFHF_TEST_SLOW_DISK": "1"}
    made_at_kill: list[tuple[set[str], int]] = []  # edits that are done, and how many lines the diary has
    for _ in range(kills):
        run = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
        deadline = time.monotonic() + 60
        before = len(list(workspace.images_dir.rglob("*.png")))
        while run.poll() is None and time.monotonic() < deadline:
            # Killed only once it works: a kill during the imports would prove nothing.
            if len(list(workspace.images_dir.rglob("*.png"))) > before:
                time.sleep(moments.uniform(0, 0.15))
                break
            time.sleep(0.002)
        run.send_signal(signal.SIGKILL)
        run.wait()
        # Before the next run could mend it.
        for file in workspace.images_dir.rglob("[!.]*.png"):
            assert hashlib.sha256(file.read_bytes()).hexdigest() == file.stem
        statuses = Workspace.open(workspace.root).ledger.statuses()
        made_at_kill.append(({edit_id for edit_id, status in statuses.items() if status == "done"}, len(diary())))
    workspace = Workspace.open(workspace.root)
    counts = generate(workspace)
    assert counts.already_made > 0
    assert Counter(workspace.ledger.statuses().values()) == {"done": EVERYTHING}
    asked = diary()
    for made, n_lines in made_at_kill:
        assert not made & {line.removeprefix("edit ") for line in asked[n_lines:]}
    # A kill costs at most the three batches, of one edit each, that the worker held.
    assert sum(line.startswith("edit") for line in asked) <= EVERYTHING + 3 * kills
    unbroken = make_campaign(more=slow)
    generate(unbroken)
    assert state(workspace) == state(unbroken)
    stored = {path.stem for path in workspace.images_dir.rglob("*.png")}
    assert stored == {Path(edit.image).stem for edit in workspace.edits()}


def test_no_worker_outlives_a_run_that_was_killed(make_campaign):
    workspace = make_campaign(more="  params: {test/one: {seconds: 30.0}}\n")
    run = subprocess.Popen([sys.executable, "-m", "editfhf", "generate", "-w", str(workspace.root)])
    deadline = time.monotonic() + 60
    while not (children := _children(run.pid)) and time.monotonic() < deadline:
        time.sleep(0.05)
    run.kill()
    run.wait()
    while any(map(_alive, children)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert children
    assert not any(map(_alive, children))


@pytest.mark.parametrize("workers", [None, 2])
def test_every_worker_has_a_gpu_of_its_own(make_campaign, diary, monkeypatch, workers):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5")
    workspace = make_campaign("[test/one]", "  options: {test/one: {gpus: 1}}\n")
    assert generate(workspace, start_engine=engine_of("local", workers)).made == N_PHOTOS * 3
    assert sorted(line for line in diary() if "GPU" in line) == ["loaded on GPU 3", "loaded on GPU 5"]


def test_a_worker_that_follows_a_dead_one_takes_over_its_gpu(make_campaign, diary, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5")
    workspace = make_campaign("[test/one]", "  options: {test/one: {gpus: 1}}\n  params: {test/one: {seconds: 0.2}}\n")
    reword(workspace, "kill")
    generate(workspace)
    loaded = Counter(line for line in diary() if "GPU" in line)
    assert loaded.keys() == {"loaded on GPU 3", "loaded on GPU 5"}
    assert loaded.total() > 2


def _children(pid: int) -> list[int]:
    import psutil

    return [
        child.pid for child in psutil.Process(pid).children() if "generators.local_engine" in " ".join(child.cmdline())
    ]


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"


# Before a run


def test_a_second_run_at_the_same_time_says_so(workspace):
    with workspace.lock("generate"), pytest.raises(BadInput, match="Another `editfhf generate` is running"):
        generate(Workspace.open(workspace.root))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"models": ["test/on"]}, "Unknown model 'test/on'.*Did you mean 'test/one'"),
        ({"tasks": ["text_ad"]}, "text_add"),
        ({"retry": "everything"}, "only `failed` or `refused`"),
    ],
)
def test_wrong_names_are_told_with_the_closest(workspace, options, message):
    with pytest.raises(BadInput, match=message):
        generate(workspace, Selection(**options))


def test_an_unknown_parameter_is_told(make_campaign):
    workspace = make_campaign(more="  params: {test/one: {second: 1.0}}\n")
    with pytest.raises(BadInput, match=r"test/one has no parameter 'second'.*It has: seconds"):
        generate(workspace)


def test_a_dry_run_says_what_is_missing_and_makes_nothing(make_campaign, diary):
    workspace = make_campaign("[test/one, test/paid]")
    found = dry_run(workspace)
    assert {row["model"]: row["edits"] for row in found.would_make} == {"test/one": 15, "test/paid": 15}
    assert ["costs money" in str(problem) for problem in found.problems] == [True]
    assert diary() == []


def test_a_dry_run_says_why_edits_were_refused_or_failed(workspace):
    reword(workspace, "refuse", "refuse", "crash", "busy")
    generate(workspace)
    found = dry_run(workspace, Selection(models=["test/one"]))
    assert found.reasons() == [
        {"model": "test/one", "status": "refused", "edits": 2, "reason": "I would rather not."},
        {"model": "test/one", "status": "failed", "edits": 1, "reason": "RuntimeError: out of luck"},
        {"model": "test/one", "status": "failed", "edits": 1, "reason": "The server is busy."},
    ]
    assert {one["instruction"].split()[0]: one["tried_again"] for one in found.not_made} == {
        "[refuse]": False,
        "[crash]": False,
        "[busy]": True,
    }


# Which revision


class Recorder:
    """An engine that loads nothing: it keeps what it was to load and fails every edit."""

    name = "local"

    def __init__(self) -> None:
        self.loads: dict[str, ModelLoad] = {}
        self.loaded = True

    def start(self, load, number):  # noqa: ARG002
        self.loads[load.model_id] = load
        return self

    def submit(self, jobs):
        future = Future()
        future.set_result([Made(job.edit_id, "failed", reason=job.edit_id) for job in jobs])
        return future

    def n_workers(self, load):  # noqa: ARG002
        return 1

    def about(self):
        return {}

    def stop(self):
        pass

    close = stop


def test_every_model_is_asked_for_the_revision_that_its_edits_are_planned_with(make_campaign, tmp_path, monkeypatch):
    entries = [*local_models(), *api_models()]
    assert len(entries) == 12
    (tmp_path / "model_index.json").write_text("{}")
    weights = {entry.id: {"weights": str(tmp_path), "device": "cpu"} for entry in entries if entry.repository}
    revisions = {entry.id: f"another-{number}" for number, entry in enumerate(entries)}
    more = f"  options: {json.dumps(weights)}\n  revisions: {json.dumps(revisions)}\n  budget_usd: 1000.0\n"
    for entry in entries:
        if entry.key_variable:
            monkeypatch.setenv(entry.key_variable, "a-key")
    workspace = make_campaign(json.dumps(list(revisions)), more)
    engine = Recorder()
    generate(workspace, Selection(limit=12), lambda _: engine)
    planned = {edit.model: edit.model_revision for edit in workspace.ledger.edits()}
    assert planned == revisions
    assert {model: load.options["revision"] for model, load in engine.loads.items()} == planned


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("options: {gpt-image: {revision: gpt-image-9}}", "Write generate.revisions: {gpt-image: gpt-image-9}"),
        ("revisions: {procedural/careful: '2'}", "procedural/careful has one revision only, that of its code"),
        ("revisions: {gpt-imag: gpt-image-9}", "Unknown model 'gpt-imag'.*Did you mean 'gpt-image'"),
    ],
)
def test_a_revision_that_would_not_be_the_planned_one_is_refused(make_campaign, settings, message):
    workspace = make_campaign(more=f"  {settings}\n")
    with pytest.raises(BadInput, match=message):
        generate(workspace)
    assert workspace.ledger.edits() == []


def test_a_photo_whose_aspect_a_model_cannot_keep_is_not_planned_for_it(make_campaign, tmp_path):
    from editfhf.instructions import write_instructions
    from editfhf.sources import import_sources

    workspace = make_campaign("[test/one, test/square]", "  common_pairs: false\n")
    wide = tmp_path / "wide"
    wide.mkdir()
    Image.fromarray(photo(128, seed=9)).crop((0, 0, 128, 70)).save(wide / "wide.png")
    import_sources(workspace, wide)
    write_instructions(workspace)
    generate(workspace)
    made = Counter(edit.model for edit in workspace.edits())
    assert made["test/one"] - made["test/square"] == 3


def test_a_full_disk_is_one_sentence_and_loses_nothing(workspace, monkeypatch):
    real, calls = Workspace.store_image, iter(range(100))

    def store_image(self, data, extension="png"):
        if next(calls) == 5:
            raise OSError(28, "No space left on device")
        return real(self, data, extension)

    monkeypatch.setattr(Workspace, "store_image", store_image)
    with pytest.raises(JobFailed, match=r"The disk of .* is full.*make room"):
        generate(workspace)
    monkeypatch.setattr(Workspace, "store_image", real)
    counts = generate(workspace)
    assert counts.already_made > 0
    assert counts.already_made + counts.made == EVERYTHING


def test_a_disk_that_is_too_small_is_known_before_the_run(workspace, monkeypatch):
    import shutil

    monkeypatch.setattr(shutil, "disk_usage", lambda _path: shutil._ntuple_diskusage(10**6, 10**6, 1000))
    with pytest.raises(BadInput, match=r"The images will take about 0\.47 MB.*0\.00 MB left"):
        generate(workspace)
