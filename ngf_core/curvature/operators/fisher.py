"""Products with the true Fisher information matrix."""

from torch import Tensor

from ngf_core.curvature.operators.chunk_graphs import Product
from ngf_core.curvature.operators.jacobian import between_jacobians
from ngf_core.curvature.operators.loss import Loss, is_cross_entropy, is_squared_error
from ngf_core.curvature.operators.loss_operator import LossOperator
from ngf_core.errors import ConfigError


class FisherOperator(LossOperator):
    """F = (1/n) sum_i E_y[s s^T], s = d log p(y | x_i) / dw, y drawn from the model's own p.

    The expectation is exact, not sampled: F = (1/n) sum_i J_i^T M_i J_i with J_i = df_w(x_i) / dw.
    - Cross-entropy: p is the softmax of the logits, M = diag(p) - p p^T. It equals the GGN. Of
      outputs (n, classes, positions) each position counts as a sample.
    - Mean squared error over the d numbers of an output: that is -log p, up to a constant, of a
      normal distribution about the output with variance d / 2 each, so M = (2 / d) I.
    The targets do not enter. (Martens, JMLR 21, 2020, sections 5 and 9.) See `LossOperator`.
    Raises ConfigError for a loss that is not -log p of one of these distributions.
    """

    def _check_loss(self, loss: Loss) -> None:
        changed = getattr(loss, "label_smoothing", 0) or getattr(loss, "weight", None) is not None
        if changed or not (is_cross_entropy(loss) or is_squared_error(loss)):
            raise ConfigError("loss", "it is not a known negative log-likelihood, which the "
                              "Fisher matrix needs",
                              "Use plain cross-entropy, mean squared error, or the GGN.")

    def _product(self, outputs: Tensor, targets: Tensor) -> Product:
        if is_squared_error(self._loss):
            numbers = outputs[0].numel()
            return between_jacobians(outputs, self._parameters, lambda u: 2 * u / numbers)
        positions = outputs[0, 0].numel()
        p = outputs.detach().softmax(1)
        return between_jacobians(
            outputs, self._parameters,
            lambda u: (p * u - p * (p * u).sum(1, keepdim=True)) / positions)
