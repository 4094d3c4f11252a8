"""The floor of ASR: how often a benign model gives triggered images the attacker's label."""

import hashlib
import json
from typing import Any

from ngf_core.evaluate.test_set import build_test_set, evaluate
from ngf_core.evidence.cells import Cell
from ngf_core.runs import RunStore
from ngf_core.runs.disk import replace_file
from ngf_core.runs.files import RECEIVED
from ngf_core.runs.lineage import weights_sha
from ngf_core.trained.load import load_trained


def floor(backdoored: Cell, benign: Cell, store: RunStore) -> dict[str, Any]:
    """ACC, ASR and RA of the benign model under the trigger of the backdoored one; kept on disk.

    The trigger is the one that the training run `backdoored` made or learned.
    """
    trained = [store.get(cell.run_id) for cell in (backdoored, benign)]
    models = "".join(weights_sha(run, RECEIVED) for run in trained)
    key = hashlib.sha256(models.encode()).hexdigest()[:16]
    kept = store.root / "floors" / f"{key}.json"
    if not kept.exists():
        source = load_trained(backdoored.run_id, store)
        model = load_trained(benign.run_id, store).models[RECEIVED]
        rates = evaluate(model, build_test_set(source.dataset.test, source.attack)).to_json()
        kept.parent.mkdir(parents=True, exist_ok=True)
        replace_file(kept, json.dumps(rates).encode())
    return json.loads(kept.read_text())
