"""The memory table, and by how much it is above the limit."""

from benchmarks.memory import markdown


def test_a_peak_above_the_limit_is_named():
    row = {"what": "spectrum", "samples": 250, "promised_gb": 2.0, "before_gb": 0.3,
           "seconds": 9.0}
    text = markdown([row | {"peak_gb": 3.9}, row | {"peak_gb": 4.5}]).splitlines()
    assert text[2] == "| spectrum | 250 | 2 | 3.90 | 0.30 | yes | 9 |"
    assert "**missed by 0.5 GB**" in text[3]
