"""Words from outside, as a page shows them."""

import pytest

from app.text.outside import plain, unlinked

PICTURE = "![x](http://evil.example/x.png)"


def test_text_letter_for_letter():
    assert plain("a*b_[c](d) <e> `f` $g$ h1") == (
        r"a\*b\_\[c\]\(d\) \<e\> \`f\` \$g\$ h1")


def test_a_sentence_keeps_its_code_and_loses_its_links():
    assert unlinked(f"Run `ngf runs`. {PICTURE}") == f"Run `ngf runs`. !\\{PICTURE[1:]}"


@pytest.mark.parametrize("page, name", [("race", "run"), ("configure", "dataset"),
                                        ("configure", "attack")])
def test_a_picture_in_a_link_is_not_fetched(open_page, started, page, name):
    """A page that a stranger's link opened would otherwise ask his server for it."""
    app = open_page(page, **{name: PICTURE})
    told = [str(item.value) for item in (*app.toast, *app.error, *app.info, *app.warning)]
    assert any("evil.example" in value for value in told), told
    assert not any("![x](" in value for value in told)
