"""The panels of a row as separate figures."""

import plotly.graph_objects as go

from app.figures.landscape.contours import squared


def panels(row: go.Figure) -> list[go.Figure]:
    """The panels of a row as separate figures, for a page that may stack them.

    Each keeps the row's colour range, heights and camera, so that they remain comparable.
    """
    apart = []
    for place, title in enumerate(row.layout.annotations, start=1):
        end = "" if place == 1 else str(place)
        here = [trace for trace in row.data if end == (
            trace.scene.removeprefix("scene") if trace.type in ("surface", "scatter3d")
            else trace.xaxis.removeprefix("x"))]
        panel = go.Figure(here, {key: row.layout[key] for key in (
            "template", "height", "margin", "showlegend", "coloraxis")})
        if here and here[0].type == "surface":
            panel.update_traces(scene="scene")
            panel.update_layout(scene=row.layout[f"scene{end}"])
            panel.update_scenes(domain={"x": [0, 1], "y": [0, 1]})
        else:
            panel.update_traces(xaxis="x", yaxis="y")
            squared(panel, (row.layout.xaxis.title.text, row.layout.yaxis.title.text))
            panel.update_xaxes(range=row.layout.xaxis.range)
            panel.update_yaxes(range=row.layout.yaxis.range)
        name, _, note = title.text.partition("<br>")
        apart.append(panel.update_layout(title={"text": f"<b>{name}</b>",
                                                "subtitle": {"text": note}}))
    return apart
