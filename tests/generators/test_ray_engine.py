"""Generation on a real Ray, started on this machine: actors that die cost their jobs in flight, and those run again."""

import os
import signal
import threading
import time
from collections import Counter
from contextlib import suppress

import psutil
import pytest

from editfhf.errors import BadInput, JobFailed
from generators.engine import engine_of
from generators.runner import Selection, dry_run, generate
from generators.worker import ModelLoad
from tests.generators.conftest import N_PHOTOS, install_plugin, reword
from tests.generators.test_runner import diary, state

__all__ = ["diary"]
EVERYTHING = N_PHOTOS * 3 * 2
IN_FLIGHT = 3  # edits that an actor holds: one decoded, one with the model, one encoded; a death costs these at most


@pytest.fixture
def ray_here(plugin, monkeypatch):
    """A Ray of its own for the test: its actors have the environment of the test."""
    ray = pytest.importorskip("ray")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    yield ray
    ray.shutdown()


@pytest.fixture(scope="module")
def two_gpus(tmp_path_factory):
    """One Ray for the tests at the end of this file, that is said to have two GPUs. Returns its actors' diary."""
    ray = pytest.importorskip("ray")
    path = tmp_path_factory.mktemp("ray") / "diary.txt"
    with pytest.MonkeyPatch.context() as patch:
        install_plugin(patch)
        patch.delenv("RAY_ADDRESS", raising=False)
        patch.setenv("EDITFHF_TEST_DIARY", str(path))
        ray.init(num_cpus=2, num_gpus=2, include_dashboard=False, log_to_driver=False)
    yield path
    ray.shutdown()


@pytest.fixture
def shared_diary(plugin, two_gpus):
    """What the actors of the shared Ray note during the test, a line each."""
    two_gpus.write_text("")
    return lambda: two_gpus.read_text().splitlines()


def actors() -> list[int]:
    """The processes that hold a model now, of the Ray that this test started: there may be others on this machine."""
    found = []
    for one in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            if "ray::_Actor" in " ".join(one.cmdline()):
                found.append(one.pid)
    return found


def test_ray_makes_the_same_bytes_as_a_process_of_this_machine(ray_here, make_campaign, workspace):
    generate(workspace)
    other = make_campaign()
    assert generate(other, start_engine=engine_of("ray")).made == EVERYTHING
    assert state(other) == state(workspace)
    (run,) = other.ledger.runs().values()
    assert (run["engine"], run["ray"]) == ("ray", ray_here.__version__)


def test_a_node_that_is_lost_costs_only_its_jobs_in_flight(ray_here, make_campaign, diary):
    from ray.cluster_utils import Cluster

    workspace = make_campaign("[test/one]", "  params: {test/one: {seconds: 1.0}}\n")
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    node = cluster.add_node(num_cpus=1)
    ray_here.init(address=cluster.address, log_to_driver=False)

    def lose_the_node() -> None:
        while len(actors()) < 2 or len([line for line in diary() if line.startswith("edit")]) < 4:
            time.sleep(0.05)
        cluster.remove_node(node, allow_graceful=False)

    loser = threading.Thread(target=lose_the_node, daemon=True)
    loser.start()
    try:
        counts = generate(workspace, start_engine=engine_of("ray", workers=2))
        loser.join(timeout=120)
        assert not loser.is_alive()
        assert (counts.made, counts.failed) == (N_PHOTOS * 3, 0)
        worked_on = Counter(line for line in diary() if line.startswith("edit"))
        assert sum(worked_on.values()) <= N_PHOTOS * 3 + IN_FLIGHT
    finally:
        ray_here.shutdown()
        cluster.shutdown()


def test_a_model_behind_an_api_runs_where_its_key_is(ray_here, make_campaign, monkeypatch):
    from ray.cluster_utils import Cluster

    monkeypatch.delenv("EDITFHF_TEST_KEY", raising=False)
    workspace = make_campaign("[test/one, test/keyed]")
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    try:
        # The cluster was there first, as another's would be: its nodes know nothing of the key.
        monkeypatch.setenv("EDITFHF_TEST_KEY", "known here only")
        ray_here.init(address=cluster.address, log_to_driver=False)
        assert ray_here.get(ray_here.remote(os.getenv).remote("EDITFHF_TEST_KEY")) is None
        assert generate(workspace, Selection(limit=4), engine_of("ray")).made == 4
    finally:
        ray_here.shutdown()
        cluster.shutdown()


def test_without_a_gpu_in_the_cluster_the_processor_helps(ray_here):
    ray_here.init(num_cpus=1, num_gpus=0, include_dashboard=False, log_to_driver=False)
    with pytest.raises(BadInput, match=r"the largest has 0.*slowly, with generate.options: {large: {device: cpu}}"):
        engine_of("ray")(None).n_workers(ModelLoad("large", {}, gpus=1))


