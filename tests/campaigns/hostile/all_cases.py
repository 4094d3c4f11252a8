"""Every case of every subject.

What they need is imported here, once, and not in each case's own process.
"""

import pandas  # noqa: F401
import pyarrow.parquet  # noqa: F401

import app.widgets.runs.run_detail  # noqa: F401
import ngf_core.cli.data
import ngf_core.cli.export  # noqa: F401
import ngf_core.imports.take_in  # noqa: F401
from tests.campaigns.hostile.addresses import addresses
from tests.campaigns.hostile.bundles import bundles
from tests.campaigns.hostile.case import Case
from tests.campaigns.hostile.commands import commands
from tests.campaigns.hostile.configs import configs
from tests.campaigns.hostile.drawings import drawings
from tests.campaigns.hostile.headers import headers
from tests.campaigns.hostile.images import images
from tests.campaigns.hostile.manifests import manifests
from tests.campaigns.hostile.pickles import pickles
from tests.campaigns.hostile.weights import weights
from tests.campaigns.hostile.zips import zips


def all_cases(examples: int, seed: int) -> list[Case]:
    """All of them; Hypothesis draws `examples` for each of its own."""
    return [*pickles(), *zips(), *headers(), *weights(), *images(), *bundles(),
            *configs(examples, seed), *drawings(examples, seed), *manifests(examples, seed),
            *commands(examples, seed), *addresses(examples, seed)]
