# shellcheck shell=bash
# Which revision serves. A new one waits under the tag "candidate", with addresses of its own, until it is given all
# traffic at once. Whoever rolls back takes the traffic away from the newest, and nothing gives it back unasked.

step_traffic() {
	step 'traffic' 'see the reason; the revision that served before still does'
	if [[ $TRAFFIC == no ]]; then
		[[ $WAITS == no ]] || say "# the new revision waits under the tag $TAG: ./deploy.sh smoke --no-traffic, then promote"
	elif [[ $WAITS == yes ]]; then
		give_traffic
	fi
}

give_traffic() {
	change run services update-traffic "$SERVICE" "--region=$REGION" --to-latest "--remove-tags=$TAG"
	WAITS=no
}

promote() {
	local newest candidate withdrawn
	MODE=apply
	step_access
	step 'traffic' './deploy.sh status shows which revisions there are'
	check_ours
	read_service
	list_revisions
	read -r newest candidate withdrawn < <(python3 -m deploy.revisions candidate "$WORK/service.json" "$TAG")
	if [[ $withdrawn != - ]]; then # nobody brings it back by accident: a build promotes too
		[[ $YES == yes ]] || stop "$withdrawn was withdrawn by a rollback: promote --yes gives it the traffic again"
	elif [[ $candidate == - ]]; then
		stop "no revision is tagged $TAG: ./deploy.sh apply --no-traffic makes one"
	elif [[ $candidate != "$newest" ]]; then
		stop "$TAG is $candidate, and $newest has been made since"
	fi
	check_edge "$newest"
	give_traffic
}

list_revisions() {
	found run revisions list "--service=$SERVICE" "--region=$REGION" --format=json || stop "there is no service $SERVICE"
	printf '%s' "$ANSWER" >"$WORK/revisions.json"
}

# Whom a revision believes about addresses has to fit who may reach the service now.
check_edge() { # REVISION
	python3 -m deploy.revisions edge "$WORK/service.json" "$WORK/revisions.json" "$1" 2>"$WORK/said" ||
		stop "$(said). Who may reach the service is not of a revision:
           ./deploy.sh apply sets both, with --tls13 behind the load balancer"
}

rollback() {
	local revision
	MODE=apply
	step_access
	step 'rollback' './deploy.sh status shows which revisions there are'
	check_ours
	read_service
	list_revisions
	python3 -m deploy.revisions back "$WORK/service.json" "$WORK/revisions.json" "$WORK/target" ${ARGUMENT:+"$ARGUMENT"} \
		2>"$WORK/said" || failed "$0" rollback ${ARGUMENT:+"$ARGUMENT"}
	read -r revision <"$WORK/target"
	check_edge "$revision"
	check_target
	change run services update-traffic "$SERVICE" "--region=$REGION" "--to-revisions=$revision=100"
	say "# $revision serves. ./deploy.sh apply leaves it so until the source is another; forward: ./deploy.sh promote --yes"
}

# An old revision starts only where all that it names still works, and cannot open what was wrapped since to newer keys.
check_target() {
	local kind name
	while IFS=$'\t' read -r kind name; do
		case $kind in
		key) found kms keys versions describe "$name" '--format=value(state)' && [[ $ANSWER == ENABLED ]] ||
			say "# $name is not enabled: what is wrapped to it will not open" ;;
		secret) found secrets versions describe "${name##*/}" "--secret=$(secret_of "$name")" '--format=value(state)' &&
			[[ ${ANSWER^^} == ENABLED ]] || stop "it names $name, which is not enabled: it would not start"
			check_redis_secret "$name" ;;
		store) has_store "$name" || stop "it remembers in $name, and $STORE is not there any more: it would answer 503" ;;
		newer) [[ $YES == yes ]] || stop "it does not know the key $name: what is wrapped to that would not open until you go
           forward again. --yes rolls back all the same" ;;
		esac
	done < <(tail -n +2 "$WORK/target")
}

check_redis_secret() { # VERSION: the address and password of a server that has been replaced lead nowhere
	[[ $(secret_of "$1") == "$REDIS_SECRET" ]] || return 0
	read_secret "$REDIS_SECRET" && [[ ${1##*/} == "$(newest_secret "$REDIS_SECRET")" ]] ||
		stop "it names $1, and the Redis server has another address or password since: it would answer 503"
}

secret_of() { # the secret of a version: projects/P/secrets/S/versions/N
	local name=${1%/versions/*}
	printf '%s' "${name##*/}"
}
