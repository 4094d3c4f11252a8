"""The entry point of NGF Lab: page config, navigation, the page in its frame."""

import streamlit as st

from app.frame import framed, styled
from app.read.lesson.presenting import without_menus
from app.widgets.controls.entrance import admitted
from ngf_core.paths import shipped

st.set_page_config("NGF Lab", page_icon=str(shipped("assets", "icon.png")), layout="wide")
styled()
page = st.navigation({
    "Learn": [
        st.Page("app/views/start.py", title="Start", icon=":material/play_circle:"),
        st.Page("app/views/lesson.py", title="Lesson", icon=":material/school:"),
        st.Page("app/views/attacks.py", title="Attacks", icon=":material/bug_report:"),
        st.Page("app/views/landscape.py", title="Landscape", icon=":material/terrain:"),
        st.Page("app/views/spectrum.py", title="Spectrum", icon=":material/bar_chart:"),
        st.Page("app/views/inside.py", title="Inside", icon=":material/visibility:"),
        st.Page("app/views/layers.py", title="Layers", icon=":material/layers:"),
    ],
    "Run": [
        st.Page("app/views/configure.py", title="Configure", icon=":material/tune:"),
        st.Page("app/views/import_model.py", title="Your model", icon=":material/login:"),
        st.Page("app/views/race.py", title="Race", icon=":material/flag:"),
    ],
    "Evidence": [
        st.Page("app/views/leaderboard.py", title="Leaderboard", icon=":material/leaderboard:"),
        st.Page("app/views/ablation.py", title="Ablation", icon=":material/science:"),
        st.Page("app/views/claim.py", title="Sharpness claim", icon=":material/gavel:"),
        st.Page("app/views/compare.py", title="Compare", icon=":material/compare_arrows:"),
        st.Page("app/views/audit.py", title="Audit", icon=":material/policy:"),
        st.Page("app/views/sweep.py", title="Sweep", icon=":material/grid_on:"),
        st.Page("app/views/runs.py", title="Runs", icon=":material/list:"),
    ],
}, position="top" if (inside := admitted()) and not without_menus() else "hidden")
if inside:
    framed(page)
