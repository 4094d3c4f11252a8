"""Relative flatness of every layer.

For a layer with weight matrix W (rows w_s, one per neuron or filter) and the Hessian blocks
H_{s,s'} = d^2 L / dw_s dw_s' (Petzka, Kamp, Adilova, Sminchisescu, Boley, NeurIPS 2021, Def. 3):

    kappa = sum_{s,s'} <w_s, w_s'> tr(H_{s,s'}) = sum_{m,j} vec(W e_m e_j^T)^T H vec(W e_m e_j^T)
          = E vec(W Z)^T H vec(W Z),   Z of independent signs.

So a probe is the direction W Z and costs one pass. Biases and BatchNorm do not move.
"""

import torch

from ngf_core.curvature.sharpness.reading import Reading, SharpnessMeasure, standard_error
from ngf_core.curvature.sharpness.subject import Subject
from ngf_core.errors import NGFError

PROBES = 4


def read(subject: Subject) -> Reading:
    """The sum over the layers, with each layer as a part."""
    layers = {name: layer(subject, name) for name in subject.layers()}
    if not layers:
        raise NGFError("Relative flatness needs a linear or convolutional layer among the "
                       "measured parameters, and there is none.")
    draws = torch.stack([part.draws for part in layers.values() if part.draws is not None]).sum(0)
    shares = torch.stack([part.shares for part in layers.values()]).sum(0)
    return Reading(float(shares.mean()), shares, standard_error(draws), _ERROR, draws, layers)


def layer(subject: Subject, name: str, probes: int = PROBES) -> Reading:
    """kappa of the layer called `name`."""
    weight = subject.layers()[name].weight.detach()
    rows = weight.flatten(1)
    generator, width = subject.generator(), rows.shape[1]
    key = f"{name}.weight" if name else "weight"
    found = []
    for _ in range(probes):
        signs = torch.randint(0, 2, (width, width), generator=generator).to(rows) * 2 - 1
        found.append(subject.curvatures(subject.flatten({key: rows @ signs})))
    shares = torch.stack(found)
    draws = shares.mean(1)
    return Reading(float(draws.mean()), shares.mean(0), standard_error(draws), _ERROR, draws)


_ERROR = f"standard error over {PROBES} probes"

MEASURE = SharpnessMeasure(
    "relative flatness", "Trace of each layer's Hessian weighted by the products of its neurons' "
    "weights, summed over the layers (smaller is flatter).",
    "the scale of the logits; rescaling layers does not move it", read, cheap=False)
