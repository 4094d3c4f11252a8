"""What ships in assets/ stays small enough to be cloned in class."""

from pathlib import Path

ASSETS = Path(__file__).parents[1] / "assets"
MOST = 60_000_000  # bytes


def test_the_assets_together_stay_below_60_MB():
    sizes = {path: path.stat().st_size for path in ASSETS.rglob("*") if path.is_file()}
    assert 0 < sum(sizes.values()) <= MOST, max(sizes, key=sizes.__getitem__)
