"""Errors written for people: what was wrong, where, what was expected, what to do."""


class NGFError(Exception):
    """Anything a user can act on. Its text is one or two sentences, displayed unchanged."""


class ConfigError(NGFError):
    """A setting that cannot be used.

    `field` names it, `why` is what is wrong with its value, `fix` what to do.
    """

    def __init__(self, field: str, why: str, fix: str) -> None:
        super().__init__(f"{field}: {why}. {fix}")
        self.field, self.why, self.fix = field, why, fix


class RunError(NGFError):
    """A run directory that is missing, broken, or not in the state the request needs."""


def shown(text: object, most: int = 120) -> str:
    """Text from outside as a message may hold it: in one line, printable, at most so long."""
    return "".join(c if c.isprintable() else " " for c in str(text)[:most])
