"""NGF Lab's curvature and landscapes against other libraries, side by side.

`python -m benchmarks.side_by_side` holds the contests of `contests/`: one file per topic, which
says how each peer measures and what the figures mean. Every peer runs in a process of its own
(`child`), the repeats go round among them (`referee`), and what came out stands in one JSON file
(`record`), from which the Markdown table is drawn (`table`).
"""
