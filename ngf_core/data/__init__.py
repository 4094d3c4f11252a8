"""Data sets. A new one is a module here with `CLASS_NAMES` and `load()`, and a line below.

`load() -> (images uint8 (n, C, H, W), labels int64 (n,))` returns all images in a fixed order
that mixes the classes; `ngf_core.data.dataset` splits them.
"""

DATASETS = {
    "signs": "ngf_core.data.signs",
    "digits": "ngf_core.data.digits",
}
