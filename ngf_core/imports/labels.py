"""Another order of a network's outputs than the data set's labels have."""

from ngf_core.errors import ConfigError


def order_of(labels: str, classes: int) -> list[int]:
    """The network's output for each label. Raises ConfigError unless each output is named once."""
    try:
        order = [int(part) for part in labels.split(",")]
    except ValueError:
        order = []
    if sorted(order) != list(range(classes)):
        raise ConfigError("labels", f"{labels[:60]!r} does not name each of the {classes} outputs "
                          "once", "Write the output for each label, as 2,0,1.")
    return order
