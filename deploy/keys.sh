# shellcheck shell=bash
# The key ring, a key for each dialect, the key that seals, and what the service's account may do with each of them. A
# ring and the name of a key stay for ever, so none is made that was not asked for.

declare -A VERSIONS=() # by key: lines of name, state, algorithm and time of making, tabs between

step_ring() {
	step 'key ring' 'you need roles/cloudkms.admin, or roles/owner, on the project'
	found kms keyrings describe "$RING" "--location=$REGION" '--format=value(name)' ||
		change kms keyrings create "$RING" "--location=$REGION"
}

hash_of() { # the OAEP hash is part of a key: ACP-240 wraps with SHA-256, OpenTDF with SHA-1
	[[ $1 == acp240 ]] && printf sha256 || printf sha1
}

step_keys() {
	local key
	step 'keys' "see Google's reason. If it refuses -sha1 at level HSM in $REGION: DIALECTS=acp240, and for OpenTDF a sealed
           RSA key (docs/sealed-keys.md)"
	for key in $DIALECTS; do
		read_versions "$key" || change kms keys create "$key" "--keyring=$RING" "--location=$REGION" \
			--purpose=asymmetric-encryption "--protection-level=$PROTECTION" \
			"--default-algorithm=rsa-decrypt-oaep-${KEY_ALGORITHM#rsa-}-$(hash_of "$key")"
	done
	[[ $SEALED_EC == no ]] || found kms keys describe seal "--keyring=$RING" "--location=$REGION" '--format=value(name)' ||
		change kms keys create seal "--keyring=$RING" "--location=$REGION" --purpose=encryption --protection-level=software
	for key in $DIALECTS; do await_version "$key"; done
}

read_versions() { # KEY
	found kms keys versions list "--key=$1" "--keyring=$RING" "--location=$REGION" \
		'--format=value(name,state,algorithm,createTime)' || return 1
	VERSIONS[$1]=$ANSWER
}

newest_of() { # KEY: number and state of its newest version
	sed -E 's|^.*/cryptoKeyVersions/([0-9]+)\t([A-Z_]+).*|\1 \2|' <<<"${VERSIONS[$1]}" | sort -n | tail -n 1
}

# An RSA key in an HSM takes up to minutes to be made, and until then nothing can be wrapped to it.
await_version() { # KEY
	local number state
	if [[ $MODE == plan && -z ${VERSIONS[$1]:-} ]]; then
		assume_version "$1"
		return
	fi
	for ((SECONDS = 0; SECONDS < 900; )); do
		read_versions "$1" || stop "the key $1 is not there"
		read -r number state < <(newest_of "$1")
		case $state in
		PENDING_GENERATION) [[ $MODE == apply ]] || return 0 ;;
		GENERATION_FAILED) stop "Google could not make version $number of the key $1" ;;
		*) return ;;
		esac
		say "  waiting for version $number of the key $1"
		sleep "$((SETTLE_SECONDS < 5 ? SETTLE_SECONDS : 5))"
	done
	stop "version $number of the key $1 is still not made after 15 minutes"
}

assume_version() { # KEY: in a plan, what apply will have made
	local algorithm
	algorithm=RSA_DECRYPT_OAEP_${KEY_ALGORITHM#rsa-}_$(hash_of "$1")
	VERSIONS[$1]="$KEYS/$1/cryptoKeyVersions/1"$'\tENABLED\t'"${algorithm^^}"
}

step_key_roles() {
	local key
	step 'roles on keys' "you need roles/cloudkms.admin, or roles/owner, on the project"
	for key in $DIALECTS; do
		give_key_role "$key" roles/cloudkms.cryptoKeyDecrypter
		give_key_role "$key" roles/cloudkms.publicKeyViewer
	done
	[[ $SEALED_EC == no ]] || give_key_role seal roles/cloudkms.cryptoKeyDecrypter
}

give_key_role() { # KEY ROLE: on this key and nothing else
	has_role "serviceAccount:$ACCOUNT" "$2" kms keys get-iam-policy "$1" "--keyring=$RING" "--location=$REGION" ||
		change kms keys add-iam-policy-binding "$1" "--keyring=$RING" "--location=$REGION" \
			"--member=serviceAccount:$ACCOUNT" "--role=$2"
}
