"""Which layer to tune: the map over all of them, and rules that see clean data only."""

from ngf_core.layers.choose import LayerChoice, choose_layer

__all__ = ["LayerChoice", "choose_layer"]
