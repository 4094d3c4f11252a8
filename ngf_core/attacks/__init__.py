"""Attacks. A new one is a module here with a subclass of `Attack` and a line below."""

from ngf_core.registry import Entry

ATTACKS = {
    "badnets": Entry("BadNets", "ngf_core.attacks.badnets:BadNets"),
    "blend": Entry("Blend", "ngf_core.attacks.blend:Blend"),
    "sig": Entry("SIG", "ngf_core.attacks.sig:SIG"),
    "wanet": Entry("WaNet", "ngf_core.attacks.wanet:WaNet"),
}
