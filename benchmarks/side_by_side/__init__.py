"""NGF Lab's curvature and landscapes against other libraries, side by side.

`python -m benchmarks.side_by_side` runs the contests of `contests/`: one file per topic, which
defines how each peer measures and what the figures mean. Every peer runs in its own process
(`child`), the repeats alternate between them (`referee`), and the results are stored in one JSON
file (`record`), from which the Markdown table is drawn (`table`).
"""
