"""A real Ray cluster of several nodes on the loopback: no work lost or repeated, and the records of one machine."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from commands import Truth, first_block, study, truth
from postgres import Server

from benchmark.records import predictions
from benchmark.study import Study
from benchmark.tuning import storage

os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"  # as for --cluster local
ray = pytest.importorskip("ray", reason="needs the extra 'cluster'")


@pytest.fixture(scope="module")
def nodes(server: Server) -> Iterator[Any]:
    """A head node without CPUs to train on, and two worker nodes with one CPU each."""
    from ray.cluster_utils import Cluster

    os.environ["PYTHONPATH"] = f"{Path(__file__).parent}{os.pathsep}{Path.cwd()}"
    local = {"node_ip_address": "127.0.0.1", "object_store_memory": 80_000_000, "include_dashboard": False}
    found = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, **local})
    del local["include_dashboard"]
    found.workers = [found.add_node(num_cpus=1, **local) for _ in range(2)]
    found.local = local
    from benchmark.execution.cluster import connected

    with connected(found.address):
        yield found
    found.shutdown()
    del os.environ["PYTHONPATH"]


def studies(server: Server, folder: Path) -> list[Study]:
    url = storage.storage_url(server.url, folder)
    found = [replace(study(folder, model), storage=url, namespace=folder.name, run="one") for model in ("mlp", "dcnv2")]
    for one in found:
        storage.open_study(one)
    return found


def listening() -> set[str]:
    """Return the local addresses, in the kernel's hexadecimal, on which this machine's Ray processes listen."""
    sockets = {}
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A":
                sockets[f"socket:[{fields[9]}]"] = fields[1].partition(":")[0]
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if b"ray" not in (process / "cmdline").read_bytes():
                continue
            found |= {sockets[target] for fd in (process / "fd").iterdir() if (target := str(fd.readlink())) in sockets}
        except OSError:
            continue
    return found


LOOPBACK = {"0100007F", "00000000000000000000000001000000", "0000000000000000FFFF00000100007F"}


def test_killing_a_node_during_a_study_loses_nothing(nodes: Any, server: Server, tmp_path: Path, whole: Truth) -> None:
    from benchmark.execution.cluster import in_cluster

    killed = []

    def kill_a_node(event: Any) -> None:
        if event.finished and not killed:
            killed.append(nodes.workers.pop())
            nodes.remove_node(killed[0], allow_graceful=False)
            nodes.workers.append(nodes.add_node(num_cpus=1, **nodes.local))

    found = studies(server, tmp_path)
    in_cluster(found, 0, kill_a_node)
    assert killed and truth(tmp_path) == first_block(whole, "mlp", "dcnv2")
    for one in found:
        for final in [record for record in one.records() if record.kind == "final"]:
            path = predictions.prediction_file(tmp_path, one.dataset, one.model, one.budget, final.seed)
            assert predictions.digest(*predictions.read(path)) == final.predictions, "the leader has them"


def test_ray_listens_on_the_loopback_only(nodes: Any) -> None:
    addresses = listening()
    assert addresses and addresses <= LOOPBACK


def test_a_worker_stalled_past_its_grace_period_is_excluded_and_its_study_recorded_once(
    nodes: Any, server: Server, tmp_path: Path, whole: Truth
) -> None:
    from benchmark.execution.cluster import in_cluster

    stalled: list[int] = []

    def stall(event: Any) -> None:
        if event.finished and not stalled:
            for process in Path("/proc").glob("[0-9]*"):
                try:
                    if (process / "cmdline").read_bytes().startswith(b"ray::_work"):
                        stalled.append(int(process.name))
                except OSError:
                    continue
            os.kill(stalled[0], signal.SIGSTOP)
            nodes.workers.append(nodes.add_node(num_cpus=1, **nodes.local))  # the stalled worker keeps its CPU
            threading.Timer(25, os.kill, (stalled[0], signal.SIGCONT)).start()

    began = time.monotonic()
    in_cluster(studies(server, tmp_path), 0, stall, grace_seconds=6)
    assert stalled and truth(tmp_path) == first_block(whole, "mlp", "dcnv2")
    time.sleep(max(0.0, 27 - (time.monotonic() - began)))
    assert truth(tmp_path) == first_block(whole, "mlp", "dcnv2"), "the stalled worker, awake again, wrote nothing"


def _work_that_stalls(found: Study, leader: Any) -> None:
    """Finish a study; the first training of all sleeps for ever in its third step."""
    from test_stalls import stall_first

    from benchmark.execution.cluster import _work as work

    with stall_first(lambda: bool(ray.get(leader.records.remote(found)))):
        work(found, leader)


def test_a_training_that_stands_still_on_a_worker_is_a_failed_record_and_the_study_goes_on(
    nodes: Any, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from benchmark.execution import cluster

    monkeypatch.setattr(cluster, "_work", _work_that_stalls)
    one = replace(studies(server, tmp_path)[0], stall_seconds=6.0)
    cluster.in_cluster([one], 0, lambda event: None)
    assert [(r.kind, r.status, r.error) for r in one.records()] == [
        ("trial", "failed", "no further step for 6 s; given up"),
        *[("trial", "complete", None)] * 2,
        ("final", "complete", None),
    ]


def test_workers_sharing_a_study_run_each_trial_once_and_mark_trials_as_inexact(
    nodes: Any, server: Server, tmp_path: Path
) -> None:
    from benchmark.execution.cluster import in_cluster

    one = studies(server, tmp_path)[0]
    in_cluster([one], 0, lambda event: None, share=2)
    found = one.records()
    complete = [r for r in found if r.kind == "trial" and r.status == "complete"]
    assert 2 <= len(complete) <= 3 and len({r.seed for r in complete}) == len(complete)
    assert not any(r.exact for r in found if r.kind == "trial")
    assert [r.status for r in found if r.kind == "final"] == ["complete"]
