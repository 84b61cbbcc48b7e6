"""Profile `shared`: several instances on a store that deploy.sh makes, what it refuses, and the way there and back."""

from __future__ import annotations

import copy
import io
import json
import random
import re
import time
from collections.abc import Iterator
from typing import Any

import pytest

from deploy import redis_server, safety
from deploy.env_file import Refused
from deploy.preview.definitions import OF_ONE_PROFILE, policies
from kas.state.claims import proof_claim
from kas.state.firestore import FirestoreStore
from kas.state.shared import LimitWindow
from tests.deploy.conftest import Deployment
from tests.deploy.google_http import google_http
from tests.deploy.recorder.call import Call
from tests.deploy.recorder.project import Project
from tests.deploy.recorder.server import Recorder, recording
from tests.deploy.recorder.stores import HOST, PORT
from tests.deploy.test_deploy_apply import ACCOUNT, secret_texts, settings_of
from tests.deploy.test_deploy_failures import TURNS, Once, comparable, until_done
from tests.deploy.test_deploy_plan import as_run, as_shown
from tests.deploy.test_deploy_verbs import serving

STATES = ("firestore", "redis")
RULE = {
    "expression": 'resource.name=="projects/my-project/databases/kas-usa"',
    "title": "database-kas-usa",
}


@pytest.fixture(scope="session")
def finished_shared(tree, tmp_path_factory) -> dict[str, Recorder]:
    """For each store a project in which everything is there. Nobody changes them."""
    found = {}
    for state in STATES:
        with recording(Project()) as recorder:
            settings = {"PROFILE": "shared", "STATE": state}
            Deployment(tree, tmp_path_factory.mktemp(state), recorder, settings).ok("apply")
        found[state] = recorder
    return found


def _like(deployment: Deployment, recorder: Recorder, state: str) -> Deployment:
    deployment.recorder.project = copy.deepcopy(recorder.project)
    deployment.recorder.calls = list(recorder.calls)
    deployment.settings = {"PROFILE": "shared", "STATE": state}
    return deployment


@pytest.fixture(params=STATES)
def shared(request, deployment, finished_shared) -> Deployment:
    """One like it, to go on with; its further calls are of the profile too."""
    return _like(deployment, finished_shared[request.param], request.param)


@pytest.fixture
def on_firestore(deployment, finished_shared) -> Deployment:
    return _like(deployment, finished_shared["firestore"], "firestore")


@pytest.fixture
def on_redis(deployment, finished_shared) -> Deployment:
    return _like(deployment, finished_shared["redis"], "redis")


@pytest.fixture
def pilot(deployed) -> Deployment:
    """What is deployed by default, to come from and to go back to."""
    return deployed


def max_scale(deployment: Deployment) -> str:
    return str(template(deployment)["autoscaling.knative.dev/maxScale"])


def template(deployment: Deployment) -> dict[str, str]:
    """Annotations of the newest revision."""
    return dict(deployment.service["spec"]["template"]["metadata"]["annotations"])


def alerts(deployment: Deployment) -> set[str]:
    return {one["userLabels"]["kas_alert"] for one in deployment.project.kind("alertPolicies").values()}


def database_roles(project: Project) -> list[dict[str, Any]]:
    return [one for one in project.policies["project"]["bindings"] if one["role"] == "roles/datastore.user"]


# ---- what is there afterwards


@pytest.mark.parametrize("words", [[], ["--profile", "shared"]])
def test_by_default_it_is_firestore_and_up_to_three_instances(deployment, words):
    settings = {} if words else {"PROFILE": "shared"}
    deployment.ok("apply", *words, **settings)
    read = settings_of(deployment)
    assert (read.state_backend, read.firestore_database, read.gcp_project) == ("firestore", "kas-usa", "my-project")
    assert (len(read.state_keys), len(read.nonce_secrets)) == (1, 1)
    assert read.state_keys[0] != read.nonce_secrets[0]
    assert max_scale(deployment) == "3"
    assert "WORKERS" not in deployment.environment


