# shellcheck shell=bash
# Asks the deployed service, at the address that clients use or at that of the revision that waits.

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
		[[ $CERTIFICATE == ACTIVE ]] || return 0
		flags=("--closed=$base")
		base=https://$DOMAIN
	fi
	[[ $MEASURE == no ]] || flags+=("--measure=$WORK/seen")
	[[ ! -x $VENV_PYTHON ]] || python=$VENV_PYTHON
	say "# $base"
	"$python" -m deploy.smoke "$base" "--dialects=${DIALECTS// /,}" "${flags[@]}" 2>"$WORK/said" ||
		failed "$python" -m deploy.smoke "$base"
	[[ $MEASURE == no ]] || show_measured
}

# The service's own record of the same requests, which arrives some seconds later.
show_measured() {
	local attempt wanted
	[[ -s $WORK/seen ]] || stop '--measure needs SMOKE_TOKEN_URL, SMOKE_CLIENT_ID and SMOKE_CLIENT_SECRET'
	wanted=$(grep -cE '"kind": "(warm|cached)"' "$WORK/seen")
	for ((attempt = 0; attempt < ATTEMPTS; attempt++)); do
		found logging read "resource.type=cloud_run_revision AND resource.labels.service_name=$SERVICE AND \
jsonPayload.event=rewrap" --freshness=10m "--limit=$((2 * wanted))" --format=json || ANSWER='[]'
		printf '%s' "$ANSWER" >"$WORK/audit"
		[[ $(grep -o '"requestId"' "$WORK/audit" | wc -l) -lt $wanted ]] || break
		sleep "$SETTLE_SECONDS"
	done
	python3 -m deploy.timeseries "$PROJECT" "$SERVICE" >"$WORK/starts" 2>"$WORK/said" || printf '0 0' >"$WORK/starts"
	python3 -m deploy.measured "$WORK/seen" "$WORK/audit" "$WORK/starts"
}
