# shellcheck shell=bash
# What can be asked for.

main() {
	read_options "$@"
	[[ -n $VERB ]] || { usage && exit 2; }
	check_options
	make_work
	case $VERB in
	plan | apply | promote | rollback | status | smoke | cost | destroy) "$VERB" ;;
	rotate-key | rotate-secrets) "${VERB/-/_}" ;;
	*) usage >&2 && exit 2 ;;
	esac
}

check_safety() { # before anything is asked of Google
	python3 -m deploy.safety "$ENV_FILE" "state=$STATE" "hops=$HOPS" "ingress=$INGRESS" "default_url=$DEFAULT_URL" \
		"max_instances=$MAX_INSTANCES" 2>"$WORK/said" || refuse "$ENV_FILE: $(said)"
}

plan() {
	MODE=plan
	all_steps
	say "# $CHANGES commands"
	show_price
}

apply() {
	MODE=apply
	all_steps
	say "# $CHANGES commands were run"
	smoke_all
}

all_steps() {
	check_safety
	step_access
	step_interfaces
	step_ring
	step_keys
	step_accounts
	step_key_roles
	step_secrets
	step_repository
	deploy_steps
	step_key_audit
	step_channel
	render_watched
	step_metrics
	step_dashboard
	step_alerts
	step_uptime
	step_budget
	step_tls13
}

deploy_steps() {
	step_function
	step_addresses
	step_traffic
}

show_price() {
	local flags=() alerts=(deploy/alerts/*.json)
	[[ $TLS13 == no ]] || flags=(--tls13)
	say '#'
	if python3 -m kas.cost --requests "$REQUESTS_PER_DAY" --dialects "${DIALECTS// /,}" --key "$KEY_ALGORITHM" \
		--protection "$PROTECTION" --sealed-ec "$SEALED_EC" --nations "$NATION" --vcpu "$CPU" \
		--memory-mib "$(in_mib "$MEMORY")" --alert-conditions "${#alerts[@]}" "${flags[@]}" >"$WORK/cost" 2>"$WORK/said"; then
		sed -n '/^At this traffic/q; s/^/# /p' "$WORK/cost"
	else
		say "# the monthly cost cannot be told: $(said | tail -n 1)"
	fi
}

in_mib() {
	[[ $1 == *Gi ]] && printf '%s' "$((${1%Gi} * 1024))" || printf '%s' "${1%Mi}"
}

# ---- asking the deployed service

smoke() {
	MODE=apply
	step_access
	smoke_all
}

smoke_all() {
	local python=python3 base=https://$SERVICE-$NUMBER.$REGION.run.app flags=()
	step 'smoke test' './deploy.sh status; docs/GCP-KMS-SETUP.md, "When something is wrong"'
	[[ $TRAFFIC == yes ]] || base=https://$TAG---${base#https://}
	if [[ $TLS13 == yes ]]; then
		[[ $VERB == smoke || ${CERTIFICATE:-ACTIVE} == ACTIVE ]] || return 0
		flags=("--closed=$base")
		base=https://$DOMAIN
	fi
	[[ $MEASURE == no ]] || flags+=(--measure)
	[[ ! -x $VENV_PYTHON ]] || python=$VENV_PYTHON
	say "# $base"
	"$python" -m deploy.smoke "$base" "--dialects=${DIALECTS// /,}" "${flags[@]}" 2>"$WORK/said" || failed "$python" -m deploy.smoke "$base"
}

cost() {
	MODE=apply
	step_access
	step 'spent so far' 'you need roles/monitoring.viewer, or roles/owner, on the project'
	python3 -m deploy.spent "$PROJECT" "$REGION" "$SERVICE" "$RING" "$CPU" 2>"$WORK/said" || failed python3 -m deploy.spent
}

# ---- what is there

status() {
	local key
	step_access
	step status 'see the reason'
	say "project $PROJECT ($NUMBER), $REGION, billing account $BILLING_ACCOUNT"
	read_service
	python3 -m deploy.state "$WORK/service.json"
	for key in acp240 opentdf seal; do
		found kms keys versions list "--key=$key" "--keyring=$RING" "--location=$REGION" \
			'--format=value(name.basename(),state,algorithm,protectionLevel)' || continue
		say "key $key version ${ANSWER//$'\n'/$'\n'key $key version }"
	done
	for key in "$SIGNING" "$NONCE" "$SEALED"; do
		found secrets versions list "$key" '--format=value(name.basename(),state)' || continue
		say "secret $key version ${ANSWER//$'\n'/$'\n'secret $key version }"
	done
	count_of 'alert policies' alpha monitoring policies list "--filter=userLabels.kas_service=$SERVICE"
	count_of 'uptime checks' monitoring uptime list-configs "--filter=userLabels.kas_service=$SERVICE"
	count_of budgets billing budgets list "--billing-account=$BILLING_ACCOUNT" "--filter=displayName='kas $PROJECT'"
}

count_of() { # WHAT, the question for a list
	local what=$1
	shift
	found "$@" '--format=value(name)' || ANSWER=''
	say "$what: $(grep -c . <<<"$ANSWER" || :)"
}
