# shellcheck shell=bash
# Rotations. What a rotation has done is seen in the project, so one that broke off is continued, and not begun again: a
# version that is newer than the deployed one waits to be deployed, and one of today that is deployed was the rotation.

rotate_key() {
	local number deployed
	[[ -n $ARGUMENT && " $DIALECTS " == *" $ARGUMENT "* ]] || refuse "rotate-key takes a key: $DIALECTS"
	begin_rotation "rotation of the key $ARGUMENT"
	read_versions "$ARGUMENT" || stop "there is no key $ARGUMENT: ./deploy.sh apply makes it"
	number=$(newest_usable "$ARGUMENT")
	deployed=$(deployed_version key "$ARGUMENT")
	if ((number > deployed)) || [[ $WAITING != - ]]; then
		say "# goes on with version $number, which is not deployed yet"
	elif is_of_today "${VERSIONS[$ARGUMENT]}" "$number"; then
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

is_of_today() { # VERSIONS NUMBER: made by a rotation within a day; then nothing is left to do
	local now day_ago made
	printf -v now '%(%s)T' -1
	TZ=UTC0 printf -v day_ago '%(%Y-%m-%dT%H:%M:%S)T' "$((now - 86400))"
	made=$(grep -E "/$2"$'\t' <<<"$1")
	made=${made##*$'\t'}
	(($2 > 1)) && [[ $YES == no && $made > $day_ago ]] || return 1
	say "# version $2 was made at $made and is deployed: nothing is left to do; --yes makes another"
}

finish_rotation() {
	step_keys
	step_secrets
	deploy_steps
	smoke_all
}

newest_usable() { # KEY: the number of its newest version that works, or will
	grep -E $'\t(ENABLED|PENDING_GENERATION)\t' <<<"${VERSIONS[$1]}" | last_number
}

newest_secret() { # SECRET: the number of its newest version that works
	grep -iE $'\tenabled\t' <<<"${SECRETS[$1]}" | last_number
}

read_rotated() { # the secrets, and of the nonce secret how many values it has
	read_secret "$NONCE" || stop "there is no secret $NONCE: ./deploy.sh apply makes it"
	read_secret "$SIGNING" || stop "there is no secret $SIGNING: ./deploy.sh apply makes it"
	NEWEST=$(newest_secret "$NONCE")
	# Neither is kept or shown.
	HELD=$(gcloud secrets versions access "$NEWEST" "--secret=$NONCE" "--project=$PROJECT" 2>"$WORK/said" | tr -cd , | wc -c) ||
		failed gcloud secrets versions access "$NEWEST" "--secret=$NONCE"
	HELD=$((HELD + 1))
}

last_number() { # of lines that begin with the name of a version
	sed -E 's|^[^\t]*/([0-9]+)\t.*|\1|' | sort -n | tail -n 1
}

deployed_version() { # key|secret NAME
	python3 -m deploy.rotation "$WORK/service.json" "$1" "$2"
}

# The nonce secret is two values for a while, the new one first, so that nonces which others gave out are taken too:
#   1. old → new,old: deployed, together with a new signing key beside the old one
#   2. new,old → new: deployed
rotate_secrets() {
	local signing deployed signing_deployed
	begin_rotation 'rotation of the secrets'
	ADVICE='you need roles/secretmanager.admin, or roles/owner, on the project'
	read_rotated
	signing=$(newest_secret "$SIGNING")
	deployed=$(deployed_version secret "$NONCE")
	signing_deployed=$(deployed_version secret "$SIGNING")
	if [[ $HELD == 1 && $NEWEST == "$deployed" && $WAITING == - ]]; then
		! is_of_today "${SECRETS[$NONCE]}" "$NEWEST" || return 0
		change_with "{ $NEW_NONCE_SECRET; printf ,; $(access); }" secrets versions add "$NONCE" --data-file=-
		NEWEST=$((NEWEST + 1)) HELD=2
	fi
	if [[ $HELD == 2 && $NEWEST -gt $deployed && $signing == "$signing_deployed" ]]; then
		change_with "$NEW_SIGNING_KEY" secrets versions add "$SIGNING" --data-file=-
	fi
	finish_rotation
	drop_old_nonce
}

drop_old_nonce() {
	step 'the new nonce secret alone' 'you need roles/secretmanager.admin, or roles/owner, on the project'
	read_rotated
	[[ $HELD == 2 ]] || return 0
	change_with "$(access) | cut -d , -f 1 | tr -d '\\n'" secrets versions add "$NONCE" --data-file=-
	finish_rotation
	say "# versions of secrets from before stay enabled, so that a rollback starts; from the seventh on each is \$0.06 a month"
}

access() { # the command that prints the newest nonce secret
	shown gcloud secrets versions access "$NEWEST" "--secret=$NONCE" "--project=$PROJECT"
}
