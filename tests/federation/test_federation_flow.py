"""One request to one KAS, answered by several: real processes, each with its own keys."""

from __future__ import annotations

from pathlib import Path

from tests.federation.nations import Nations, running_nations


def signers(results):
    return {kao_id: result["signature"]["kas"] for kao_id, result in results.items()}


def test_key_access_objects_of_two_nations_are_released_through_one_kas(nations: Nations) -> None:
    """Each result is signed by the KAS whose key access object it is."""
    attempt = nations.attempt("fra-secret", at="usa", holders=("usa", "fra"))
    answer = attempt.send()
    assert answer.status == 200, answer.body
    assert nations.open(attempt, answer) == attempt.data_keys
    assert signers(nations.results(attempt, answer)) == {"kao-usa-0": "kas-usa", "kao-fra-1": "kas-fra"}
    assert nations["usa"].audit_faults() == nations["fra"].audit_faults() == ()


def test_a_kas_that_was_stopped_and_runs_again_answers_as_before(tmp_path: Path) -> None:
    """What is held elsewhere is released meanwhile; what is held there is refused in the name of whoever was asked."""
    with running_nations(tmp_path, ("usa", "fra")) as nations:
        nations.stop_kas("fra")
        attempt = nations.attempt("fra-secret", at="usa", holders=("usa", "fra"))
        results = nations.results(attempt, attempt.send())
        assert (results["kao-usa-0"]["status"], results["kao-fra-1"]["code"]) == ("success", "peer_unavailable")
        assert signers(results) == {"kao-usa-0": "kas-usa", "kao-fra-1": "kas-usa"}
        nations.restart_kas("fra")
        attempt = nations.attempt("fra-secret", at="usa", holders=("usa", "fra"))
        assert nations.open(attempt, attempt.send()) == attempt.data_keys
