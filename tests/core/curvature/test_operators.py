"""Hessian, GGN and Fisher products against dense float64 matrices and a second library."""

import pytest
import torch

from tests.core.curvature.operator_truth import DENSE, PROBLEMS, assert_agrees

OPERATORS = pytest.mark.parametrize("kind", DENSE)


def made(kind, problem, data=None, **options):
    return kind(problem.model, data or (problem.inputs, problem.targets), loss=problem.loss,
                parameters=problem.names, **options)


@OPERATORS
@pytest.mark.parametrize("name", PROBLEMS)
def test_float64_equals_the_definition(kind, name):
    problem = PROBLEMS[name]()
    assert_agrees(made(kind, problem, dtype=torch.float64), DENSE[kind](problem), 1e-12)


@OPERATORS
@pytest.mark.parametrize("name", ["conv and batchnorm", "residual", "attention", "one number"])
def test_float32_agrees_to_its_roundoff(kind, name):
    problem = PROBLEMS[name]()
    assert_agrees(made(kind, problem), DENSE[kind](problem), 1e-5)
