"""Colours, dashes and symbols, one meaning each, and the Plotly template of every figure.

Okabe-Ito hues; methods differ in hue, dash and the label at the end of the line, so that no figure
needs colour vision. Cividis for surfaces, blue-orange around zero for differences.
"""

from dataclasses import dataclass

import plotly.graph_objects as go

from ngf_core.purify.registry import PURIFIERS


@dataclass(frozen=True)
class MethodStyle:
    """How one model or method is drawn wherever it appears.

    `dash` is Plotly's name of the stroke and `stroke` the same as an ECharts line type; `symbol`
    is Plotly's name of the marker.
    """

    label: str
    color: str
    dash: str
    symbol: str
    stroke: str | tuple[int, ...] = "solid"


METHODS: dict[str, MethodStyle] = {
    "ngf": MethodStyle(PURIFIERS["ngf"].title, "#0072B2", "solid", "circle", "solid"),
    "sgd": MethodStyle(PURIFIERS["sgd"].title, "#D55E00", "dash", "square", (8, 5)),
    "finetune": MethodStyle(PURIFIERS["finetune"].title, "#009E73", "dashdot", "diamond",
                            (9, 4, 2, 4)),
    "ngf_released": MethodStyle("NGF as released", "#0072B2", "longdashdot", "circle-open",
                                (14, 4, 2, 4)),
    "before": MethodStyle("No defense", "#777777", "dot", "x", (2, 4)),
    "benign": MethodStyle("Benign", "#CC79A7", "longdash", "triangle-up", (14, 5)),
    "train": MethodStyle("Training", "#777777", "solid", "circle", "solid"),
}

# For registered methods without a style above: seven more hues (Tol's muted scheme), each in two
# dashes and marks, so that no two methods differ in hue alone.
_HUES = ("#E69F00", "#56B4E9", "#AA4499", "#44AA99", "#999933", "#CC6677", "#6F6FC9")
_MARKS = ("cross", "star", "triangle-down", "pentagon", "hexagon", "hourglass", "bowtie")
SPARE = tuple((hue, dash, mark + end, stroke)
              for dash, end, stroke in (("longdashdot", "", (14, 4, 2, 4)),
                                        ("dash", "-open", (3, 3)))
              for hue, mark in zip(_HUES, _MARKS, strict=True))

SEQUENTIAL = "Cividis"
# Blue below zero, orange above, light at zero: readable with every kind of colour vision.
DIVERGING: list[tuple[float, str]] = [
    (0.0, "#08519C"), (0.25, "#6BAED6"), (0.5, "#F7F7F7"), (0.75, "#FDAE6B"), (1.0, "#A63603"),
]
COLORWAY = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442",
            "#777777", "#999999", "#44AA99"]
CONTRAST = 4.5
FONT = "Source Sans, Source Sans Pro, Helvetica, Arial, sans-serif"


@dataclass(frozen=True)
class Ink:
    """The neutral colours of a figure on a light or a dark page."""

    text: str
    muted: str
    grid: str
    background: str


LIGHT = Ink("#12141A", "#5C6470", "#E3E6EB", "#FFFFFF")
DARK = Ink("#F2F4F8", "#A6AEBB", "#333A47", "#0E1117")


def ink(dark: bool) -> Ink:
    """The neutral colours for the page's mode."""
    return DARK if dark else LIGHT


def style(name: str) -> MethodStyle:
    """The style of a model or method.

    A registered method without its own style gets a spare one; an unknown name is drawn as no
    defense, under that name.
    """
    if name in METHODS:
        return METHODS[name]
    if name in PURIFIERS:
        place = [method for method in PURIFIERS if method not in METHODS].index(name)
        return MethodStyle(PURIFIERS[name].title, *SPARE[place % len(SPARE)])
    return MethodStyle(name, "#777777", "solid", "circle", "solid")


def label_color(color: str, dark: bool) -> str:
    """A line's colour for text beside it: as far towards the ink of the page as the contrast of 4.5
    that WCAG 2.2 asks for needs, in steps of 5 %."""
    parts = [int(color[i:i + 2], 16) for i in (1, 3, 5)]
    end, back = 255 if dark else 0, luminance(ink(dark).background)
    for share in range(0, 101, 5):
        mixed = "#" + "".join(f"{round(c + share / 100 * (end - c)):02X}" for c in parts)
        deep, light = sorted((luminance(mixed), back))
        if (light + 0.05) / (deep + 0.05) >= CONTRAST:
            return mixed
    return ink(dark).text


def luminance(color: str) -> float:
    """The relative luminance of "#RRGGBB" (WCAG 2.2), 0 for black to 1 for white."""
    parts = [int(color[i:i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def plotly_template(dark: bool) -> go.layout.Template:
    """The template of every Plotly figure, with explicit colours so that exports keep them.

    A figure's title stands at its top left and its legend below the axes, both at the edges of the
    figure, whatever its width; the axes take the room they need between them, and the toolbar has
    the rest of the title's line.
    """
    tone = ink(dark)
    axis = {"gridcolor": tone.grid, "linecolor": tone.muted, "zeroline": False,
            "tickcolor": tone.muted, "ticks": "outside", "automargin": True,
            "tickfont": {"size": 13}, "title": {"standoff": 8, "font": {"size": 13}}}
    scene_axis = {"gridcolor": tone.grid, "color": tone.text, "showbackground": False,
                  "zerolinecolor": tone.grid}
    return go.layout.Template(layout={
        "paper_bgcolor": tone.background, "plot_bgcolor": tone.background,
        "font": {"family": FONT, "size": 15, "color": tone.text},
        "colorway": COLORWAY, "xaxis": axis, "yaxis": axis,
        "scene": {"xaxis": scene_axis, "yaxis": scene_axis, "zaxis": scene_axis},
        "colorscale": {"sequential": SEQUENTIAL, "diverging": DIVERGING},
        "coloraxis": {"colorbar": {"title": {"font": {"size": 13}}, "tickfont": {"size": 13}}},
        "title": {"x": 0, "xanchor": "left", "xref": "container", "y": 1, "yanchor": "top",
                  "yref": "container", "pad": {"t": 8, "l": 4}, "font": {"size": 15},
                  "subtitle": {"font": {"size": 13}}},
        "margin": {"l": 10, "r": 16, "t": 36, "b": 10},
        "legend": {"orientation": "h", "x": 0, "xanchor": "left", "xref": "container",
                   "y": 0, "yanchor": "bottom", "yref": "container", "font": {"size": 13}},
        "hoverlabel": {"bgcolor": tone.background, "font": {"color": tone.text}},
    })
