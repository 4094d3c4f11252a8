"""NGF Lab's science: attacks, purification, curvature and loss landscapes.

Importable without streamlit and plotly; nothing here draws.
"""

__version__ = "0.1.0"
