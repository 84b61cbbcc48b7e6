# shellcheck shell=bash
# The way back. Keys are never destroyed, disabled or scheduled for it, sealed ones included: whatever is wrapped to them
# would be unreadable for ever. What several services of a project share goes with the last of them.

destroy() {
	MODE=apply
	step_access
	step destroy 'see the reason'
	check_ours
	confirm
	remove_balancer
	remove_watching
	remove_service
	if is_alone; then
		remove_store
		remove_roles
		remove_secrets
		remove_accounts
	else
		say "# roles, secrets and account stay: another service of $NATION has them"
	fi
	say "# $CHANGES commands were run"
	show_rest
}

confirm() {
	local typed=''
	[[ $YES == no ]] || return 0
	printf 'This removes %s in %s, what watches it, and its Redis server, if any. Keys stay.\n' "$SERVICE" "$PROJECT" >&2
	printf 'Type the name of the service: ' >&2
	read -r typed || :
	[[ $typed == "$SERVICE" ]] || refuse 'nothing was removed, since the name was not typed'
	[[ $WITH_SECRETS == no ]] || return 0
	printf 'Remove the secrets of %s too, but for the sealed key? (yes) ' "$NATION" >&2
	read -r typed || :
	[[ $typed != yes ]] || WITH_SECRETS=yes
}

remove_balancer() {
	local kind
	step 'load balancer' 'you need roles/compute.loadBalancerAdmin and roles/compute.securityAdmin, or roles/owner'
	has_interface compute || return 0
	for kind in forwarding-rules target-https-proxies ssl-policies ssl-certificates url-maps backend-services; do
		! global "$kind" || change compute "$kind" delete "$SERVICE" --global
	done
	! found compute network-endpoint-groups describe "$SERVICE" "--region=$REGION" '--format=value(name)' ||
		change compute network-endpoint-groups delete "$SERVICE" "--region=$REGION"
	! global addresses || change compute addresses delete "$SERVICE" --global
}

