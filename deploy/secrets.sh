# shellcheck shell=bash
# Secrets are made on this machine and go to Secret Manager through standard input. The sealed key is made by a command of
# this project, in memory, and only its ciphertext is stored.

declare -A SECRETS=() # by secret: lines of name, state and time of making, tabs between
NOTES=''              # of the sealed key's secret: what is noted of each version
NEW_SIGNING_KEY='openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256'
NEW_SECRET="openssl rand -base64 32 | tr '+/' '-_' | tr -d '=\\n'"

step_secrets() {
	step 'secrets' 'you need roles/secretmanager.admin, or roles/owner, on the project'
	make_secret "$SIGNING_SECRET" "$NEW_SIGNING_KEY"
	make_secret "$NONCE_SECRET" "$NEW_SECRET"
	[[ $STATE == memory ]] || make_secret "$STATE_SECRET" "$NEW_SECRET"
	if [[ $SEALED_EC == yes ]]; then make_sealed_key; fi
	give_secret_role "$SIGNING_SECRET"
	give_secret_role "$NONCE_SECRET"
	[[ $STATE == memory ]] || give_secret_role "$STATE_SECRET"
	[[ $SEALED_EC == no ]] || give_secret_role "$SEALED_SECRET"
}

make_secret() { # SECRET PIPELINE
	read_secret "$1" || make_version "$1" "$2"
}

make_version() { # SECRET PIPELINE
	if found secrets describe "$1" '--format=value(name)'; then # or a first attempt came as far as the secret
		change_with "$2" secrets versions add "$1" --data-file=-
	else
		change_with "$2" secrets create "$1" --replication-policy=automatic --data-file=-
	fi
	read_made_secret "$1"
}

read_secret() { # SECRET
	found secrets versions list "$1" '--format=value(name,state,createTime)' || return 1
	# The list shows the number alone, whatever name it is asked for.
	SECRETS[$1]=$(sed -E "s|^([0-9]+)\t|projects/$NUMBER/secrets/$1/versions/\1\t|" <<<"$ANSWER")
}

read_made_secret() { # SECRET, or in a plan what apply will have made
	if [[ $MODE == plan ]]; then
		SECRETS[$1]="projects/$NUMBER/secrets/$1/versions/1"$'\tENABLED'
	else
		read_secret "$1" || stop "the secret $1 has no version"
	fi
}

# By this project's own command, which makes the private key in memory and proves that it opens before it stores it.
make_sealed_key() {
	local kid=$NATION-ec-1 options
	ADVICE="make .venv/.ready installs what it needs; outside Google's machines gcloud auth application-default login as well.
           Your account needs roles/cloudkms.cryptoKeyEncrypterDecrypter on the key seal. SEALED_EC=no leaves it out"
	if ! read_secret "$SEALED_SECRET"; then
		read -ra options <<<"$SEALED_KEYS_OPTIONS"
		change_by "$VENV_PYTHON" -m kas.admin.sealed_keys make --kid "$kid" --algorithm P-256 \
			--dialects "${DIALECTS// /,}" --sealed-by "$KEYS/seal" --secret "projects/$PROJECT/secrets/$SEALED_SECRET" "${options[@]}"
		read_made_secret "$SEALED_SECRET"
	fi
	if [[ $MODE == plan ]] && ! found secrets describe "$SEALED_SECRET" '--format=value(name)'; then
		NOTES="{\"annotations\": {\"kas-key-1\": \"$(assumed_note "$kid")\"}}"
	else
		found secrets describe "$SEALED_SECRET" '--format=json(annotations)' || stop "the secret $SEALED_SECRET is not there"
		NOTES=$ANSWER
	fi
}

assumed_note() { # KID: JSON within JSON
	local dialects="\"${DIALECTS// /\",\"}\"" note
	note="{\"kid\":\"$1\",\"algorithm\":\"P-256\",\"dialects\":[$dialects],\"sealedBy\":\"$KEYS/seal\"}"
	printf '%s' "${note//\"/\\\"}"
}

give_secret_role() { # SECRET
	local role=roles/secretmanager.secretAccessor
	has_role "serviceAccount:$ACCOUNT" "$role" secrets get-iam-policy "$1" ||
		change secrets add-iam-policy-binding "$1" "--member=serviceAccount:$ACCOUNT" "--role=$role"
}