def test_the_database_is_the_nations_own_and_forgets_what_is_over(on_firestore):
    project = on_firestore.project
    assert project.kind("databases") == {
        "kas-usa": {
            "name": "projects/my-project/databases/kas-usa",
            "type": "FIRESTORE_NATIVE",
            "locationId": "us-central1",
        }
    }
    prefix = "projects/my-project/databases/kas-usa/collectionGroups/kas-kas-usa-"
    assert set(project.kind("expiries")) == {
        f"{prefix}{kind}/fields/expireAt" for kind in ("claims", "windows", "keys")
    }
    assert "firestore.googleapis.com" in project.enabled
    assert "redis.googleapis.com" not in project.enabled


class Written:
    """Documents of a Firestore that has none and takes all: where, and the member that says when they are over."""

    def __init__(self) -> None:
        self.collections: set[str] = set()

    def read(self, paths: list[str]) -> list[None]:
        return [None for _ in paths]

    def write(self, writes: list[Any]) -> None:
        self.collections |= {one.path.partition("/")[0] for one in writes}


def test_documents_expire_in_the_collections_that_the_service_writes(on_firestore):
    """Each use of the store once."""
    documents = Written()
    seconds = {"ttl_seconds": 80.0, "timeout_seconds": 5.0, "clock": time.time, "timer": time.monotonic}
    store = FirestoreStore(documents, name="kas-usa", sleep=time.sleep, random=random.random, **seconds)
    store.claim(proof_claim("key", "jti", "caller"))
    store.keep({b"x": b"y"}, 5.0)
    store.take(LimitWindow("caller", 10, 60.0, 100), b"x")
    expiring = {name.split("/")[5] for name in on_firestore.project.kind("expiries")}
    assert documents.collections == expiring


def test_the_role_is_on_the_one_database_alone(on_firestore):
    assert database_roles(on_firestore.project) == [
        {"role": "roles/datastore.user", "members": [ACCOUNT], "condition": RULE}
    ]


def test_a_role_without_the_condition_or_on_another_database_is_not_taken_for_it(on_firestore):
    (binding,) = database_roles(on_firestore.project)
    binding["condition"] = {**RULE, "expression": RULE["expression"].replace("kas-usa", "kas-fra")}
    (change,) = on_firestore.ok("apply").changes
    assert change.words[1] == "add-iam-policy-binding"
    assert RULE in [one.get("condition") for one in database_roles(on_firestore.project)]


def test_the_server_speaks_tls_asks_for_a_password_and_evicts_nothing(on_redis):
    (server,) = on_redis.project.kind("servers").values()
    assert (server["authEnabled"], server["transitEncryptionMode"]) == (True, "SERVER_AUTHENTICATION")
    assert server["redisConfigs"] == {"maxmemory-policy": "noeviction"}
    assert (server["tier"], server["memorySizeGb"], server["redisVersion"]) == ("BASIC", 1, "REDIS_7_0")
    assert {"redis.googleapis.com", "compute.googleapis.com"} <= on_redis.project.enabled


def test_the_service_reaches_it_and_nothing_else_by_the_network(on_redis):
    read = settings_of(on_redis)
    assert read.state_backend == "redis"
    assert read.redis is not None
    assert (read.redis.host, read.redis.port, read.redis.is_tls) == (HOST, PORT, True)
    assert read.redis.sign_in == (on_redis.project.passwords["kas-usa"],)
    (authority,) = on_redis.project.kind("servers")["kas-usa"]["serverCaCerts"]
    assert read.redis_ca == authority["cert"]
    interface = {"network": "default", "subnetwork": "default"}
    assert json.loads(template(on_redis)["run.googleapis.com/network-interfaces"]) == [interface]
    assert template(on_redis)["run.googleapis.com/vpc-access-egress"] == "private-ranges-only"
    assert max_scale(on_redis) == "3"


