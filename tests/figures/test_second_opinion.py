"""PyHessian's opinion in words: agreement with its size, disagreement with its names."""

from app.figures.second_opinion import AGREES, APART, DISAGREES, UNKNOWN, second_opinion

CHECK = {"eigenvalue": 100.1, "residual": 0.5, "ours": 100.0, "our_residual": 0.1, "trace": 310.0,
         "trace_error": 20.0, "probes": 15, "our_trace": 300.0, "our_trace_error": 5.0, "z": 0.49,
         "eigenvalue_agrees": True, "trace_agrees": True, "products": 31}


def test_agreement_says_within_what():
    said = second_opinion({"before": CHECK, "ngf": CHECK | {"z": -1.24}})
    assert said.state == AGREES
    assert said.sentence == ("Checked against PyHessian: λ_max agrees within 0.1 %, the trace "
                             "within 1.2 standard errors of the difference.")
    assert "No defense: λ 100.1 ± 0.5 there and 100 ± 0.1 here" in said.detail
    assert "310 ± 20 there (15 probes) and 300 ± 5 here" in said.detail


def test_disagreement_names_what_and_whose():
    said = second_opinion({"before": CHECK | {"eigenvalue_agrees": False},
                           "ngf": CHECK | {"trace_agrees": False}, "sgd": None})
    assert said.state == DISAGREES
    assert said.sentence.endswith("it disagrees on λ_max of No defense and trace of NGF.")


def test_two_and_a_half_standard_errors_are_no_agreement():
    assert second_opinion({"before": CHECK | {"z": 2.0}}).state == AGREES
    said = second_opinion({"before": CHECK, "ngf": CHECK | {"z": -2.5}})
    assert said.state == APART
    assert "of its traces one lies 2.5 standard errors from ours" in said.sentence


def test_nobody_asked():
    assert second_opinion({"before": None}).state == UNKNOWN
    assert second_opinion({}).sentence == "Not checked against PyHessian."


def test_an_eigenvalue_of_zero_is_no_division():
    assert "within 0.001 %" in second_opinion({"before": CHECK | {"ours": 0.0}}).sentence
