"""Features as points of a plane: principal components, t-SNE and UMAP."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from ngf_core.errors import ConfigError, NGFError

Floats = NDArray[np.floating]
_ONE_AT_A_TIME = Lock()  # numba's workqueue ends a process in which two threads call it at once
FEWEST, PERPLEXITY, NEIGHBOURS = 4, 30.0, 15


@dataclass(frozen=True)
class PrincipalPlane:
    """The plane through `center` (d,) along the orthonormal `axes` (2, d), the two principal
    components of the features that it was fitted to.

    explained: the share of the variance of those features along each axis.
    """

    center: Floats
    axes: Floats
    explained: tuple[float, float]

    def project(self, features: Floats) -> Floats:
        """(features - center) axesᵀ, (n, 2)."""
        return (features - self.center) @ self.axes.T

    def holds(self, features: Floats) -> float:
        """The share of the variance of other features, around their own mean, that lies in the
        plane: tr(A C Aᵀ) / tr(C) with their covariance C. NaN where they do not vary."""
        total = features.var(0).sum()
        return float(self.project(features).var(0).sum() / total) if total > 0 else float("nan")


def principal_plane(features: Floats) -> PrincipalPlane:
    """PCA of features (n, d), by scikit-learn's exact SVD, in float64.

    Each axis points where its largest loading is positive. Raises ConfigError for fewer than
    `FEWEST` images, features with fewer than two dimensions, and such as do not vary.
    """
    _check(features)
    from sklearn.decomposition import PCA

    fitted = PCA(2, svd_solver="full").fit(features.astype(np.float64))
    first, second = map(float, fitted.explained_variance_ratio_)
    return PrincipalPlane(fitted.mean_, fitted.components_, (first, second))


def t_sne(features: Floats) -> Floats:
    """t-SNE (van der Maaten and Hinton 2008) of features (n, d) by scikit-learn, (n, 2).

    Perplexity min(30, (n - 1) / 3), started from the principal components, random state 0: equal
    features give equal points. Distances between groups and the sizes of groups mean nothing in
    it, and new images cannot be put into it. Raises ConfigError as `principal_plane`.
    """
    _check(features)
    from sklearn.manifold import TSNE

    perplexity = min(PERPLEXITY, (len(features) - 1) / 3)
    return TSNE(2, perplexity=perplexity, init="pca", random_state=0).fit_transform(
        features.astype(np.float64))


def umap(features: Floats) -> Floats:
    """UMAP (McInnes, Healy and Melville 2018) of features (n, d) by umap-learn, (n, 2).

    min(15, n - 1) neighbours, started from the principal components, random state 0: equal features
    give equal points. As with t-SNE, only who lies beside whom can be read from it. The first call
    in a process compiles for some ten seconds. Raises ConfigError as `principal_plane`, and
    NGFError where umap-learn is not installed: with its compiler it takes 210 MB, so it is the
    extra `umap`.
    """
    _check(features)
    if find_spec("umap") is None:
        raise NGFError("UMAP is drawn by the package umap-learn, which is not installed here. "
                       "Install it: pip install 'ngf-lab[umap]', in a checkout "
                       "pip install -c constraints.txt -e '.[umap]'. PCA and t-SNE need no more.")
    import numba

    # Numba's own choice is a second OpenMP, beside which torch's convolutions crash the process.
    numba.config.THREADING_LAYER = "workqueue"  # type: ignore[attr-defined]  # its own
    from umap import UMAP

    with _ONE_AT_A_TIME:
        return UMAP(n_neighbors=min(NEIGHBOURS, len(features) - 1), init="pca", random_state=0,
                    n_jobs=1).fit_transform(features.astype(np.float64))


# Methods that place the images of each model on its own; the dashboard offers them by these words.
EMBEDDINGS: dict[str, Callable[[Floats], Floats]] = {"tsne": t_sne, "umap": umap}


def _check(features: Floats) -> None:
    if features.ndim != 2 or len(features) < FEWEST or features.shape[1] < 2:
        raise ConfigError("features", f"they have the shape {features.shape}",
                          f"Give at least {FEWEST} images with two features or more.")
    if not np.isfinite(features).all():
        raise ConfigError("features", "some are not finite: the model has overflowed",
                          "Look inside another model.")
    if not (features != features[0]).any():
        raise ConfigError("features", f"all {len(features)} images have the same: the model is "
                          "blind to them", "Look inside another model.")
