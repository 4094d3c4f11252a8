"""The names of a run's files, without their suffix, and of its models in its results.

A model has one name everywhere: "before" is the one that a run received (in a training, the one it
trained), any other name is the method that purified it.
"""

# The kinds of run that begin with a model.
MODEL_KINDS = ("train", "import")
# The forms in which a model is given away, with their suffix.
FORMATS = {"safetensors": ".safetensors", "torch": ".pt"}
RECEIVED = "before"
SAMPLES = "samples"  # npz: the test images that are shown
ATTACK = "attack"    # safetensors: what the attack learned
TRIGGERED = "triggered"  # npz: triggered images that were given with an imported model
SLICES = "slices"    # npz: the loss along the eigenvectors of a spectrum
POISON = "poison"    # npz: which training images were poisoned


def model_file(kind: str | None, model: str) -> str:
    """The safetensors file with the weights of `model` in a run that holds models, of that kind."""
    if kind in MODEL_KINDS:
        return "model"
    return RECEIVED if model == RECEIVED else f"after_{model}"


def model_entry(kind: str | None, model: str) -> str:
    """The key of that model's rates in the run's results."""
    return kind if kind in MODEL_KINDS else model


def path_file(method: str) -> str:
    """The npz file with the method's path from the received model to its own."""
    return f"path_{method}"