def test_another_network_is_that_of_server_and_service(deployment):
    settings = {"PROFILE": "shared", "STATE": "redis", "NETWORK": "inner", "SUBNET": "near", "MAX_INSTANCES": "10"}
    deployment.ok("apply", **settings)
    (server,) = deployment.project.kind("servers").values()
    assert server["authorizedNetwork"].endswith("/networks/inner")
    assert '"inner"' in template(deployment)["run.googleapis.com/network-interfaces"]
    assert max_scale(deployment) == "10"
    assert deployment.ok("apply", **settings).changes == []


def test_the_account_may_read_the_secrets_of_the_store(on_redis):
    given = {
        place
        for place, policy in on_redis.project.policies.items()
        for binding in policy["bindings"]
        if binding["role"] == "roles/secretmanager.secretAccessor" and ACCOUNT in binding["members"]
    }
    assert given == {f"secrets/kas-usa-{name}" for name in ("signing", "nonce", "ec", "state", "redis")}


def test_a_second_apply_changes_nothing(shared):
    before = shared.project.snapshot()
    again = shared.ok("apply")
    assert again.changes == []
    assert shared.project.snapshot() == before


@pytest.mark.parametrize("state", STATES)
def test_a_plan_shows_exactly_the_commands_that_apply_then_runs(deployment, state):
    deployment.settings = {"PROFILE": "shared", "STATE": state}
    plan = deployment.ok("plan")
    assert plan.changes == []
    apply = deployment.ok("apply")
    assert as_shown(plan.shown) == as_run(apply.changes)
    assert len(apply.changes) > 45


@pytest.mark.parametrize(("state", "line"), [("firestore", "Firestore"), ("redis", "Redis Basic 1 GiB")])
def test_a_plan_tells_what_the_store_costs(deployment, state, line):
    out = deployment.ok("plan", PROFILE="shared", STATE=state).out
    assert re.search(rf"^# .*{line}", out, re.MULTILINE)
    (cost,) = re.findall(r"^# A month costs \$(\d+\.\d\d)\.", out, re.MULTILINE)
    assert (float(cost) > 38) is (state == "redis")


# ---- whatever fails


@pytest.mark.parametrize("turn", TURNS)
@pytest.mark.parametrize("state", STATES)
def test_a_failure_at_each_step_and_apply_again_end_in_the_same_state(pilot, state, turn):
    """Of those that go over from a pilot; the others are the pilot's own."""
    pilot.settings = {"PROFILE": "shared", "STATE": state}
    with recording(copy.deepcopy(pilot.project)) as recorder:
        undisturbed = Deployment(pilot.tree, pilot.folder, recorder, pilot.settings)
        number = len(undisturbed.ok("apply").changes)
    pilot.recorder.fail = fail = Once(turn)
    failures = until_done(pilot, "apply")
    assert failures == len(fail.failed) >= number > 8
    assert comparable(pilot) == comparable(undisturbed)
    assert pilot.ok("apply").changes == []


def test_a_database_that_is_being_made_is_waited_for(deployment):
    """The command comes back before it is there."""
    deployment.project.pending = 2
    done = deployment.ok("apply", PROFILE="shared")
    assert done.out.count("  waiting for the Firestore database kas-usa\n") == 2
    assert len(deployment.project.kind("expiries")) == 3


def test_a_server_that_is_being_made_is_waited_for(deployment):
    deployment.project.pending = 3
    done = deployment.ok("apply", PROFILE="shared", STATE="redis")
    assert done.out.count("  waiting for the Redis server kas-usa\n") == 2
    assert settings_of(deployment).redis_ca


