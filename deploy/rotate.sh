# shellcheck shell=bash
# Rotations. What a rotation has done is seen in the project, so one that broke off is continued, and not begun again: a
# version that is newer than the deployed one waits to be deployed, and one of today that is deployed was the rotation.

declare -A NEWEST=() VALUES=() # by secret: the number of its newest version, and how many values that has
PAIRED=()                      # secrets that have two values while they change

rotate_key() {
	local number deployed
	[[ -n $ARGUMENT && " $DIALECTS " == *" $ARGUMENT "* ]] || refuse "rotate-key takes a key: $DIALECTS"
	begin_rotation "rotation of the key $ARGUMENT"
	read_versions "$ARGUMENT" || stop "there is no key $ARGUMENT: ./deploy.sh apply makes it"
	number=$(newest_usable "$ARGUMENT")
	[[ -n $number ]] || stop "no version of the key $ARGUMENT works"
	deployed=$(deployed_version key "$ARGUMENT")
	if ((number > deployed)) || [[ $WAITING != - ]]; then
		say "# goes on with version $number, which is not deployed yet"
	elif is_done_today "${VERSIONS[$ARGUMENT]}" "$number"; then
		return
	else
		change kms keys versions create "--key=$ARGUMENT" "--keyring=$RING" "--location=$REGION"
	fi
	finish_rotation
	say "# old files still open; the old version costs what it did until it is destroyed (docs/GCP-KMS-SETUP.md)"
}

begin_rotation() { # NAME
	MODE=apply
	check_safety
	step_access
	step "$1" 'see the reason'
	read_service
	[[ $(<"$WORK/service.json") != '{}' ]] || stop "there is no service $SERVICE: ./deploy.sh apply makes it"
	read -r _ WAITING _ < <(python3 -m deploy.revisions candidate "$WORK/service.json" "$TAG")
}

is_done_today() { # VERSIONS NUMBER, which is deployed: says so where nothing is left to do, unless --yes asks for another
	local made
	made=$(grep -E "/$2"$'\t' <<<"$1")
	made=${made##*$'\t'}
	# The first version is of no rotation.
	(($2 > 1)) && [[ $YES == no ]] && is_of_today "$made" || return 1
	say "# version $2 was made at $made and is deployed: nothing is left to do; --yes makes another"
}

is_of_today() { # TIME, as Google writes it: within a day
	local now day_ago
	printf -v now '%(%s)T' -1
	TZ=UTC0 printf -v day_ago '%(%Y-%m-%dT%H:%M:%S)T' "$((now - 86400))"
	[[ $1 > $day_ago ]]
}

finish_rotation() {
	step_keys
	step_secrets
	step_store
	deploy_steps
	smoke_all
}

newest_usable() { # KEY: the number of its newest version that works, or will
	grep -E $'\t(ENABLED|PENDING_GENERATION)\t' <<<"${VERSIONS[$1]}" | last_number
}

newest_secret() { # SECRET: the number of its newest version that works
	grep -iE $'\tenabled\t' <<<"${SECRETS[$1]}" | last_number
}

read_rotated() { # the secrets: of each the newest version, and of those of two values how many it has
	local name
	VALUES=() NEWEST=()
	for name in "$SIGNING_SECRET" "${PAIRED[@]}"; do
		read_secret "$name" || stop "there is no secret $name: ./deploy.sh apply makes it"
		NEWEST[$name]=$(newest_secret "$name")
		[[ -n ${NEWEST[$name]} ]] || stop "no version of the secret $name is enabled"
	done
	for name in "${PAIRED[@]}"; do # neither is kept or shown
		VALUES[$name]=$(gcloud secrets versions access "${NEWEST[$name]}" "--secret=$name" "--project=$PROJECT" \
			2>"$WORK/said" | tr -cd , | wc -c) || failed gcloud secrets versions access "${NEWEST[$name]}" "--secret=$name"
		VALUES[$name]=$((VALUES[$name] + 1))
	done
}

last_number() { # of lines that begin with the name of a version
	sed -nE 's|^[^\t]*/([0-9]+)\t.*|\1|p' | sort -n | tail -n 1
}

deployed_version() { # key|secret NAME
	python3 -m deploy.rotation "$WORK/service.json" "$1" "$2"
}

# The nonce secret, and the key of a shared store, are two values for a while, the new one first, so that what was made with
# the old one is taken too:
#   1. old → new,old: deployed, together with a new signing key beside the old one
#   2. new,old → new: deployed
rotate_secrets() {
	local name
	PAIRED=("$NONCE_SECRET")
	[[ $STATE == memory ]] || PAIRED+=("$STATE_SECRET")
	begin_rotation 'rotation of the secrets'
	ADVICE='you need roles/secretmanager.admin, or roles/owner, on the project'
	read_rotated
	if is_settled && [[ $WAITING == - ]]; then
		! is_done_today "${SECRETS[$NONCE_SECRET]}" "${NEWEST[$NONCE_SECRET]}" || return 0
		add_second "$NONCE_SECRET"
	fi
	if is_begun; then
		for name in "${PAIRED[@]}"; do
			[[ ${VALUES[$name]} != 1 ]] || add_second "$name"
		done
		[[ ${NEWEST[$SIGNING_SECRET]} != "$(deployed_version secret "$SIGNING_SECRET")" ]] ||
			change_with "$NEW_SIGNING_KEY" secrets versions add "$SIGNING_SECRET" --data-file=-
	fi
	finish_rotation
	drop_old_values
}

is_settled() { # each has one value, which is deployed
	local name
	for name in "${PAIRED[@]}"; do
		[[ ${VALUES[$name]} == 1 && ${NEWEST[$name]} == "$(deployed_version secret "$name")" ]] || return 1
	done
}

is_begun() { # the first of them has two values, of which nothing is deployed yet
	[[ ${VALUES[$NONCE_SECRET]} == 2 && ${NEWEST[$NONCE_SECRET]} -gt $(deployed_version secret "$NONCE_SECRET") ]]
}

add_second() { # SECRET: a new value before the one that it has
	change_with "{ $NEW_SECRET; printf ,; $(access "$1"); }" secrets versions add "$1" --data-file=-
	NEWEST[$1]=$((NEWEST[$1] + 1)) VALUES[$1]=2
}

drop_old_values() {
	local name is_dropped=no
	step 'the new values alone' 'you need roles/secretmanager.admin, or roles/owner, on the project'
	read_rotated
	for name in "${PAIRED[@]}"; do
		[[ ${VALUES[$name]} == 2 ]] || continue
		change_with "$(access "$name") | cut -d , -f 1 | tr -d '\\n'" secrets versions add "$name" --data-file=-
		is_dropped=yes
	done
	[[ $is_dropped == yes ]] || return 0
	finish_rotation
	say "# versions of secrets from before stay enabled, so that a rollback starts; from the seventh on each is \$0.06 a month"
}

access() { # SECRET: the command that prints its newest version
	shown gcloud secrets versions access "${NEWEST[$1]}" "--secret=$1" "--project=$PROJECT"
}
