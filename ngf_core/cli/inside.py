"""`inside`: features, answers, channels and saliency of a run's models, before and after."""

import argparse

from ngf_core.cli.tables import print_json
from ngf_core.inside.settings import FEWEST, MOST, Look
from ngf_core.runs import default_store
from ngf_core.runs.files import MODEL_KINDS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", help=(
        "id of a finished train, import or purify run; `latest` is the newest"))
    parser.add_argument("--images", type=int, default=Look.images, metavar="N", help=(
        f"clean test images, and as many triggered ones ({FEWEST} to {MOST}; default "
        f"{Look.images})"))
    parser.add_argument("--seed", type=int, default=Look.seed, metavar="N",
                        help="of the draw of images and the noise of the saliency (default 0)")
    parser.add_argument("--layer", default=Look.layer, metavar="NAME",
                        help="layer whose channels are read (default: the last convolution)")
    parser.add_argument("--json", action="store_true", help="print as JSON")


def run(options: argparse.Namespace) -> int:
    look = Look(options.images, options.seed, options.layer)
    store = default_store()
    chosen = (store.latest("purify", *MODEL_KINDS) if options.run == "latest"
              else store.get(options.run))
    from ngf_core.inside.models import look_inside, salient
    from ngf_core.inside.report import text, told
    from ngf_core.trained.load import load_trained

    trained = load_trained(chosen.id, store)
    inside, found = look_inside(trained, look), salient(trained, look)
    if options.json:
        print_json(told(inside, found, look, chosen.id))
    else:
        print(text(inside, found, look))
    return 0
