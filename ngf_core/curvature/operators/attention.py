"""Attention in operations that can be differentiated again."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel


@contextmanager
def attention_written_out() -> Iterator[None]:
    """Within it torch's attention is two matrix products and a softmax, and its encoder layers run
    step by step.

    The fused kernels have neither a second derivative, nor a forward one, nor a rule for `vmap`.
    """
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
