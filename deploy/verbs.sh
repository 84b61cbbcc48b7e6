# shellcheck shell=bash
# What can be asked for.

main() {
	read_options "$@"
	[[ -n $VERB ]] || { usage && exit 2; }
	check_tools
	check_options
	make_work
	case $VERB in
	plan | apply | promote | rollback | status | smoke | cost | destroy) "$VERB" ;;
	rotate-key | rotate-secrets) "${VERB/-/_}" ;;
	*) usage >&2 && refuse "unknown verb $VERB" ;;
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
	step_store
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
	local flags=()
	find_alerts
	[[ $TLS13 == no ]] || flags=(--tls13)
	[[ $STATE == memory ]] || flags+=(--state "$STATE" --instances "$MAX_INSTANCES" --secrets "$(count_secrets)")
	say '#'
	if python3 -m kas.cost --requests "$REQUESTS_PER_DAY" --dialects "${DIALECTS// /,}" --key "$KEY_ALGORITHM" \
		--protection "$PROTECTION" --sealed-ec "$SEALED_EC" --nations "$NATION" --vcpu "$CPU" \
		--memory-mib "$(in_mib "$MEMORY")" --alert-conditions "${#ALERTS[@]}" "${flags[@]}" >"$WORK/cost" 2>"$WORK/said"; then
		sed -n '/^At this traffic/q; s/^/# /p' "$WORK/cost"
	else
		say "# the monthly cost cannot be told: $(said | tail -n 1)"
	fi
}

count_secrets() { # that a service with a shared store reads, where none was rotated yet
	local number=3
	[[ $SEALED_EC == no ]] || number=$((number + 1))
	[[ $STATE != redis ]] || number=$((number + 1))
	printf '%s' "$number"
}

in_mib() {
	[[ $1 == *Gi ]] && printf '%s' "$((${1%Gi} * 1024))" || printf '%s' "${1%Mi}"
}
