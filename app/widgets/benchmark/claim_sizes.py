"""At which size of network the claim holds: a sentence per part and data set, figure, table."""

import pandas as pd
import streamlit as st

from app.figures import sizes as figures
from app.figures.origin import of_table
from app.read.once import once
from app.text import sections
from app.widgets.controls.address import choose
from app.widgets.controls.figure_card import figure_card
from ngf_core.evidence.growth import HEAD, growth, growth_row
from ngf_core.evidence.sizes import PARTS, WEIGHTS, command, datasets, means, models, sizes
from ngf_core.evidence.sizes_words import claim_text, finding
from ngf_core.evidence.verdict import MEASURES, measure_title

TEXT = sections("claim")


def claim_sizes(dark: bool) -> None:
    """The claim at all sizes whose tables exist; for the others, the commands that compute them."""
    st.header(TEXT["sizes title"], anchor=False)
    found = sizes()
    table = once(means, found)
    measure = choose("size", "Measure of sharpness",
                     {name: measure_title(name) for name in MEASURES}, "lambda_max")
    for part in PARTS:
        told = [finding(table, part, dataset, measure) for dataset in datasets(found)]
        st.markdown("\n".join([f"**{claim_text(part, measure)}:**\n",
                               *(f"- {words[0].upper()}{words[1:]}" for words in told)]))
    if table.empty:
        st.info(TEXT["sizes none"], icon=":material/hourglass_empty:")
    else:
        figure_card(once(figures.size_panels, once(models, found), table, measure, dark=dark),
                    key="claim_sizes", caption=TEXT["sizes"], table=figures.size_table(table),
                    origin=of_table(once(models, found),
                                    " && ".join(one.command for one in found)),
                    filename=f"claim-sizes-{measure}",
                    alt=figures.size_alt(table, measure),
                    columns=len(PARTS))
    st.caption(TEXT["sizes rule"])
    if steps := once(growth, found):
        st.markdown(TEXT["sizes growth"])
        st.dataframe(pd.DataFrame(map(growth_row, steps), columns=HEAD), hide_index=True,
                     height="content", key="claim_growth")
    there = {(one.dataset, one.arch) for one in found}
    missing = [command(dataset, arch) for dataset in datasets(found) for arch in WEIGHTS
               if (dataset, arch) not in there]
    if missing:
        with st.expander(f"{len(missing)} sizes are not measured", key="claim_sizes_missing"):
            st.markdown(TEXT["sizes missing"])
            st.code("\n".join(missing), language="bash", wrap_lines=True)