remove_watching() {
	local name
	step 'what watches it' 'you need roles/monitoring.editor and roles/logging.configWriter, or roles/owner, on the project'
	remove_listed drop_uptime "$SERVICE" monitoring uptime list-configs '--format=value(userLabels.kas_service,name)'
	remove_listed drop_alert "$SERVICE" alpha monitoring policies list '--format=value(userLabels.kas_service,name)'
	remove_listed drop_dashboard "Key Access Service $SERVICE" monitoring dashboards list '--format=value(displayName,name)'
	is_last || return 0
	remove_listed drop_budget "kas $PROJECT" billing budgets list "--billing-account=$BILLING_ACCOUNT" \
		'--format=value(displayName,name)'
	for name in deploy/metrics/*.json; do
		name=$(basename "$name" .json)
		! found logging metrics describe "$name" '--format=value(name)' || change logging metrics delete "$name"
	done
	# Last, since the others send to it.
	remove_listed drop_channel "$SERVICE" beta monitoring channels list '--format=value(userLabels.kas_service,name)'
}

drop_budget() { change billing budgets delete "$1" "--billing-account=$BILLING_ACCOUNT"; }
drop_channel() { change beta monitoring channels delete "$1" --force; }

remove_listed() { # FUNCTION TITLE, and the question for a list of titles and names
	local remove=$1 title=$2 one name
	shift 2
	found "$@" || return 0
	while IFS=$'\t' read -r one name; do
		[[ $one != "$title" ]] || "$remove" "$name"
	done <<<"$ANSWER"
}

is_last() { # whether neither another service nor another nation's account is in the project
	local email
	is_alone || return 1
	found iam service-accounts list '--format=value(email)' || return 0
	while read -r email; do
		[[ ! $email =~ ^kas-(usa|fra|gbr)@ || $email == "$ACCOUNT" ]] || return 1
	done <<<"$ANSWER"
}

is_alone() { # whether no other service runs as the account
	local account name
	found run services list "--region=$REGION" '--format=value(spec.template.spec.serviceAccountName,metadata.name)' ||
		return 0
	while IFS=$'\t' read -r account name; do
		[[ $account != "$ACCOUNT" || $name == "$SERVICE" ]] || return 1
	done <<<"$ANSWER"
}

remove_service() {
	step 'the function' 'you need roles/run.admin, and for a function roles/cloudfunctions.admin, or roles/owner'
	found run services describe "$SERVICE" "--region=$REGION" '--format=value(metadata.labels.goog-managed-by)' || :
	if [[ $ANSWER == cloudfunctions ]]; then
		change functions delete "$SERVICE" --gen2 "--region=$REGION"
	elif found run services describe "$SERVICE" "--region=$REGION" '--format=value(metadata.name)'; then
		change run services delete "$SERVICE" "--region=$REGION"
	fi
}

remove_roles() {
	local key role
	step 'roles' 'you need roles/cloudkms.admin and roles/secretmanager.admin, or roles/owner, on the project'
	for key in acp240 opentdf seal; do
		for role in cryptoKeyDecrypter publicKeyViewer; do
			take_role "roles/cloudkms.$role" kms keys "$key" "--keyring=$RING" "--location=$REGION"
		done
	done
	for key in "${ALL_SECRETS[@]}"; do
		take_role roles/secretmanager.secretAccessor secrets '' "$key"
	done
}

take_role() { # ROLE, and what it is on
	local role=$1 words=()
	shift
	for word; do [[ -z $word ]] || words+=("$word"); done
	local verb=("${words[@]}") kind=1
	[[ ${words[0]} == secrets ]] || kind=2
	has_role "serviceAccount:$ACCOUNT" "$role" "${verb[@]:0:kind}" get-iam-policy "${words[@]:kind}" || return 0
	change "${verb[@]:0:kind}" remove-iam-policy-binding "${words[@]:kind}" "--member=serviceAccount:$ACCOUNT" "--role=$role"
}

remove_secrets() {
	local name
	[[ $WITH_SECRETS == yes ]] || return 0
	step 'secrets' 'you need roles/secretmanager.admin, or roles/owner, on the project'
	for name in "${ALL_SECRETS[@]}"; do
		[[ $name != "$SEALED_SECRET" ]] || continue
		! found secrets describe "$name" '--format=value(name)' || change secrets delete "$name"
	done
}

remove_accounts() {
	step 'service accounts' 'you need roles/iam.serviceAccountAdmin, or roles/owner, on the project'
	if is_last; then
		! has_role "serviceAccount:$BUILDER" roles/run.builder projects get-iam-policy "$PROJECT" ||
			change projects remove-iam-policy-binding "$PROJECT" "--member=serviceAccount:$BUILDER" --role=roles/run.builder
		! found iam service-accounts describe "$BUILDER" '--format=value(email)' ||
			change iam service-accounts delete "$BUILDER"
	fi
	! found iam service-accounts describe "$ACCOUNT" '--format=value(email)' ||
		change iam service-accounts delete "$ACCOUNT"
}

show_rest() {
	local key
	say '# What remains, and is paid for:'
	for key in acp240 opentdf seal; do
		found kms keys versions list "--key=$key" "--keyring=$RING" "--location=$REGION" \
			'--format=value(state,protectionLevel,algorithm)' || continue
		grep -v ^DESTROYED <<<"$ANSWER" | sort | uniq -c | sed "s/^ */#   versions of the key $key: /"
	done
	for key in "${ALL_SECRETS[@]}"; do
		! found secrets describe "$key" '--format=value(name)' || say "#   the secret $key"
	done
	if has_interface firestore && found firestore databases describe "--database=$STORE" '--format=value(name)'; then
		say "#   the Firestore database $STORE, which empties itself within three days and then costs nothing:
#   gcloud firestore databases delete --database=$STORE"
	fi
	say "#   images in the repository $REPOSITORY, some cents a month
# A version of a key in an HSM is \$1.00 a month (RSA-2048), in software \$0.06, of a secret \$0.06 from the seventh on.
# Versions of keys: docs/GCP-KMS-SETUP.md, \"Rotating an unwrap key\", step 4. Interfaces, and the audit log of Cloud KMS,
# stay switched on."
}
