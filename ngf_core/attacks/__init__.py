"""Attacks. A new one is a module here with a subclass of `Attack`, and an entry below."""

from collections import ChainMap
from dataclasses import dataclass

from ngf_core.registry import Entry


@dataclass(frozen=True)
class AttackEntry(Entry):
    """`aim` is the ASR from which the attack counts as successful: lower where known to be hard.

    `learns`: it has to be fitted before its trigger can be made (`Attack.learns` says what).
    """

    aim: float = 0.9
    learns: bool = False


HARD = 0.8
ATTACKS = {
    "badnets": AttackEntry("BadNets", "ngf_core.attacks.badnets:BadNets"),
    "blend": AttackEntry("Blend", "ngf_core.attacks.blend:Blend"),
    "troj_one": AttackEntry("Troj-one", "ngf_core.attacks.troj:TrojOne", learns=True),
    "troj_all": AttackEntry("Troj-all", "ngf_core.attacks.troj:TrojAll", learns=True),
    "sig": AttackEntry("SIG", "ngf_core.attacks.sig:SIG"),
    "dyn_one": AttackEntry("Dyn-one", "ngf_core.attacks.dyn:DynOne", learns=True),
    "dyn_all": AttackEntry("Dyn-all", "ngf_core.attacks.dyn:DynAll", learns=True),
    "clb": AttackEntry("CLB", "ngf_core.attacks.clb:CLB", HARD, learns=True),
    "cba": AttackEntry("CBA", "ngf_core.attacks.cba:CBA", HARD, learns=True),
    "fba": AttackEntry("FBA (DFST-lite)", "ngf_core.attacks.fba:FBA", HARD),
    "lira": AttackEntry("LIRA", "ngf_core.attacks.lira:LIRA", HARD, learns=True),
    "wanet": AttackEntry("WaNet", "ngf_core.attacks.wanet:WaNet"),
    "issba": AttackEntry("ISSBA", "ngf_core.attacks.issba:ISSBA", HARD, learns=True),
    "bpp": AttackEntry("BppAttack", "ngf_core.attacks.bpp:BppAttack"),
}
# What no paper describes: it can be trained like any other, but zoo and benchmark have `ATTACKS`.
PAINTED = "painted"
OWN = {PAINTED: AttackEntry("Painted trigger", "ngf_core.attacks.painted:Painted")}
EVERY_ATTACK = ChainMap(OWN, ATTACKS)
