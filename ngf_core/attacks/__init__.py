"""Attacks. A new one is a module here with a subclass of `Attack` and a line below."""

ATTACKS = {
    "badnets": "ngf_core.attacks.badnets:BadNets",
    "blend": "ngf_core.attacks.blend:Blend",
    "sig": "ngf_core.attacks.sig:SIG",
    "wanet": "ngf_core.attacks.wanet:WaNet",
}
