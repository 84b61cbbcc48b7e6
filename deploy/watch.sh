# shellcheck shell=bash
# What watches the service and its bill. Each thing carries the service's name and a mark of its content: what has the mark
# already is left alone, what has another is made anew and the old one removed.

CHANNEL='' # full name of where alerts are sent
ALERTS=() # files of alert policies
WATCHED=() # of each file: kind, name, mark and what is to be sent, tabs between

step_channel() {
	local email
	step 'notification channel' 'you need roles/monitoring.editor, or roles/owner, on the project'
	find_channel
	email=$ANSWER
	if [[ -n $ALERT_EMAIL && $email != "$ALERT_EMAIL" ]]; then
		[[ -z $CHANNEL ]] || change beta monitoring channels delete "$CHANNEL" --force
		change beta monitoring channels create "--display-name=KAS $SERVICE" --type=email \
			"--channel-labels=email_address=$ALERT_EMAIL" "--user-labels=kas_service=$SERVICE"
		[[ $MODE == apply ]] && find_channel || CHANNEL=projects/$PROJECT/notificationChannels/new
	fi
	[[ -n $CHANNEL ]] || say '# nobody is told of alerts: set ALERT_EMAIL'
}

find_channel() { # its name into CHANNEL, its address into ANSWER
	local service email name
	CHANNEL=''
	found beta monitoring channels list '--format=value(userLabels.kas_service,name,labels.email_address)' || return 0
	while IFS=$'\t' read -r service name email; do
		[[ $service != "$SERVICE" ]] || { CHANNEL=$name ANSWER=$email && return; }
	done <<<"$ANSWER"
	ANSWER=''
}

find_alerts() { # the files of all but the one that is of the other profile
	local file other=state
	[[ $STATE == memory ]] || other=traffic
	ALERTS=()
	for file in deploy/alerts/*.json; do
		[[ $file == */$other.json ]] || ALERTS+=("$file")
	done
}

