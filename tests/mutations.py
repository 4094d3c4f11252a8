"""Breaks one formula at a time and asks the tests whether they notice: python -m tests.mutations.

Each mutation replaces one piece of text in a copy of the tree, where the tests named for it then
run: they must fail (killed), and must have passed before. Prints a table, and ends with 1 where one
survived. Names given as arguments choose mutations. It takes some minutes and is no part of pytest;
run it after changing a formula that stands here, and add the formula of a new method.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PASSED, FAILED = 0, 1  # exit codes of pytest


@dataclass(frozen=True)
class Mutation:
    """In `file`, the one place that reads `old` is made to read `new`; `tests` must notice."""

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]

    def made_in(self, text: str) -> str:
        """The mutated text; ValueError where `old` does not stand in it exactly once."""
        if text.count(self.old) != 1:
            raise ValueError(f"{self.file} has {self.old!r} {text.count(self.old)} times, so "
                             f"{self.name!r} cannot be made. Write it for today's text.")
        return text.replace(self.old, self.new)


SPLITS = ("tests/core/test_clean_splits.py",)
MUTATIONS = (
    Mutation("NGF's damping", "ngf_core/fisher/natural.py",
             "return self.value * trace / rows if self.relative else self.value",
             "return self.value * trace if self.relative else self.value",
             ("tests/core/fisher/test_natural.py",)),
    Mutation("NGF's trust region", "ngf_core/purify/methods/ngf.py",
             "scale = min(rate, math.sqrt(bound / max(natural.length, 1e-30)))",
             "scale = rate",
             ("tests/core/purify/methods/test_ngf.py",)),
    Mutation("ASR's left-out target class", "ngf_core/attacks/attack.py",
             "changes = self.target_labels(y) != y",
             "changes = self.target_labels(y) == self.target_labels(y)",
             ("tests/core/evaluate/test_test_set.py",)),
    Mutation("RA", "ngf_core/evaluate/test_set.py",
             "_hits(predicted, test.triggered.y)", "_hits(predicted, test.wanted)",
             ("tests/core/evaluate/test_test_set.py",)),
    Mutation("DER", "ngf_core/evaluate/rates.py",
             "(gain - cost + 1) / 2", "(gain + cost + 1) / 2",
             ("tests/core/evaluate/test_rates.py",)),
    Mutation("re-orthogonalisation", "ngf_core/curvature/spectral/basis.py",
             "return w - self.combine(second), first + second", "return w, first",
             ("tests/core/curvature/spectral/test_basis.py",
              "tests/core/curvature/spectral/test_lanczos.py")),
    Mutation("filter normalisation", "ngf_core/landscape/directions.py",
             "scale = filters.norm(dim=1, keepdim=True)", "scale = filters.norm()",
             ("tests/core/landscape/test_directions.py",)),
    Mutation("what is a filter", "ngf_core/landscape/directions.py",
             "if rows.shape[1] == 1:", "if weight.dim() < 2:",
             ("tests/core/landscape/test_directions.py",)),
    Mutation("rounding in residuals", "ngf_core/curvature/spectral/lanczos.py",
             "return torch.finfo(dtype).eps * values.abs().max().item()", "return 0.0",
             ("tests/core/curvature/spectral/test_eigenvalues.py",)),
    Mutation("an unfinished search for repeats", "ngf_core/curvature/spectral/eigenvalues.py",
             "converged[1:] = False", "pass",
             ("tests/core/curvature/spectral/test_eigenvalues.py",)),
    Mutation("class weights over batches", "ngf_core/curvature/operators/loss_operator.py",
             "check_mean(self._loss, outputs, self._targets(seen.kept))", "pass",
             ("tests/core/curvature/test_operators.py",)),
    Mutation("float32 for half precision", "ngf_core/purify/precision.py",
             "COARSE = (torch.float16, torch.bfloat16)", "COARSE = ()",
             ("tests/core/purify/test_precision.py",)),
    Mutation("deflated trace", "ngf_core/curvature/spectral/deflated_trace.py",
             "samples.append(exact + left * _dot(", "samples.append(exact + operator.size * _dot(",
             ("tests/core/curvature/spectral/test_deflated_trace.py",)),
    Mutation("the slope of a slice", "ngf_core/curvature/sharpness/slices.py",
             "slopes[i] = gradient @ along", "slopes[i] = 0.0",
             ("tests/core/curvature/sharpness/test_slices.py",)),
    Mutation("Wilson interval", "ngf_core/evaluate/rates.py",
             "z * z / (4 * n * n)", "z * z / (4 * n)",
             ("tests/core/evaluate/test_rates.py",)),
    Mutation("oracle", "ngf_core/layers/oracle.py",
             "min(allowed, ", "min(mine, ",
             ("tests/core/layers/test_rules.py",)),
    Mutation("judging images tune a layer", "ngf_core/layers/sweep.py",
             "tuning, judging = split(clean)", "tuning, judging = clean, split(clean)[1]", SPLITS),
    Mutation("tuning images judge a layer", "ngf_core/layers/sweep.py",
             "tuning, judging = split(clean)", "tuning, judging = split(clean)[0], clean", SPLITS),
    Mutation("judging images try a step size", "ngf_core/purify/step_size.py",
             "clean.take(first), clean.take(others)", "clean.take(first), clean", SPLITS),
    Mutation("tried images judge a step size", "ngf_core/purify/step_size.py",
             "clean.take(first), clean.take(others)", "clean, clean.take(others)", SPLITS),
)


def copied(folder: Path) -> Path:
    """The tracked and new files of this tree in `folder`; the assets are those of the tree."""
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, check=True,
                            capture_output=True, text=True).stdout.splitlines()
    for name in listed:
        if not name.startswith("assets/") and (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, folder / name)
    (folder / "assets").symlink_to(ROOT / "assets")
    return folder


def tested(tree: Path, tests: Sequence[str]) -> int:
    """pytest's exit code over `tests`, which import the package of that tree."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-n", "0", "-p", "no:cacheprovider"]
    return subprocess.run([*command, *tests], cwd=tree, capture_output=True,
                          env=os.environ | {"PYTHONPATH": str(tree)}).returncode


def is_killed(tree: Path, mutation: Mutation) -> bool:
    """Whether the tests fail under the mutation; the tree is put back."""
    path = tree / mutation.file
    text = path.read_text()
    path.write_text(mutation.made_in(text))
    try:
        code = tested(tree, mutation.tests)
    finally:
        path.write_text(text)
    if code not in (PASSED, FAILED):
        raise SystemExit(f"pytest ended with {code} under {mutation.name!r}: no test was run.")
    return code == FAILED


def main(names: Sequence[str]) -> int:
    chosen = [one for one in MUTATIONS if not names or one.name in names]
    if set(names) - {one.name for one in chosen}:
        raise SystemExit(f"Choose from: {', '.join(repr(one.name) for one in MUTATIONS)}.")
    survived = 0
    with tempfile.TemporaryDirectory() as folder:
        tree = copied(Path(folder))
        whole = sorted({test for one in chosen for test in one.tests})
        if tested(tree, whole) != PASSED:
            raise SystemExit(f"These fail without any mutation: {', '.join(whole)}.")
        print("| mutation | in | becomes | |\n| --- | --- | --- | --- |")
        for one in chosen:
            killed = is_killed(tree, one)
            survived += not killed
            print(f"| {one.name} | {one.file} | `{one.new}` | "
                  f"{'killed' if killed else 'SURVIVED'} |", flush=True)
    print(f"\n{len(chosen) - survived} of {len(chosen)} killed.")
    return int(survived > 0)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
