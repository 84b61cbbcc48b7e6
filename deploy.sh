#!/usr/bin/env bash
# From an empty Google Cloud project to a watched, budgeted Key Access Service, and back. docs/CLOUD-RUN-DEPLOYMENT.md
# is the manual. Nothing is kept on this machine: what is there is asked of Google each time, so running again continues.
set -euo pipefail

# Settings. An environment variable of the same name wins.
PROJECT=${PROJECT:-}                   # id of the project; by default gcloud's own
NATION=${NATION:-usa}                  # usa, fra or gbr: region, key ring, account and secrets
SERVICE=${SERVICE:-}                   # of Cloud Run, and KAS_ID; by default kas-NATION
ENV_FILE=${ENV_FILE:-env.yaml}         # all other settings of the service
DIALECTS=${DIALECTS:-acp240 opentdf}   # an RSA key for each
KEY_ALGORITHM=${KEY_ALGORITHM:-rsa-2048} # or rsa-3072, rsa-4096
PROTECTION=${PROTECTION:-hsm}          # or software
SEALED_EC=${SEALED_EC:-yes}            # an EC key that Cloud KMS seals; no leaves ec-wrapped out
PROFILE=${PROFILE:-pilot}              # state in memory, one instance; or shared: in a store that several share
STATE=${STATE:-}                       # with profile shared: firestore (default) or redis
MAX_INSTANCES=${MAX_INSTANCES:-}       # by default 1 in profile pilot, 3 in shared
NETWORK=${NETWORK:-default}            # with redis: where the server is, and by which the service reaches it
SUBNET=${SUBNET:-default}              # of NETWORK in the region
CPU=${CPU:-1}
MEMORY=${MEMORY:-640Mi}
THREADS=${THREADS:-32}                 # requests at once, in the process and at the front end
BILLING_ACCOUNT=${BILLING_ACCOUNT:-}   # by default the project's
BUDGET=${BUDGET:-20}                   # a month, in USD; 20EUR where the account has another currency
DAILY_ALERT=${DAILY_ALERT:-0.70}       # USD a day
ALERT_EMAIL=${ALERT_EMAIL:-}           # by default the account that runs this, where it is a person's
DOMAIN=${DOMAIN:-}                     # with --tls13: the name that clients call
REQUESTS_PER_DAY=${REQUESTS_PER_DAY:-1000} # for the price in a plan
VENV_PYTHON=${VENV_PYTHON:-.venv/bin/python} # has requirements.txt: for the sealed key and for smoke with credentials
SEALED_KEYS_OPTIONS=${SEALED_KEYS_OPTIONS:-} # more arguments of kas.admin.sealed_keys, such as its endpoints
SETTLE_SECONDS=${SETTLE_SECONDS:-10}   # between attempts while Google makes something known to itself

usage() {
	cat <<'END'
Usage: ./deploy.sh VERB [flags]
  plan               the commands that apply would run now, and the monthly cost; changes nothing
  apply              runs them; again, it continues
  status             what is there
  smoke              asks the deployed service; with credentials for a rewrap in each dialect
  promote            traffic to the revision tagged candidate; with --yes to the newest after a rollback
  rollback [REVISION]  traffic to it, by default to the newest ready one made before that which serves
  rotate-key KEY     a new version of acp240 or opentdf; the old one still opens
  rotate-secrets     a new signing key, a new nonce secret and, with a shared store, a new state key
  cost               spent so far this month
  destroy            removes everything but keys, secrets and a Firestore database; asks
Flags of every verb: --nation usa|fra|gbr  --via run|functions  --tls13  --profile pilot|shared
  --no-traffic       plan, apply: the new revision waits under the tag candidate; smoke: asks that one
  --measure          apply, smoke: many requests, and how long they took; needs credentials
  --secrets          destroy: the secrets too, but for the sealed key
  --yes              destroy: asks nothing; promote: after a rollback; rollback: though keys are unknown to it;
                     rotate-key, rotate-secrets: again on the same day
END
}

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$HERE"
# shellcheck source=deploy/run.sh
source deploy/run.sh
# shellcheck source=deploy/options.sh
source deploy/options.sh
# shellcheck source=deploy/project.sh
source deploy/project.sh
# shellcheck source=deploy/keys.sh
source deploy/keys.sh
# shellcheck source=deploy/secrets.sh
source deploy/secrets.sh
# shellcheck source=deploy/store.sh
source deploy/store.sh
# shellcheck source=deploy/function.sh
source deploy/function.sh
# shellcheck source=deploy/traffic.sh
source deploy/traffic.sh
# shellcheck source=deploy/watch.sh
source deploy/watch.sh
# shellcheck source=deploy/tls13.sh
source deploy/tls13.sh
# shellcheck source=deploy/verbs.sh
source deploy/verbs.sh
# shellcheck source=deploy/smoke.sh
source deploy/smoke.sh
# shellcheck source=deploy/report.sh
source deploy/report.sh
# shellcheck source=deploy/rotate.sh
source deploy/rotate.sh
# shellcheck source=deploy/destroy.sh
source deploy/destroy.sh

main "$@"
