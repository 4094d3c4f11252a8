"""The science stands without the dashboard, and its light parts without torch."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
BLOCKER = """
import importlib, importlib.abc, json, pkgutil, sys

class Blocker(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {blocked}:
            raise ImportError(name + " is blocked in this test")

sys.meta_path.insert(0, Blocker())
"""


def isolated(blocked: set[str], code: str) -> list[str]:
    """What `code` prints as JSON in a fresh interpreter that cannot import `blocked`."""
    done = subprocess.run([sys.executable, "-c", BLOCKER.format(blocked=blocked) + code],
                          cwd=ROOT, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_science_needs_no_dashboard():
    loaded = isolated({"streamlit", "plotly"}, """
import ngf_core
names = [m.name for m in pkgutil.walk_packages(ngf_core.__path__, "ngf_core.")]
for name in names:
    if not name.endswith("__main__"):
        importlib.import_module(name)
assert len(names) > 30, names
print(json.dumps(sorted({m.partition(".")[0] for m in sys.modules})))
""")
    assert "ngf_core" in loaded and "torch" in loaded
    assert not {"streamlit", "plotly", "app"} & set(loaded)


def test_configs_and_metrics_cost_no_torch():
    loaded = isolated({"torch"}, """
import ngf_core, ngf_core.config, ngf_core.evaluate.rates, ngf_core.errors
import ngf_core.runs.files, ngf_core.runs.lineage
import ngf_core.runs.attack_check, ngf_core.execute.cost, ngf_core.runs, ngf_core.runs.jobs
print(json.dumps(sorted(sys.modules)))
""")
    assert "ngf_core.config" in loaded and "torch" not in loaded


def test_workers_cost_no_torchvision():
    """Its import takes as long as torch's, and only imported networks and a few families need it.
    """
    loaded = isolated({"torchvision"}, """
import ngf_core.execute.train, ngf_core.execute.purify, ngf_core.execute.spectrum
import ngf_core.execute.landscape, ngf_core.execute.layers, ngf_core.execute.audit
import ngf_core.evidence.measuring, ngf_core.sweep.worker, ngf_core.sweep.zoo_worker
print(json.dumps(sorted(sys.modules)))
""")
    assert "torch" in loaded and "torchvision" not in loaded
