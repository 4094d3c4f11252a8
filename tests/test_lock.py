"""requirements.lock is what requirements.txt asks for, whole, with a hash for every file."""

import re
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]
PIN = re.compile(r"^([A-Za-z0-9._-]+)==(\S+)", re.MULTILINE)
HASH = re.compile(r"^    --hash=sha256:[0-9a-f]{64}( \\)?$")


def pins(name: str) -> dict[str, str]:
    """Canonical name -> version of the pinned lines of a file."""
    found = PIN.findall((ROOT / name).read_text())
    return {canonicalize_name(package): version for package, version in found}


def is_locked(requirement: Requirement, locked: dict[str, str]) -> bool:
    """Whether a package in the lock fits a requirement."""
    version = locked.get(canonicalize_name(requirement.name))
    return version is not None and requirement.specifier.contains(version, prereleases=True)


@pytest.mark.parametrize("name, version", sorted(
    (pins("requirements.txt") | pins("constraints.txt")).items()))
def test_a_pinned_package_is_locked_at_its_version(name, version):
    locked = pins("requirements.lock").get(name)
    assert locked is not None, f"{name} is not in requirements.lock. `make lock` writes it anew."
    assert Version(locked).public == version, "`make lock` writes requirements.lock anew."


def test_the_scan_for_vulnerabilities_shares_no_word_with_the_audit_of_sharpness():
    make = (ROOT / "Makefile").read_text()
    assert "\nvulnerabilities: " in make and "\naudit:" not in make
    assert "make vulnerabilities" in (ROOT / "docs/serve.md").read_text()
    assert not [path for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"))
                if "make audit " in path.read_text().replace("`make audit` is", "")]


def test_torch_is_the_wheel_without_cuda_and_brings_none():
    locked = pins("requirements.lock")
    assert locked["torch"].endswith("+cpu")
    assert not [name for name in locked if name.startswith(("nvidia", "cuda", "triton"))]


def test_every_package_has_hashes_and_no_line_says_from_where():
    text = (ROOT / "requirements.lock").read_text()
    lines = [line for line in text.splitlines() if line and not line.lstrip().startswith("#")]
    unhashed = [one for one, after in zip(lines, [*lines[1:], ""], strict=True)
                if "==" in one and not HASH.match(after)]
    assert not unhashed
    assert all(HASH.match(line) or PIN.match(line) for line in lines)
    assert "://" not in text and "/opt" not in text


@pytest.mark.parametrize("name, version", sorted(pins("requirements.lock").items()))
def test_what_a_locked_package_needs_is_locked_too(name, version):
    """By the metadata of the installed package, where it is the locked one."""
    try:
        there = distribution(name)
    except PackageNotFoundError:
        pytest.skip("not installed here")
    if Version(there.version).public != Version(version).public:
        pytest.skip(f"{there.version} is installed here")
    needs = [Requirement(text) for text in there.requires or ()]
    needs = [one for one in needs if one.marker is None or one.marker.evaluate({"extra": ""})]
    missing = [str(one) for one in needs if not is_locked(one, pins("requirements.lock"))]
    assert not missing, f"{name} {version} needs {missing}; `make lock` writes the lock anew."
