"""The methods' own parameters in a race's form: which there are, and whether those given are."""

import streamlit as st

from ngf_core.config import PurifyConfig
from ngf_core.errors import ConfigError


def parameter_list(methods: list[str]) -> None:
    """A switch that lists what the chosen methods have, with meaning, default and bounds."""
    if st.toggle("List the methods' parameters", key="list_parameters") and methods:
        # Imported on demand: the methods need torch.
        from ngf_core.purify.parameters import listed_parameters

        st.code(listed_parameters(methods), language=None, wrap_lines=True)


def wrong_parameters(config: PurifyConfig) -> ConfigError | None:
    """What is wrong with the parameters as typed in; None where the methods have them."""
    if not config.parameters.strip():
        return None
    from ngf_core.purify.parameters import check_parameters

    try:
        check_parameters(config)
    except ConfigError as error:
        return error
    return None
