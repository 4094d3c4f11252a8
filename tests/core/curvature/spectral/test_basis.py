"""A basis in blocks does what one tensor would do."""

import pytest
import torch

from ngf_core.curvature.spectral import basis as module
from ngf_core.curvature.spectral.basis import Basis
from tests.support.seeded import seeded


@pytest.fixture
def rows() -> torch.Tensor:
    return torch.linalg.qr(torch.randn(30, 21, generator=seeded(0)).double())[0].T


def grown(rows: torch.Tensor) -> Basis:
    basis = Basis()
    for row in rows:
        basis.append(row)
    return basis


@pytest.mark.parametrize("block_bytes", [1, 500, 10**9])
def test_every_operation_is_that_of_the_tensor(rows, block_bytes, monkeypatch):
    monkeypatch.setattr(module, "BLOCK_BYTES", block_bytes)
    basis, w = grown(rows), torch.randn(30, generator=seeded(1)).double()
    assert torch.equal(basis.tensor(), rows) and len(basis) == 21
    assert torch.allclose(basis.overlaps(w), rows @ w)
    c = torch.randn(2, 21, generator=seeded(2)).double()
    assert torch.allclose(basis.combine(c), c @ rows)
    assert torch.allclose(basis.combine(c[0]), c[0] @ rows)
    rest, overlaps = basis.orthogonal(w)
    assert torch.allclose(rest, w - rows.T @ (rows @ w)) and (rows @ rest).abs().max() < 1e-15
    assert torch.allclose(overlaps, rows @ w)


def test_a_head_and_the_whole_grow_apart(rows):
    basis = grown(rows[:10])
    head = basis.head(4)
    head.append(rows[20])
    basis.append(rows[11])
    assert torch.equal(head.tensor(), rows[[0, 1, 2, 3, 20]])
    assert torch.equal(basis.tensor(), rows[[*range(10), 11]])


def test_no_block_is_allocated_ahead_of_need():
    basis = Basis()
    basis.append(torch.zeros(module.BLOCK_BYTES // 4))
    assert basis.blocks[0].untyped_storage().nbytes() == module.BLOCK_BYTES


def test_an_empty_basis_takes_nothing_off():
    w = torch.ones(4)
    rest, overlaps = Basis().orthogonal(w)
    assert torch.equal(rest, w) and len(overlaps) == len(Basis()) == 0
