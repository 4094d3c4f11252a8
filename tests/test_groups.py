"""Tests that share what is costly to make run in one process, if pytest-xdist knows their groups.

It marks them in the names of tests, in a way that not every pytest honours; without, each process
makes everything again, and nothing fails.
"""

import pytest


@pytest.mark.xdist_group("groups")
def test_the_name_of_a_test_tells_its_group(request):
    if not hasattr(request.config, "workerinput"):
        pytest.skip("one process alone has no groups")
    assert request.node.nodeid.endswith("@groups")