render_watched() {
	local host=$DOMAIN operations
	find_alerts
	[[ $TLS13 == yes ]] || host=$SERVICE-$NUMBER.$REGION.run.app
	operations=$(python3 -m deploy.env_file "$ENV_FILE" KAS_KMS_OPERATIONS_PER_DAY 2>"$WORK/said") ||
		failed python3 -m deploy.env_file "$ENV_FILE"
	python3 -m deploy.watched "$WORK" deploy/metrics/*.json "${ALERTS[@]}" deploy/dashboard.json deploy/uptime.json \
		"PROJECT=$PROJECT" "SERVICE=$SERVICE" "REGION=$REGION" "HOST=$host" "CHANNEL=$CHANNEL" "CPU=$CPU" \
		"DAILY_ALERT_USD=$DAILY_ALERT" "KEY_OPERATIONS_PER_DAY=${operations:-20000}" "MEMORY=$MEMORY" \
		"PROTECTION=$PROTECTION" "KEY_ALGORITHM=$KEY_ALGORITHM" >"$WORK/watched" 2>"$WORK/said" ||
		failed python3 -m deploy.watched
	mapfile -t WATCHED <"$WORK/watched"
}

of_kind() { # KIND: name, mark and file of each
	local row
	for row in "${WATCHED[@]}"; do
		[[ $row != "$1"$'\t'* ]] || printf '%s\n' "${row#*$'\t'}"
	done
}

step_metrics() { # they are the project's, whatever services it has
	local name mark file known
	step 'log-based metrics' 'you need roles/logging.configWriter, or roles/owner, on the project'
	found logging metrics list '--format=value(name,description)' || ANSWER=''
	known=$'\n'$ANSWER
	while IFS=$'\t' read -r name mark file; do
		if [[ $known != *$'\n'"$name"$'\t'* ]]; then
			change logging metrics create "$name" "--config-from-file=$file"
		elif [[ $known != *"[$mark]"* ]]; then
			change logging metrics update "$name" "--config-from-file=$file"
		fi
	done < <(of_kind metrics)
}

step_dashboard() {
	local mark file
	step 'dashboard' 'you need roles/monitoring.editor, or roles/owner, on the project'
	IFS=$'\t' read -r _ mark file < <(of_kind dashboard)
	found monitoring dashboards list '--format=value(displayName,name,labels)' || ANSWER=''
	renew "Key Access Service $SERVICE" "kas_$mark" "$ANSWER" dashboard "$file"
}

make_dashboard() { change monitoring dashboards create "--config-from-file=$1"; }
drop_dashboard() { change monitoring dashboards delete "$1"; }

step_alerts() {
	local name mark file row rows known=,
	step 'alert policies' 'you need roles/monitoring.editor, or roles/owner, on the project'
	found alpha monitoring policies list \
		'--format=value(userLabels.kas_service,userLabels.kas_alert,name,userLabels.kas_content)' || ANSWER=''
	rows=$(sed -nE "s/^$SERVICE\t//p" <<<"$ANSWER")
	while IFS=$'\t' read -r name mark file; do
		renew "$name" "$mark" "$rows" alert "$file"
		known+=$name,
	done < <(of_kind alerts)
	while IFS= read -r row; do # of an earlier release; whose name may be empty
		name=${row%%$'\t'*} file=${row#*$'\t'}
		[[ -z $row || $known == *",$name,"* ]] || drop_alert "${file%%$'\t'*}"
	done <<<"$rows"
}

make_alert() { change alpha monitoring policies create "--policy-from-file=$1"; }
drop_alert() { change alpha monitoring policies delete "$1"; }

step_uptime() {
	local mark file
	step 'uptime check' 'you need roles/monitoring.editor, or roles/owner, on the project'
	IFS=$'\t' read -r _ mark file < <(of_kind uptime)
	found monitoring uptime list-configs '--format=value(userLabels.kas_service,name,userLabels.kas_content)' || ANSWER=''
	renew "$SERVICE" "$mark" "$ANSWER" uptime "$file"
}

make_uptime() {
	local arguments
	mapfile -t arguments <"$1"
	change monitoring uptime create "${arguments[@]}"
}
drop_uptime() { change monitoring uptime delete "$1"; }

# Makes what is not there with this mark, then removes what is there with another.
renew() { # TITLE MARK ROWS KIND FILE: a row is a title, a name and something with the mark
	local title name rest is_there=no old=()
	while IFS=$'\t' read -r title name rest; do
		[[ $title == "$1" ]] || continue
		[[ $rest == *"$2"* ]] && is_there=yes || old+=("$name")
	done <<<"$3"
	[[ $is_there == yes ]] || "make_$4" "$5"
	for name in "${old[@]}"; do "drop_$4" "$name"; done
}

# It tells, and stops nothing: what stops is KAS_KMS_OPERATIONS_PER_DAY and --max-instances. One for the project, however
# many services it has. A share is written 0.5: 50 would be 5000 %.
step_budget() {
	local title="kas $PROJECT" one name amount shares flags=()
	step 'budget' "you need roles/billing.costsManager on the billing account. Where its currency is not USD: BUDGET=20EUR"
	found billing budgets list "--billing-account=$BILLING_ACCOUNT" \
		'--format=value(displayName,name,amount.specifiedAmount.units,thresholdRules[].thresholdPercent)' || ANSWER=''
	while IFS=$'\t' read -r one name amount shares; do
		[[ $one != "$title" ]] || break
		name='' amount='' shares=''
	done <<<"$ANSWER"$'\n'
	[[ $amount != "${BUDGET%%[A-Z]*}" || ! $shares =~ ^0\.5\;0\.9\;1(\.0)?$ ]] || return 0
	[[ -z $name ]] || change billing budgets delete "$name" "--billing-account=$BILLING_ACCOUNT"
	[[ -z $CHANNEL ]] || flags=("--notifications-rule-monitoring-notification-channels=$CHANNEL")
	[[ $BUDGET == *[A-Z] ]] || flags+=("--budget-amount=${BUDGET}USD")
	[[ $BUDGET != *[A-Z] ]] || flags+=("--budget-amount=$BUDGET")
	change billing budgets create "--billing-account=$BILLING_ACCOUNT" "--display-name=$title" \
		--threshold-rule=percent=0.5 --threshold-rule=percent=0.9 --threshold-rule=percent=1.0 \
		--calendar-period=month "--filter-projects=projects/$PROJECT" "${flags[@]}"
}
