# shellcheck shell=bash
# What is there, and what it has cost: questions alone.

status() {
	local key
	step_access
	step status 'see the reason'
	say "project $PROJECT ($NUMBER), $REGION, billing account $BILLING_ACCOUNT"
	read_service
	python3 -m deploy.status "$WORK/service.json"
	for key in acp240 opentdf seal; do
		found kms keys versions list "--key=$key" "--keyring=$RING" "--location=$REGION" \
			'--format=value(name.basename(),state,algorithm,protectionLevel)' || continue
		say "key $key version ${ANSWER//$'\n'/$'\n'key $key version }"
	done
	for key in "${ALL_SECRETS[@]}"; do
		found secrets versions list "$key" '--format=value(name.basename(),state)' || continue
		say "secret $key version ${ANSWER//$'\n'/$'\n'secret $key version }"
	done
	say_store
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

cost() {
	local key balancer=no alerts
	MODE=apply
	step_access
	step 'spent so far' 'you need roles/monitoring.viewer, or roles/owner, on the project'
	for key in acp240 opentdf seal; do
		found kms keys versions list "--key=$key" "--keyring=$RING" "--location=$REGION" \
			'--format=value(state,protectionLevel,algorithm)' || continue
		say "key"$'\t'"${ANSWER//$'\n'/$'\nkey\t'}"
	done >"$WORK/paid"
	for key in "${ALL_SECRETS[@]}"; do
		found secrets versions list "$key" '--format=value(state)' || continue
		say "secret"$'\t'"${ANSWER//$'\n'/$'\nsecret\t'}"
	done >>"$WORK/paid"
	if has_interface redis && found redis instances describe "$STORE" "--region=$REGION" '--format=value(memorySizeGb)'; then
		say "redis"$'\t'"$ANSWER" >>"$WORK/paid"
	fi
	found alpha monitoring policies list "--filter=userLabels.kas_service=$SERVICE" '--format=value(name)' || ANSWER=''
	alerts=$(grep -c . <<<"$ANSWER" || :)
	! has_interface compute || ! global forwarding-rules || balancer=yes
	python3 -m deploy.spent "$WORK/paid" "project=$PROJECT" "region=$REGION" "service=$SERVICE" "store=$STORE" \
		"cpu=$CPU" "memory=$MEMORY" "key=$KEY_ALGORITHM" "protection=$PROTECTION" "alerts=$alerts" "balancer=$balancer" \
		2>"$WORK/said" || failed python3 -m deploy.spent
}
