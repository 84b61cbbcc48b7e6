"""`plan` shows what `apply` would do, changes nothing, and refuses what is not safe."""

from __future__ import annotations

import re
import shlex

import pytest

from tests.deploy.recorder.call import Call


def as_run(calls: list[Call]) -> list[list[str]]:
    """Commands as they were run, without the name of the private folder, and of the channel that was made meanwhile."""
    changed = [(r"/\S*/kas-deploy\.\w+", "$WORK"), (r"(?<=/notificationChannels/)\d+", "new")]
    return [[_without(word, changed) for word in call.argv] for call in calls]


def _without(word: str, changed: list[tuple[str, str]]) -> str:
    for pattern, text in changed:
        word = re.sub(pattern, text, word)
    return word


def as_shown(lines: list[str]) -> list[list[str]]:
    """Commands as they were shown, without the program and without what is fed to it."""
    return [shlex.split(line.rpartition(" | ")[2])[1:] for line in lines]


def test_a_plan_shows_exactly_the_commands_that_apply_then_runs(deployment):
    plan = deployment.ok("plan")
    assert plan.changes == []
    apply = deployment.ok("apply")
    assert len(apply.changes) > 40
    assert as_shown(plan.shown) == as_run(apply.changes)


def test_a_plan_tells_the_monthly_cost(deployment):
    out = deployment.ok("plan").out
    assert re.search(r"^# A month costs \$\d+\.\d\d\.", out, re.MULTILINE)
    assert "# 1,000 requests a day: usa" in out


def test_a_plan_of_another_nation_names_its_region_and_its_price(deployment):
    done = deployment.ok("plan", "--nation", "gbr", REQUESTS_PER_DAY="10000")
    assert "# 10,000 requests a day: gbr" in done.out
    words = [word for line in done.shown for word in shlex.split(line)]
    assert {word.partition("=")[2] for word in words if word.startswith(("--region=", "--location="))} == {
        "europe-west2"
    }
    assert "kas-gbr" in words


def test_a_plan_whose_cost_cannot_be_told_says_so_and_is_a_plan(deployment):
    done = deployment.ok("plan", REQUESTS_PER_DAY="many")
    assert "# the monthly cost cannot be told: " in done.out
    assert len(done.shown) > 40


def test_where_everything_is_there_a_plan_is_empty(deployed):
    done = deployed.ok("plan")
    assert done.shown == []
    assert "# 0 commands\n" in done.out


@pytest.mark.parametrize(
    ("words", "settings", "said"),
    [
        (["--nation", "deu"], {}, "--nation is usa, fra or gbr"),
        (["--profile", "large"], {}, "there is no profile 'large'"),
        ([], {"MAX_INSTANCES": "2"}, "keeps its state in memory: MAX_INSTANCES is 1, not '2'"),
        ([], {"MAX_INSTANCES": "0"}, "MAX_INSTANCES is 1"),
        ([], {"CPU": "0.5"}, "CPU is 1, 2, 4 or 8"),
        ([], {"THREADS": "0"}, "THREADS is a number"),
        ([], {"MEMORY": "512"}, "MEMORY is such as 512Mi"),
        ([], {"DIALECTS": "acp240 zip"}, "not 'zip'"),
        ([], {"DIALECTS": " "}, "DIALECTS is"),
        ([], {"KEY_ALGORITHM": "rsa-1024"}, "KEY_ALGORITHM"),
        ([], {"PROTECTION": "none"}, "PROTECTION"),
        ([], {"SEALED_EC": "maybe"}, "SEALED_EC"),
        ([], {"BUDGET": "20 USD"}, "BUDGET is such as 20 or 20EUR"),
        ([], {"DAILY_ALERT": "cheap"}, "DAILY_ALERT"),
        ([], {"SERVICE": "Kas; rm -rf /"}, "SERVICE is not a name"),
        ([], {"PROJECT": "My Project"}, "PROJECT is the id of a project"),
        (["--via", "pigeon"], {}, "--via is run or functions"),
        (["--via", "functions", "--no-traffic"], {}, "--no-traffic needs --via run"),
        (["--tls13"], {}, "--tls13 needs DOMAIN"),
        (["--tls13"], {"DOMAIN": "https://kas.example"}, "--tls13 needs DOMAIN"),
        (["--everything"], {}, "unknown flag --everything"),
        (["twice"], {}, "unexpected twice"),
        (["--nation"], {}, "--nation takes a value"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_is_changed(deployment, words, settings, said):
    done = deployment.run("apply", *words, **settings)
    assert (done.status, done.changes) == (2, [])
    assert said in done.err


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('KAS_MODE: "local"', "KAS_MODE must be production"),
        ('WORKERS: "2"', "one instance, and WORKERS 1 or absent"),
        ('KAS_REWRAP_DPOP_NONCE: "offer"', "KAS_REWRAP_DPOP_NONCE must be require"),
        ('KAS_METRICS: "on"', "KAS_METRICS must be off"),
        ('HTTPS_PROXY: "http://proxy.example"', "HTTPS_PROXY: only KAS_…, WORKERS and THREADS are settings"),
        ('PYTHONPATH: "/tmp"', "PYTHONPATH: only KAS_…, WORKERS and THREADS are settings"),
        ("KAS_ID: plain", 'is not NAME: "text"'),
        ('KAS_ID: "again"', 'is not NAME: "text", or the name is there twice'),
    ],
)
def test_settings_that_are_not_safe_are_refused_before_anything_is_changed(deployment, line, said):
    text = (deployment.tree / "env.yaml").read_text("utf-8")
    name = line.partition(":")[0]
    if "again" not in line:
        text = re.sub(f"^{name}: .*\n", "", text, flags=re.MULTILINE)
    (deployment.folder / "env.yaml").write_text(f"{text}{line}\n", "utf-8")
    done = deployment.run("apply", ENV_FILE=str(deployment.folder / "env.yaml"))
    assert (done.status, done.changes) == (2, [])
    assert said in done.err


def test_the_limit_of_key_operations_is_read_in_either_quotes(deployed):
    text = (deployed.tree / "env.yaml").read_text("utf-8")
    text = text.replace('KAS_KMS_OPERATIONS_PER_DAY: "20000"', "KAS_KMS_OPERATIONS_PER_DAY: '777'")
    (deployed.folder / "env.yaml").write_text(text, "utf-8")
    deployed.ok("apply", ENV_FILE=str(deployed.folder / "env.yaml"))
    policies = deployed.project.kind("alertPolicies").values()
    assert any("777" in str(policy) for policy in policies)
