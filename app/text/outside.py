"""Text from outside (an address, a file, a run's message) as a page may show it."""

MARKDOWN = "\\`*_{}[]<>()#+-!|$:~"


def plain(text: str) -> str:
    """The text letter for letter, without what Markdown would make of it."""
    return "".join(f"\\{letter}" if letter in MARKDOWN else letter for letter in text)


def unlinked(text: str) -> str:
    """A sentence of ours with words from outside in it: code stays code, but nothing in it becomes
    a link, a picture or coloured text."""
    return text.replace("[", "\\[")