def test_a_password_that_google_does_not_say_is_no_address(deployment):
    deployment.recorder.fail = lambda call: "before" if "get-auth-string" in call.argv else None
    done = deployment.run("apply", PROFILE="shared", STATE="redis")
    assert done.status == 1
    assert 'the step "address of the Redis server" failed' in done.err
    assert "kas-usa-redis" not in deployment.project.secrets


@pytest.mark.parametrize(
    ("kind", "location", "said"), [("DATASTORE_MODE", "us-central1", "native"), ("FIRESTORE_NATIVE", "nam5", "nam5")]
)
def test_a_database_of_the_name_that_is_another_is_left_alone(deployment, kind, location, said):
    deployment.project.kind("databases")["kas-usa"] = {
        "name": "projects/my-project/databases/kas-usa",
        "type": kind,
        "locationId": location,
    }
    done = deployment.run("apply", PROFILE="shared")
    assert done.status == 1
    assert "there is a database kas-usa that is not Firestore's native mode in us-central1" in done.err
    assert said in done.err
    assert deployment.project.kind("expiries") == {}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"labels": {}}, "somebody else has made it"),
        ({"authEnabled": False}, "it asks for no password"),
        ({"transitEncryptionMode": "DISABLED"}, "it does not speak TLS"),
        ({"redisConfigs": {"maxmemory-policy": "volatile-lru"}}, "it would forget used proofs"),
        ({"tier": "STANDARD_HA"}, "it has a replica, which may be behind when it takes over"),
        ({"persistenceConfig": {"persistenceMode": "RDB"}}, "it keeps snapshots"),
        ({"authorizedNetwork": "projects/my-project/global/networks/other"}, "it is not in the network default"),
    ],
)
@pytest.mark.parametrize("verb", ["plan", "apply"])
def test_a_server_that_cannot_be_the_store_stops_it(on_redis, changed, said, verb):
    on_redis.project.kind("servers")["kas-usa"].update(changed)
    done = on_redis.run(verb)
    assert (done.status, done.changes) == (1, [])
    assert said in done.err


# ---- secrets


def test_no_secret_is_on_a_command_line_in_the_output_or_in_a_file(deployment):
    deployment.settings = {"PROFILE": "shared", "STATE": "redis"}
    runs = [deployment.ok("apply", through=("bash", "-x")), deployment.ok("rotate-secrets"), deployment.ok("status")]
    texts = secret_texts(deployment.project) | set(deployment.project.passwords.values())
    assert len(texts) >= 9
    files = [path.read_bytes().decode("utf-8", "replace") for path in deployment.folder.rglob("*") if path.is_file()]
    seen = [*files, *(run.out + run.err for run in runs), *(call.line() for run in runs for call in run.calls)]
    assert [text for text in texts for place in seen if text in place] == []


def test_the_key_of_the_store_is_rotated_with_the_nonce_secret(shared):
    old = shared.project.secrets["kas-usa-state"][1]
    seen = []

    def watch(call: Call) -> None:
        if "update-traffic" in call.argv:
            names = ("KAS_NONCE_SECRET", "KAS_STATE_KEY")
            seen.append([shared.environment[name].rpartition("/")[2] for name in names])

    shared.recorder.fail = watch
    shared.ok("rotate-secrets")
    keys = shared.project.secrets["kas-usa-state"]
    assert keys[2] == f"{keys[3]},{old}"
    assert keys[3] not in {old, shared.project.secrets["kas-usa-nonce"][3]}
    assert seen == [["2", "2"], ["3", "3"]]
    assert shared.ok("rotate-secrets").changes == []


@pytest.mark.parametrize("turn", [0, 1])
def test_a_rotation_of_secrets_that_breaks_off_anywhere_is_continued_and_not_doubled(on_firestore, turn):
    on_firestore.recorder.fail = Once(turn)
    assert until_done(on_firestore, "rotate-secrets") >= 5
    for name in ("nonce", "state"):
        values = on_firestore.project.secrets[f"kas-usa-{name}"]
        assert list(values) == [1, 2, 3]
        assert values[2] == f"{values[3]},{values[1]}"
    assert list(on_firestore.project.secrets["kas-usa-signing"]) == [1, 2]
    assert on_firestore.environment["KAS_STATE_KEY"].endswith("/3")


