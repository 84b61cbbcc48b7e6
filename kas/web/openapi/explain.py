"""The schemas of ``POST /explain``: as strict as `kas.protocol.explain` is, within the limits in force."""

from __future__ import annotations

from kas.errors import Denial, KeyMaterialRejected, leaves
from kas.opa.answer import WHOLE
from kas.protocol.acp240.request import Limits
from kas.protocol.explain import MAX_POLICIES, READABLE
from kas.web.openapi.deployment import Deployment
from kas.web.openapi.pieces import BASE64URL_32_BYTES, Json, closed, items, ref, text, words


def explain_schemas(deployment: Deployment) -> dict[str, Json]:
    """By name."""
    return {**_request(deployment.limits), **_answer(deployment)}


def _request(limits: Limits) -> dict[str, Json]:
    chars = 4 * -(-limits.policy_bytes // 3)
    label = closed({"dialect": words("acp240"), "policy": ref("Policy")})
    attributes = closed(
        {
            "dialect": words("opentdf"),
            "policy": text("As a key access object is bound to it: base64 of JSON.", minLength=1, maxLength=chars),
        }
    )
    policies = items({"oneOf": [label, attributes]}, minItems=1, maxItems=MAX_POLICIES)
    return {"ExplainRequest": closed({"policies": policies})}


def _answer(deployment: Deployment) -> dict[str, Json]:
    code = words(*(leaf.code for leaf in leaves(Denial)), KeyMaterialRejected.code)
    told = {"needed": text("By the policy."), "found": text("In the caller's token, or in the policy.")}
    # Another program names its checks itself, and what those look at is its own.
    required, optional = ({}, told) if deployment.decides_elsewhere else (told, {})
    name = text(f"{READABLE} where no policy can be read." + f" {WHOLE}: the whole answer." * bool(optional))
    passed: dict[str, Json] = {"name": name, "passed": {"const": True}, **required}
    failed: dict[str, Json] = {"name": name, "passed": {"const": False}, "code": code, **required}
    checks = items({"oneOf": [closed(passed, optional), closed(failed, optional)]}, minItems=1)
    about: dict[str, Json] = {
        "dialect": words("acp240", "opentdf"),
        "policyHash": text("SHA-256 of the policy as it is bound: that of the audit.", pattern=BASE64URL_32_BYTES),
        "checks": checks,
    }
    permit = closed({**about, "decision": words("permit")})
    deny = closed({**about, "decision": words("deny"), "code": code, "message": text()})
    explanations = items({"oneOf": [permit, deny]}, minItems=1, maxItems=MAX_POLICIES)
    return {"ExplainAnswer": closed({"explanations": explanations})}
