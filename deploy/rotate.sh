# shellcheck shell=bash
# Rotations. What a rotation has done is seen in the project, so one that broke off is continued, and not begun again: a
# version that is newer than the deployed one waits to be deployed.

rotate_key() {
	local number deployed
	[[ -n $ARGUMENT && " $DIALECTS " == *" $ARGUMENT "* ]] || refuse "rotate-key takes a key: $DIALECTS"
	begin_rotation "rotation of the key $ARGUMENT"
	read_versions "$ARGUMENT" || stop "there is no key $ARGUMENT: ./deploy.sh apply makes it"
	number=$(newest_usable "$ARGUMENT")
	deployed=$(deployed_version key "$ARGUMENT")
	if ((number > deployed)) || [[ $WAITING != - ]]; then
		say "# goes on with version $number, which is not deployed yet"
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
	read -r _ WAITING < <(python3 -m deploy.revisions candidate "$WORK/service.json" "$TAG")
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

newest_secret() { # SECRET
	read_secret "$1" || stop "there is no secret $1: ./deploy.sh apply makes it"
	grep -iE $'\tenabled$' <<<"${SECRETS[$1]}" | last_number
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
	local nonce signing deployed
	begin_rotation 'rotation of the secrets'
	ADVICE='you need roles/secretmanager.admin, or roles/owner, on the project'
	nonce=$(newest_secret "$NONCE")
	signing=$(newest_secret "$SIGNING")
	deployed=$(deployed_version secret "$NONCE")
	if [[ $(values_of "$nonce") == 1 && $nonce == "$deployed" && $WAITING == - ]]; then
		change_with "{ $NEW_NONCE_SECRET; printf ,; $(access "$nonce"); }" secrets versions add "$NONCE" --data-file=-
		nonce=$((nonce + 1))
	fi
	if ((nonce > deployed)) && [[ $(values_of "$nonce") == 2 && $signing == "$(deployed_version secret "$SIGNING")" ]]; then
		change_with "$NEW_SIGNING_KEY" secrets versions add "$SIGNING" --data-file=-
	fi
	finish_rotation
	drop_old_nonce
}

drop_old_nonce() {
	local nonce
	step 'the new nonce secret alone' 'you need roles/secretmanager.admin, or roles/owner, on the project'
	nonce=$(newest_secret "$NONCE")
	[[ $(values_of "$nonce") == 2 ]] || return 0
	change_with "$(access "$nonce") | cut -d , -f 1 | tr -d '\\n'" secrets versions add "$NONCE" --data-file=-
	finish_rotation
	say "# versions of secrets from before stay enabled, so that a rollback starts; from the seventh on each is \$0.06 a month"
}

access() { # VERSION: the command that prints it
	shown gcloud secrets versions access "$1" "--secret=$NONCE" "--project=$PROJECT"
}

values_of() { # VERSION: how many values it has; none of them is kept or shown
	local commas
	commas=$(gcloud secrets versions access "$1" "--secret=$NONCE" "--project=$PROJECT" 2>"$WORK/said" | tr -cd , | wc -c) ||
		failed gcloud secrets versions access "$1" "--secret=$NONCE"
	printf '%s' "$((commas + 1))"
}