@pytest.mark.parametrize("way", ["before", "after"])
@pytest.mark.parametrize("number", [6, 7])
def test_a_rotation_that_breaks_off_between_two_secrets_that_lose_their_old_value_goes_on(on_firestore, number, way):
    """And is not taken for one that is over, which would begin another."""
    seen: list[Call] = []

    def fail(call: Call) -> str | None:
        seen.extend([call] if call.is_changing else [])
        return way if call.is_changing and len(seen) == number else None

    on_firestore.recorder.fail = fail
    assert on_firestore.run("rotate-secrets").status == 1
    assert seen[-1].words[:3] == ["secrets", "versions", "add"]
    on_firestore.ok("rotate-secrets")
    for name in ("nonce", "state"):
        values = on_firestore.project.secrets[f"kas-usa-{name}"]
        assert (list(values), values[2]) == ([1, 2, 3], f"{values[3]},{values[1]}")
        setting = {"nonce": "KAS_NONCE_SECRET", "state": "KAS_STATE_KEY"}[name]
        assert on_firestore.environment[setting].endswith("/3")


def test_authorities_that_google_changes_are_told_to_the_service(on_redis):
    server = on_redis.project.kind("servers")["kas-usa"]
    newer = {"cert": server["serverCaCerts"][0]["cert"].replace("Xa", "Xb"), "createTime": "2029-01-01T00:00:00Z"}
    server["serverCaCerts"].append(newer)
    changes = on_redis.ok("apply").changes
    assert next(call.words[:3] for call in changes) == ["run", "services", "update"]
    certificates = re.findall(r"UX(.)", settings_of(on_redis).redis_ca)
    assert certificates == ["b", "a"]


# ---- refused