def test_a_cluster_that_is_not_there_is_one_sentence(plugin, make_campaign, monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    with pytest.raises(BadInput, match=r"Ray cannot be reached at 127.0.0.1:1: Connection refused"):
        generate(make_campaign("[test/one]"), start_engine=engine_of("ray"))


def test_an_unknown_engine_is_one_sentence():
    with pytest.raises(BadInput, match=r"--engine slurm is not known.*local.*ray"):
        engine_of("slurm")


# On one Ray that they share


def test_actors_killed_during_the_run_lose_no_edit_and_double_none(shared_diary, make_campaign):
    workspace = make_campaign("[test/one]", "  params: {test/one: {seconds: 0.3}}\n")
    killed: list[int] = []

    def kill_some() -> None:
        while len(killed) < 3:
            time.sleep(0.05)
            made = sum(status == "done" for status in workspace_now.ledger.statuses().values())
            victims = actors()
            if victims and made > 2 * len(killed):
                os.kill(victims[0], signal.SIGKILL)
                killed.append(victims[0])
                while victims[0] in actors():
                    time.sleep(0.02)

    workspace_now = type(workspace).open(workspace.root)
    killer = threading.Thread(target=kill_some, daemon=True)
    killer.start()
    counts = generate(workspace, start_engine=engine_of("ray", workers=2))
    killer.join(timeout=120)
    assert len(killed) == 3
    assert (counts.made, counts.failed) == (N_PHOTOS * 3, 0)
    worked_on = Counter(line for line in shared_diary() if line.startswith("edit"))
    assert sum(worked_on.values()) <= N_PHOTOS * 3 + IN_FLIGHT * len(killed)
    assert set(workspace.ledger.statuses().values()) == {"done"}


def test_small_models_share_a_gpu(two_gpus):
    engine = engine_of("ray")(None)
    assert engine.n_workers(ModelLoad("small", {}, gpus=0.25)) == 8
    assert engine.n_workers(ModelLoad("less small", {}, gpus=0.4)) == 4
    assert engine.n_workers(ModelLoad("large", {}, gpus=1)) == 2


@pytest.mark.parametrize(
    ("gpus", "loaded"),
    [
        (1, {"loaded on GPU 0": 1, "loaded on GPU 1": 1}),
        (0.5, {"loaded on GPU 0": 2, "loaded on GPU 1": 2}),
    ],
)
def test_every_actor_sees_the_gpu_that_it_holds_and_no_other(shared_diary, make_campaign, gpus, loaded):
    workspace = make_campaign("[test/one]", f"  options: {{test/one: {{gpus: {gpus}}}}}\n")
    assert generate(workspace, start_engine=engine_of("ray")).made == N_PHOTOS * 3
    assert Counter(line for line in shared_diary() if "GPU" in line) == loaded


def test_a_job_that_kills_its_actor_three_times_is_set_aside(shared_diary, make_campaign):
    workspace = make_campaign("[test/one]")
    reword(workspace, "kill")
    counts = generate(workspace, start_engine=engine_of("ray"))
    assert (counts.failed, counts.made) == (1, N_PHOTOS * 3 - 1)


@pytest.mark.parametrize(
    ("start", "error", "message"),
    [
        ("refuse", BadInput, "test/one cannot be loaded"),
        ("die", JobFailed, "3 workers died before the model was loaded"),
    ],
)
def test_a_model_that_cannot_be_loaded_is_one_sentence(shared_diary, make_campaign, start, error, message):
    workspace = make_campaign("[test/one]", f"  options: {{test/one: {{start: {start}}}}}\n")
    with pytest.raises(error, match=message):
        generate(workspace, Selection(limit=2), engine_of("ray"))


def test_a_cluster_without_room_for_a_model_is_one_sentence_before_anything_is_made(shared_diary, make_campaign):
    workspace = make_campaign("[test/one, test/three]", "  options: {test/three: {gpus: 64}}\n")
    with pytest.raises(BadInput, match=r"test/three needs a node of the Ray cluster with 64 GPU, and the largest has"):
        generate(workspace, start_engine=engine_of("ray", workers=1))
    assert not workspace.ledger.finished()
    (problem,) = dry_run(workspace, start_engine=engine_of("ray")).problems
    assert "test/three needs a node" in str(problem)


def test_a_lost_gpu_costs_the_edit_that_lost_it_and_no_other(shared_diary, make_campaign):
    workspace = make_campaign("[test/one]")
    reword(workspace, "lose the GPU")
    counts = generate(workspace, start_engine=engine_of("ray"))
    assert (counts.failed, counts.made) == (1, N_PHOTOS * 3 - 1)
    (reason,) = workspace.ledger.reasons().values()
    assert reason == "Killed its worker 3 times (CUDA error: an illegal memory access was encountered)."


def test_with_smaller_gpus_in_the_cluster_asking_for_less_helps(two_gpus):
    with pytest.raises(BadInput, match=r"the largest has 2.*ask for less with generate.options: {large: {gpus: 1}}"):
        engine_of("ray")(None).n_workers(ModelLoad("large", {}, gpus=4))
