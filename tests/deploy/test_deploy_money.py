"""What tells of the bill: the budget, what has been spent, and what a run of measurements is compared with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from deploy import spent
from tests.deploy.conftest import Deployment
from tests.deploy.google_http import Google, google_http


@pytest.fixture
def google() -> Iterator[Google]:
    with google_http() as google:
        yield google


def budget(deployment: Deployment) -> dict[str, Any]:
    (one,) = deployment.project.kind("budgets").values()
    return dict(one)


def shares(deployment: Deployment) -> list[float]:
    return [rule["thresholdPercent"] for rule in budget(deployment)["thresholdRules"]]


# ---- 26: budget thresholds of 5000 %


def test_fault_26_the_budget_tells_at_half_nine_tenths_and_all_of_it(deployed):
    assert shares(deployed) == [0.5, 0.9, 1.0]
    assert budget(deployed)["amount"] == {"specifiedAmount": {"units": "20", "currencyCode": "USD"}}
    assert budget(deployed)["projects"] == "projects/my-project"


def test_fault_26_no_share_that_is_sent_is_above_one(deployed):
    sent = [rule for call in deployed.recorder.changes for rule in call.all("threshold-rule")]
    assert len(sent) == 3
    assert all(0 < float(rule.removeprefix("percent=")) <= 1 for rule in sent)


@pytest.mark.parametrize("wrong", [[50.0, 90.0, 100.0], [0.5, 0.9]])
def test_fault_26_a_budget_with_other_thresholds_is_replaced(deployed, wrong):
    (one,) = deployed.project.kind("budgets").values()
    one["thresholdRules"] = [{"thresholdPercent": share} for share in wrong]
    deployed.ok("apply")
    assert shares(deployed) == [0.5, 0.9, 1.0]


def test_another_amount_or_currency_replaces_the_budget(deployed):
    theirs = {"name": "billingAccounts/0X0X0X-0X0X0X-0X0X0X/budgets/theirs", "displayName": "other kas my-project"}
    budgets = deployed.project.kind("budgets")
    ours = dict(budgets)
    budgets.clear()
    budgets.update({theirs["name"]: theirs, **ours})
    deployed.ok("apply", BUDGET="35EUR")
    assert deployed.project.kind("budgets").pop(theirs["name"]) == theirs, "somebody else's is left alone"
    assert budget(deployed)["amount"] == {"specifiedAmount": {"units": "35", "currencyCode": "EUR"}}
    assert deployed.ok("apply", BUDGET="35EUR").changes == []


# ---- spent so far


FACTS = [
    "key\tENABLED\tHSM\tRSA_DECRYPT_OAEP_2048_SHA256",
    "key\tDISABLED\tHSM\tRSA_DECRYPT_OAEP_4096_SHA1",
    "key\tDESTROYED\tHSM\tRSA_DECRYPT_OAEP_2048_SHA1",
    "key\tENABLED\tSOFTWARE\tGOOGLE_SYMMETRIC_ENCRYPTION",
    *["secret\tENABLED"] * 8,
    "secret\tDESTROYED",
]
OPTIONS = {
    "region": "europe-west2",
    "cpu": "1",
    "memory": "512Mi",
    "key": "rsa-2048",
    "protection": "hsm",
    "alerts": "9",
    "balancer": "no",
}
NOTHING = dict.fromkeys(spent.QUANTITIES, 0.0)


def costs(part: float = 0.5, **changes: Any) -> dict[tuple[str, str], float]:
    used = NOTHING | {name: value for name, value in changes.items() if name in NOTHING}
    options = OPTIONS | {name: value for name, value in changes.items() if name in OPTIONS}
    return {(line.service, line.item): line.cost for line in spent.bill(used, FACTS, options, part)}


def test_key_versions_cost_by_the_day_in_every_state_but_destroyed():
    found = costs()
    assert found["Cloud KMS", "version, hsm, RSA_DECRYPT_OAEP_2048_SHA256"] == 0.5
    assert found["Cloud KMS", "version, hsm, RSA_DECRYPT_OAEP_4096_SHA1"] == 1.25
    assert found["Cloud KMS", "version, software, GOOGLE_SYMMETRIC_ENCRYPTION"] == pytest.approx(0.03)
    assert len([item for service, item in found if service == "Cloud KMS"]) == 4


def test_what_is_free_in_a_month_is_taken_off():
    found = costs(seconds=10_000.0, requests=1000.0, logs=2.0**30, reads=100.0)
    assert {found[key] for key in found if key[0] in {"Cloud Run", "Cloud Logging"}} == {0.0}
    assert found["Secret Manager", "versions"] == pytest.approx(0.5 * 2 * 0.06)


def test_what_is_not_free_costs_what_the_price_list_says():
    found = costs(seconds=1e6, operations=20_000.0, requests=3e6)
    assert found["Cloud Run", "processor"] == pytest.approx((1.4 * 1e6 - 180_000) * 24e-6)
    assert found["Cloud Run", "requests"] == pytest.approx(0.4)
    assert found["Cloud KMS", "operations"] == pytest.approx(0.06)
    assert costs(operations=20_000.0, key="rsa-4096")["Cloud KMS", "operations"] == pytest.approx(0.3)
    assert costs(operations=20_000.0, protection="software")["Cloud KMS", "operations"] == pytest.approx(0.06)


def test_a_load_balancer_costs_by_the_hour():
    assert costs(balancer="yes")["Load balancer", "rule"] == pytest.approx(18.25 / 2)


@pytest.mark.parametrize(
    ("now", "begin", "part"), [(1767225600 + 43_200, 1767225600, 1 / 62), (1798718400, 1796083200, 30.5 / 31)]
)
def test_a_month_is_one_of_utc(now, begin, part):
    """2026-01-01T12:00 and 2026-12-31T12:00."""
    assert spent.month_of(now) == (begin, pytest.approx(part))


def test_cost_asks_for_what_google_keeps_and_changes_nothing(deployed, google):
    google.series = {
        "billable_instance_time": [{"doubleValue": 200_000.0}],
        "run.googleapis.com/request_count": [{"int64Value": "45000"}],
        "cloudkms.googleapis.com": [{"int64Value": "30000"}],
    }
    done = deployed.ok("cost", **google.settings)
    assert done.changes == []
    rows = {line[:70].strip(): line[70:].split() for line in done.out.splitlines() if not line.startswith("#")}
    assert rows["Cloud KMS         operations"] == ["30,000.000", "0.09"]
    assert rows["Cloud Run         processor"] == ["200,000.000", "0.48"]
    assert rows["Cloud Run         requests"] == ["0.045", "0.00"]
    assert any(line.startswith("total of ") for line in done.out.splitlines())
    assert {token for _, token in google.seen} == {"Bearer canary-access-token"}
    assert [call.line() for call in done.calls if "canary" in call.line()] == []
    assert "canary" not in done.out + done.err


def test_where_google_refuses_the_figures_cost_says_so(deployed, google):
    google.refusal = 403, {"error": {"status": "PERMISSION_DENIED"}}
    done = deployed.run("cost", **google.settings)
    assert done.status == 1
    assert 'the step "spent so far" failed' in done.err
    assert "roles/monitoring.viewer" in done.err


# ---- measured


def test_measure_reads_the_services_own_lines_of_the_same_requests(deployed, google):
    google.series = {"startup_latencies": [{"distributionValue": {"count": "2", "mean": 900.0}}]}
    kinds = ["first", *["alive"] * 2, *["warm"] * 3, *["cached"] * 3]
    deployed.project.seen = [{"kind": kind, "id": f"r{number}", "ms": 50.0} for number, kind in enumerate(kinds)]
    deployed.project.log = [
        {
            "jsonPayload": {
                "event": "rewrap",
                "requestId": f"r{number}",
                "latencyMs": {"unwrap": 7.0},
                "cacheHit": number > 6,
            }
        }
        for number in range(3, 9)
    ]
    done = deployed.ok("smoke", "--measure", **google.settings)
    rows = [" ".join(line.split()) for line in done.out.splitlines()]
    assert "mean of 2 starts in a week 900 < 3000" in rows
    assert "warm, p50 50 7 < 100" in rows
    assert "hit rate, repeats 67 % > 80 %" in rows
    (read,) = [call for call in done.calls if call.words[:2] == ["logging", "read"]]
    assert "resource.labels.service_name=kas-usa" in read.words[2]


def test_measure_without_credentials_ends_with_what_is_missing(deployed):
    done = deployed.run("smoke", "--measure")
    assert done.status == 1
    assert "--measure needs SMOKE_TOKEN_URL" in done.err


def test_a_smoke_test_that_fails_fails_apply(deployed):
    deployed.recorder.fail = lambda call: "before" if "deploy.smoke" in call.argv else None
    done = deployed.run("apply")
    assert done.status == 1
    assert 'the step "smoke test" failed' in done.err
