"""Principal components against a singular value decomposition by hand; t-SNE and UMAP by
neighbourhoods."""

import numba
import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from ngf_core.errors import ConfigError, NGFError
from ngf_core.inside.projection import EMBEDDINGS, principal_plane, umap


@pytest.fixture(scope="module")
def features():
    rng = np.random.default_rng(0)
    return (rng.normal(size=(60, 7)) * [9, 5, 3, 1, 1, 1, 0.5] + 4).astype(np.float32)


def test_the_plane_is_that_of_the_singular_vectors(features):
    plane = principal_plane(features)
    centred = features.astype(float) - features.astype(float).mean(0)
    left, singular, right = np.linalg.svd(centred, full_matrices=False)
    points = plane.project(features)
    for axis in range(2):
        sign = np.sign(right[axis] @ plane.axes[axis])
        assert np.allclose(plane.axes[axis], sign * right[axis], atol=1e-6)
        assert np.allclose(points[:, axis], sign * left[:, axis] * singular[axis], atol=1e-4)
        assert plane.axes[axis][np.abs(plane.axes[axis]).argmax()] > 0
    assert np.allclose(plane.explained, singular[:2] ** 2 / (singular**2).sum())


def test_other_features_are_put_into_the_same_plane(features):
    plane = principal_plane(features)
    others = features[::2] * 2 + 1
    assert np.allclose(plane.project(others),
                       [[row @ axis for axis in plane.axes] for row in others - plane.center],
                       atol=1e-4)
    covariance = np.cov(others.T.astype(float))
    assert plane.holds(others) == pytest.approx(
        np.trace(plane.axes @ covariance @ plane.axes.T) / np.trace(covariance), rel=1e-5)
    assert plane.holds(features) == pytest.approx(sum(plane.explained), rel=1e-5)
    assert np.isnan(plane.holds(np.ones_like(features)))


@pytest.mark.parametrize("method", EMBEDDINGS)
def test_neighbours_stay_together_and_it_repeats(method):
    rng = np.random.default_rng(1)
    groups = np.repeat(np.arange(4), 25)
    features = rng.normal(size=(100, 12)) + 8 * np.eye(12)[groups]
    points = EMBEDDINGS[method](features)
    nearest = NearestNeighbors(n_neighbors=6).fit(points).kneighbors(points)[1][:, 1:]
    assert (groups[nearest] == groups[:, None]).mean() > 0.95
    assert np.array_equal(points, EMBEDDINGS[method](features))


def test_umap_takes_no_second_openmp_into_the_process(features):
    """With numba's layer "omp" a later convolution of torch ended in a segmentation fault."""
    umap(features)
    assert numba.threading_layer() == "workqueue"


def test_umap_without_its_package_says_what_to_install(features, monkeypatch):
    monkeypatch.setattr("ngf_core.inside.projection.find_spec", lambda _: None)
    with pytest.raises(NGFError, match=r"pip install 'ngf-lab\[umap\]'"):
        umap(features)


@pytest.mark.parametrize("bad, what", [
    (np.ones((3, 5)), r"they have the shape \(3, 5\). Give at least 4 images"),
    (np.ones((9, 1)), "with two features or more"),
    (np.ones((9, 5)), "all 9 images have the same: the model is blind"),
    (np.full((9, 5), np.inf), "some are not finite: the model has overflowed")])
def test_features_that_span_no_plane_are_refused(bad, what):
    for project in (principal_plane, *EMBEDDINGS.values()):
        with pytest.raises(ConfigError, match=what):
            project(bad)
