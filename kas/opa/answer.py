"""What is read of an answer, and how little of it is believed.

Guarantees that nothing permits but ``result.allow`` that is exactly true, in an answer that says nothing against it
(`policy.md` §4 of the specification). One that cannot be read is no decision, neither a permit nor a denial. Texts of
the answer go nowhere but the names of its checks, which are bounded.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from kas.encoding import parse_json
from kas.errors import Denial, KasError, PolicyDenied, leaves
from kas.policy.decision import Decision, check

MAX_CHECKS: Final = 12
# The line of the whole answer; those that it lists stand below.
WHOLE: Final = "opa"

_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")
_DENIALS: Final = {denial.code: denial for denial in leaves(Denial) if issubclass(denial, Denial)}


class AnswerError(Exception):
    """The answer is none; the text says why, in words of ours."""


def read_answer(body: bytes) -> Decision:
    """The decision of an answer, with a line for the whole and one for each check that it lists. Raises AnswerError.

    1. It is a JSON object with a ``result``, which is undefined where no policy is loaded.
    2. ``allow`` is true or false.
    3. The reason of a denial is a code of ours; any other is PolicyDenied.
    4. Where it lists checks, each has a name of its own, and none fails in an answer that allows.
    """
    # 1.
    result = _result(body)
    # 2.
    allow = result.get("allow")
    if not isinstance(allow, bool):
        raise AnswerError("allow is not true or false")
    # 3.
    denial = _denial(result.get("reason"))
    # 4.
    checks = _read_checks(result.get("checks", []))
    if allow and not all(checks.values()):
        raise AnswerError("allows, and a check fails")
    listed = (check(name, denial, passed=passed) for name, passed in checks.items())
    return Decision((check(WHOLE, denial, passed=allow), *listed))


def _result(body: bytes) -> Mapping[str, Any]:
    try:
        answer = parse_json(body)
    except KasError as error:
        raise AnswerError(f"not JSON ({error.code})") from error
    result = answer.get("result") if isinstance(answer, dict) else None
    if not isinstance(result, dict):
        raise AnswerError("no result")
    return result


def _denial(reason: object) -> type[Denial]:
    return _DENIALS.get(reason, PolicyDenied) if isinstance(reason, str) else PolicyDenied


def _read_checks(items: object) -> dict[str, bool]:
    if not isinstance(items, list) or len(items) > MAX_CHECKS:
        raise AnswerError("checks are not a short list")
    checks: dict[str, bool] = {}
    for item in items:
        name, passed = (item.get("name"), item.get("passed")) if isinstance(item, dict) else (None, None)
        if not isinstance(name, str) or not _NAME.fullmatch(name) or not isinstance(passed, bool):
            raise AnswerError("a check has no name or no result")
        if name in checks or name == WHOLE:
            raise AnswerError("a check is listed twice")
        checks[name] = passed
    return checks
