"""What a run's files are called, without their suffix, and its models in its results.

A model has one name everywhere: "before" is the one that a run received (of a training, the one
it made), any other name is the method that purified it.
"""

RECEIVED = "before"
SAMPLES = "samples"  # npz: the test images that are shown
ATTACK = "attack"    # safetensors: what the attack learned
POISON = "poison"    # npz: which training images were poisoned


def model_file(kind: str | None, model: str) -> str:
    """The safetensors file with the weights of `model` in a run of that kind, train or purify."""
    if kind == "train":
        return "model"
    return RECEIVED if model == RECEIVED else f"after_{model}"


def model_entry(kind: str | None, model: str) -> str:
    """Where the rates of that model stand in the run's results."""
    return "train" if kind == "train" else model


def path_file(method: str) -> str:
    """The npz file with the way that the method took from the received model to its own."""
    return f"path_{method}"
