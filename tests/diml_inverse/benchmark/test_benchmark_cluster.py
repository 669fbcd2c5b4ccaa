"""The same cells on a Ray cluster of two nodes on this machine: the same numbers, and failures as contained."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from benchmark_tasks import CONGESTION, UNSTRUCTURED
from places import HELPERS, ROOT

from diml_inverse.benchmark.reports.results import read_records, write_results
from diml_inverse.benchmark.running.cells import Cell
from diml_inverse.benchmark.running.cluster import cluster
from diml_inverse.benchmark.running.runner import run_suite

CELLS = [Cell(task, name, 0) for task in (CONGESTION, UNSTRUCTURED) for name in ("equilibrium", "tabular")]
# A process of its own: Ray changes much in the one it is started in.
DRIVER = """
import sys
from pathlib import Path

from ray.cluster_utils import Cluster
from test_benchmark_cluster import CELLS
from test_benchmark_contained import cell
from diml_inverse.benchmark.running.limits import Limits
from diml_inverse.benchmark.running.runner import run_suite

if __name__ == "__main__":
    nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    nodes.add_node(num_cpus=1)
    bad = [cell(how, how) for how in ("raise_", "exit")]
    run_suite([*CELLS, *bad], Path(sys.argv[1]), limits=Limits(seconds=120), ray=nodes.address)
"""


@pytest.mark.slow
def test_a_cluster_of_two_nodes_gives_the_same_numbers(tmp_path):
    pytest.importorskip("ray")
    script, there, here = tmp_path / "driver.py", tmp_path / "there", tmp_path / "here"
    script.write_text(DRIVER)
    paths = os.pathsep.join([str(HELPERS), str(ROOT), str(Path(__file__).parent)])
    subprocess.run([sys.executable, script, there], env=os.environ | {"PYTHONPATH": paths}, check=True, timeout=600)
    run_suite(CELLS, here)
    failed = {record.estimator: record.note for record in read_records(there) if record.failed}
    assert failed == {"raise_": "RuntimeError: no fit today", "exit": "its process ended with exit code 3"}
    tables = [write_results(folder) for folder in (there, here)]
    timeless = [
        table[~table["metric"].isin(["fit_seconds", "error"])]
        .drop(columns=["seconds", "peak_memory_mb"])
        .reset_index(drop=True)
        for table in tables
    ]
    pd.testing.assert_frame_equal(*timeless, check_exact=True)


def test_without_ray_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ValueError, match=r"pip install 'diml\[cluster\]'"), cluster("auto"):
        pass


def test_an_address_where_nobody_answers_is_said_at_once():
    pytest.importorskip("ray")
    with socket.socket() as bound:  # bound, but not listening: nobody else's port
        bound.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{bound.getsockname()[1]}"
        with pytest.raises(ConnectionError, match=f"no Ray cluster answers at {address}"), cluster(address):
            pass