@pytest.mark.parametrize(
    ("words", "settings", "said"),
    [
        ([], {"STATE": "redis"}, "profile pilot keeps its state in memory; in 'redis' it is with --profile shared"),
        ([], {"PROFILE": "pilot", "MAX_INSTANCES": "3"}, "MAX_INSTANCES is 1, not '3'"),
        (["--profile", "shared"], {"STATE": "memory"}, "STATE is firestore or redis, not 'memory'"),
        (["--profile", "shared"], {"STATE": "valkey"}, "STATE is firestore or redis, not 'valkey'"),
        (["--profile", "shared"], {"MAX_INSTANCES": "0"}, "MAX_INSTANCES is a number from 1 to 100"),
        (["--profile", "shared"], {"MAX_INSTANCES": "101"}, "MAX_INSTANCES is a number from 1 to 100"),
        (["--profile", "shared", "--via", "functions"], {"STATE": "redis"}, "STATE=redis needs --via run"),
        (["--profile", "shared"], {"STATE": "redis", "NETWORK": "a/b"}, "NETWORK is the name of a network"),
        (["--profile", "shared"], {"STATE": "redis", "SUBNET": ""}, None),
        (["--profile", "shared"], {"STATE": "redis", "SUBNET": "A"}, "SUBNET is the name of a subnet"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_is_asked(deployment, words, settings, said):
    done = deployment.run("plan", *words, **settings)
    assert (done.status, done.changes) == (0 if said is None else 2, [])
    if said is not None:
        assert said in done.err
        assert done.calls == []


@pytest.mark.parametrize(
    ("state", "line", "said"),
    [
        ("firestore", 'KAS_STATE_BACKEND: "memory"', "KAS_STATE_BACKEND is memory, and the profile keeps its state in"),
        (
            "redis",
            'KAS_STATE_BACKEND: "firestore"',
            "KAS_STATE_BACKEND is firestore, and the profile keeps its state in",
        ),
        ("redis", 'KAS_REWRAP_DPOP_NONCE: "offer"', "KAS_REWRAP_DPOP_NONCE must be require: else a proof counts again"),
        ("firestore", 'KAS_METRICS: "on"', "KAS_METRICS must be off"),
        ("firestore", 'WORKERS: "2"', None),
        ("firestore", 'KAS_REWRAP_DPOP_NONCE: "offer"', None),
        ("firestore", 'KAS_STATE_BACKEND: "firestore"', None),
    ],
)
def test_settings_that_are_not_safe_with_the_store_are_refused(deployment, state, line, said):
    text = (deployment.tree / "env.yaml").read_text("utf-8")
    name = line.partition(":")[0]
    text = re.sub(f"^{name}: .*\n", "", text, flags=re.MULTILINE)
    (deployment.folder / "env.yaml").write_text(f"{text}{line}\n", "utf-8")
    settings = {"ENV_FILE": str(deployment.folder / "env.yaml"), "PROFILE": "shared", "STATE": state}
    done = deployment.run("plan", **settings)
    assert (done.status, done.changes) == (0 if said is None else 2, [])
    assert said is None or said in done.err


def test_a_store_in_env_yaml_without_the_profile_is_refused(deployment):
    text = (deployment.tree / "env.yaml").read_text("utf-8")
    (deployment.folder / "env.yaml").write_text(f'{text}KAS_STATE_BACKEND: "redis"\n', "utf-8")
    done = deployment.run("apply", ENV_FILE=str(deployment.folder / "env.yaml"))
    assert (done.status, done.changes) == (2, [])
    assert "KAS_STATE_BACKEND is redis, and the profile keeps its state in memory" in done.err


@pytest.mark.parametrize(("instances", "workers"), [("3", "1"), ("1", "2")])
def test_more_than_one_of_anything_on_memory_is_no_safe_deployment_whoever_asks(instances, workers):
    options = {"hops": "0", "ingress": "all", "default_url": "yes", "state": "memory", "max_instances": instances}
    with pytest.raises(Refused, match="used proofs are in the memory of one process"):
        safety.check({"WORKERS": workers}, options)


# ---- there and back


@pytest.mark.parametrize("state", STATES)
def test_a_pilot_becomes_shared_and_a_pilot_again(pilot, state):
    """A new revision each time, without a build; the one before is still there to go back to."""
    before = pilot.environment
    there = pilot.ok("apply", PROFILE="shared", STATE=state)
    assert ["run", "deploy"] not in [call.words[:2] for call in there.changes]
    assert (pilot.environment["KAS_STATE_BACKEND"], max_scale(pilot)) == (state, "3")
    assert alerts(pilot) == {name for name in policies() if OF_ONE_PROFILE.get(name) != "pilot"}
    back = pilot.ok("apply")
    assert [call.words[:3] for call in back.changes if call.words[0] == "run"] == [
        ["run", "services", "update"],
        ["run", "services", "update-traffic"],
    ]
    assert (pilot.environment, max_scale(pilot)) == (before, "1")
    assert not [name for name in template(pilot) if "network" in name or "vpc" in name]
    assert alerts(pilot) == {name for name in policies() if OF_ONE_PROFILE.get(name) != "shared"}
    assert pilot.ok("apply").changes == []


def test_all_traffic_goes_over_at_once(pilot):
    done = pilot.ok("apply", PROFILE="shared")
    shifts = [call for call in done.changes if "update-traffic" in call.argv]
    assert [call.flags.keys() & {"to-latest", "to-revisions"} for call in shifts] == [{"to-latest"}]
    (update,) = [call for call in done.changes if call.words[:3] == ["run", "services", "update"]]
    assert "no-traffic" in update.flags


def test_a_rollback_goes_back_to_the_pilots_revision_and_its_one_instance(pilot):
    newest = serving(pilot)
    pilot.ok("apply", PROFILE="shared")
    pilot.ok("rollback", PROFILE="shared")
    assert serving(pilot) == newest
    own = pilot.project.kind("revisions")[newest]["metadata"]["annotations"]
    assert own["autoscaling.knative.dev/maxScale"] == "1"


def test_a_rollback_to_a_store_whose_address_is_disabled_is_refused(on_redis):
    revision = serving(on_redis)
    on_redis.ok("apply", PROFILE="pilot", STATE="")
    on_redis.project.kind("secrets")["kas-usa-redis"]["versions"][0]["state"] = "DISABLED"
    done = on_redis.run("rollback", revision)
    assert (done.status, done.changes) == (1, [])
    assert "secrets/kas-usa-redis/versions/1, which is not enabled: it would not start" in done.err


def test_a_rollback_to_a_server_that_was_replaced_is_refused(on_redis):
    """Its address and password are others since: the revision would answer 503 to every proof."""
    revision = serving(on_redis)
    on_redis.ok("apply", MEMORY="1Gi")
    on_redis.project.kind("servers").clear()
    on_redis.ok("apply", MEMORY="1Gi")
    done = on_redis.run("rollback", revision, "--yes")
    assert (done.status, done.changes) == (1, [])
    assert "the Redis server has another address or password since: it would answer 503" in done.err


@pytest.mark.parametrize("kind", ["servers", "databases"])
def test_a_rollback_to_a_store_that_is_gone_is_refused(deployment, finished_shared, kind):
    state = {"servers": "redis", "databases": "firestore"}[kind]
    _like(deployment, finished_shared[state], state)
    revision = serving(deployment)
    deployment.ok("apply", PROFILE="pilot", STATE="")
    there = dict(deployment.project.kind(kind))
    deployment.project.kind(kind).clear()
    done = deployment.run("rollback", revision)
    assert (done.status, done.changes) == (1, [])
    assert f"it remembers in {state}, and kas-usa is not there any more: it would answer 503" in done.err
    deployment.project.kind(kind).update(there)
    deployment.ok("rollback", revision)
    assert serving(deployment) == revision


def test_from_one_store_to_the_other(on_redis):
    on_redis.ok("apply", STATE="firestore")
    assert on_redis.environment["KAS_STATE_BACKEND"] == "firestore"
    assert not {"KAS_REDIS_URL", "KAS_REDIS_CA"} & on_redis.environment.keys()
    assert "run.googleapis.com/network-interfaces" not in template(on_redis)
    assert on_redis.ok("apply", STATE="firestore").changes == []


def test_on_firestore_a_function_can_be_shared_too(deployment):
    settings = {"PROFILE": "shared"}
    deployment.ok("apply", "--via", "functions", **settings)
    assert settings_of(deployment).state_backend == "firestore"
    assert deployment.ok("apply", "--via", "functions", **settings).changes == []


# ---- asked, and the way back


def test_status_tells_of_the_store_whatever_profile_is_asked_for(shared):
    lines = shared.ok("status", PROFILE="pilot", STATE="").out.splitlines()
    if shared.settings["STATE"] == "firestore":
        assert "state: firestore, database kas-usa" in lines
        assert "store: Firestore database kas-usa, FIRESTORE_NATIVE, us-central1" in lines
        kinds = ",".join(f"kas-kas-usa-{kind} CREATING" for kind in ("claims", "windows", "keys"))
        assert f"documents that expire: {kinds}" in lines
    else:
        assert "state: redis" in lines
        assert any(line.startswith("store: Redis server kas-usa, READY, REDIS_7_0, 1 GiB, paid for") for line in lines)


@pytest.fixture
def figures() -> Iterator[Any]:
    with google_http() as google:
        google.series = {
            "document/write_count": [{"int64Value": "900000"}],
            "document/ttl_deletion_count": [{"int64Value": "400000"}],
        }
        yield google


def test_cost_tells_of_the_store(shared, figures):
    out = shared.ok("cost", **figures.settings).out
    rows = {line[:70].strip(): line[70:].split() for line in out.splitlines() if not line.startswith("#")}
    assert rows["Firestore         documents that expired"] == ["4.000", "0.04"]
    assert rows["Firestore         documents written"][0] == "9.000"
    assert "Firestore         documents read" not in rows
    assert ("Memorystore       GiB and hours of Redis" in rows) is (shared.settings["STATE"] == "redis")


def test_destroy_removes_the_server_and_leaves_the_database_which_it_cannot_tell_from_anothers(shared):
    done = shared.ok("destroy", "--yes", "--secrets")
    state = shared.project.snapshot()[0]
    assert not state.get("servers")
    assert state["secrets"].keys() == {"kas-usa-ec"}
    assert database_roles(shared.project) == []
    is_left = "#   gcloud firestore databases delete --database=kas-usa" in done.out
    assert is_left is ("kas-usa" in state.get("databases", {})) is (shared.settings["STATE"] == "firestore")
    assert shared.ok("destroy", "--yes", "--secrets").changes == []


def test_destroy_leaves_a_server_that_somebody_else_has_made(on_redis):
    on_redis.project.kind("servers")["kas-usa"]["labels"] = {"team": "billing"}
    done = on_redis.ok("destroy", "--yes")
    assert list(on_redis.project.kind("servers")) == ["kas-usa"]
    assert "# the Redis server kas-usa stays: this script has not made it" in done.out


def test_a_store_that_another_service_of_the_nation_has_stays(on_redis):
    on_redis.ok("apply", SERVICE="kas-usa-staging")
    on_redis.ok("destroy", "--yes", "--secrets", SERVICE="kas-usa-staging")
    assert list(on_redis.project.kind("servers")) == ["kas-usa"]
    assert on_redis.ok("apply").changes == []


def test_a_destruction_that_breaks_off_anywhere_goes_on(shared):
    shared.recorder.fail = fail = Once(0)
    assert until_done(shared, "destroy", "--yes") == len(fail.failed) > 20
    assert not shared.project.kind("servers")
    assert database_roles(shared.project) == []


def test_after_destroy_the_address_is_that_of_the_new_server(on_redis):
    """The secret of the old one is still there."""
    on_redis.ok("destroy", "--yes")
    on_redis.ok("apply")
    assert list(on_redis.project.secrets["kas-usa-redis"]) == [1, 2]
    assert settings_of(on_redis).redis.sign_in == (on_redis.project.passwords["kas-usa"],)
    assert on_redis.ok("apply").changes == []


# ---- the server, as Google shows it


@pytest.mark.parametrize("said", ["", "word\n", "word\n10.0.0.3\n", "\n10.0.0.3\t6378\n", "word\n10.0.0.3\tx\n"])
def test_an_address_of_which_something_is_missing_is_none(said):
    with pytest.raises(Refused):
        redis_server.url(io.StringIO(said))


def test_a_password_stands_in_the_address_as_an_address_takes_it():
    assert redis_server.url(io.StringIO("a/b@c\n10.0.0.3\t6378\n")) == "rediss://:a%2Fb%40c@10.0.0.3:6378/0"


@pytest.mark.parametrize(
    ("server", "made", "predates"),
    [
        ({}, "2026-01-01T00:00:00Z", True),
        ({"createTime": "2026-01-01T00:00:01.5Z"}, "2026-01-01T00:00:00.999999Z", True),
        ({"createTime": "2026-01-01T00:00:00.5Z"}, "2026-01-01T00:00:00Z", False),
        ({"createTime": "2026-01-01T00:00:00Z"}, "2026-01-01T00:00:01Z", False),
    ],
)
def test_a_secret_is_older_than_its_server_by_a_second_at_least(server, made, predates):
    assert redis_server.predates(made, server) is predates
