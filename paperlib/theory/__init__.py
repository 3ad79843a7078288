r"""What proves or refutes the papers' claims: exact solvers for small problems, and certified bounds.

There are two clusters here, and ``gamma`` multiplies :math:`\|w\|^2` with :math:`w` the difference of the two
logits' weights, so it is half the estimators' ``gamma``. Points may be arrays or tensors; results are float64 arrays.
"""

from paperlib.theory.two_class import renyi_of_logit, two_class_loss

__all__ = ["renyi_of_logit", "two_class_loss"]
