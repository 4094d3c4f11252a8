"""The mutations of tests/mutations.py fit today's text; that tests kill them is measured there."""

import pytest

from tests.mutations import MUTATIONS, ROOT, Mutation


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_a_mutation_can_be_made(mutation):
    path = ROOT / mutation.file
    mutated = mutation.made_in(path.read_text())
    compile(mutated, str(path), "exec")
    assert mutated != path.read_text() and all((ROOT / test).is_file() for test in mutation.tests)


@pytest.mark.parametrize("text", ["", "a = 1; a = 1"])
def test_one_that_cannot_be_made_is_named(text):
    with pytest.raises(ValueError, match="'a rule' cannot be made. Write it for today's text"):
        Mutation("a rule", "rules.py", "a = 1", "a = 2", ()).made_in(text)
