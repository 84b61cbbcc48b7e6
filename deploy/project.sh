# shellcheck shell=bash
# The project: whether it is there and paid for, its interfaces, its accounts, the record of every use of a key.

INTERFACES='cloudkms secretmanager run cloudbuild artifactregistry iam logging monitoring cloudresourcemanager
	cloudbilling billingbudgets'

step_access() {
	step 'tools and access' 'gcloud auth login, and the project: gcloud config set project PROJECT'
	PROJECT=${PROJECT:-$(gcloud config get-value project 2>/dev/null)}
	[[ $PROJECT =~ ^[a-z][a-z0-9-]{4,28}[a-z0-9]$ ]] || refuse \
		"PROJECT is the id of a project, not '$PROJECT': gcloud auth login, and gcloud config set project …, or" \
		'PROJECT=… before the command'
	derive_account_names
	found projects describe "$PROJECT" '--format=value(projectNumber)' || stop "there is no project $PROJECT"
	NUMBER=$ANSWER
	if [[ -z $ALERT_EMAIL ]] && found auth list --filter=status:ACTIVE '--format=value(account)'; then
		[[ $ANSWER == *.gserviceaccount.com ]] || ALERT_EMAIL=$ANSWER
	fi
	step_billing
}

step_billing() {
	ADVICE='give the project a billing account: gcloud billing projects link PROJECT --billing-account=ACCOUNT'
	found billing projects describe "$PROJECT" '--format=value(billingAccountName,billingEnabled)' || ANSWER=''
	[[ ${ANSWER^^} == *$'\t'TRUE ]] || stop "nobody pays for $PROJECT"
	ANSWER=${ANSWER%%$'\t'*}
	BILLING_ACCOUNT=${BILLING_ACCOUNT:-${ANSWER#billingAccounts/}}
}

step_interfaces() {
	local name wanted=()
	step 'interfaces of Google' 'you need roles/serviceusage.serviceUsageAdmin, or roles/owner, on the project'
	[[ $VIA == run ]] || INTERFACES+=' cloudfunctions'
	[[ $TLS13 == no && $STATE != redis ]] || INTERFACES+=' compute'
	[[ $STATE == memory ]] || INTERFACES+=" $STATE"
	found services list --enabled '--format=value(config.name)' || ANSWER=''
	for name in $INTERFACES; do
		answers "$name.googleapis.com" || wanted+=("$name.googleapis.com")
	done
	((${#wanted[@]} == 0)) || change services enable "${wanted[@]}"
}

has_interface() { # NAME
	found services list --enabled '--format=value(config.name)' || return 1
	answers "$1.googleapis.com"
}

# Two accounts: the service's own, and one that builds, so that neither is the project's default one, which may do more.
step_accounts() {
	step 'service accounts' 'you need roles/iam.serviceAccountAdmin, or roles/owner, on the project'
	found iam service-accounts describe "$ACCOUNT" '--format=value(email)' ||
		change iam service-accounts create "${ACCOUNT%@*}" "--display-name=Key Access Service $NATION"
	found iam service-accounts describe "$BUILDER" '--format=value(email)' ||
		change iam service-accounts create "${BUILDER%@*}" '--display-name=Builds the Key Access Service'
	has_role "serviceAccount:$BUILDER" roles/run.builder projects get-iam-policy "$PROJECT" ||
		change projects add-iam-policy-binding "$PROJECT" "--member=serviceAccount:$BUILDER" \
			--role=roles/run.builder --condition=None
}

has_role() { # MEMBER ROLE, and the question for a policy
	local member=$1 role=$2
	shift 2
	found "$@" '--flatten=bindings[].members[]' '--format=value(bindings.members,bindings.role)' || return 1
	answers "$member"$'\t'"$role"
}

check_ours() { # the name alone does not make a service one of this script's
	found run services describe "$SERVICE" "--region=$REGION" \
		'--format=value(metadata.labels.kas-source,spec.template.spec.serviceAccountName)' || return 0
	[[ $ANSWER != $'\t'* || $ANSWER == $'\t'"$ACCOUNT" ]] ||
		stop "there is a service $SERVICE that this script has not made: it neither runs as $ACCOUNT
           nor has the label kas-source"
}

# Google's own record of every use of a key, against which the service's audit can be counted. The project's policy is
# read, added to and written back under its etag: whoever changed it meanwhile wins, and this is refused.
step_key_audit() {
	step 'audit log of Cloud KMS' 'you need roles/resourcemanager.projectIamAdmin, or roles/owner, on the project'
	found projects get-iam-policy "$PROJECT" --format=json || ANSWER='{}'
	printf '%s' "$ANSWER" | python3 -m deploy.audit_config >"$WORK/policy.json"
	[[ ! -s $WORK/policy.json ]] || change projects set-iam-policy "$PROJECT" "$WORK/policy.json"
}
