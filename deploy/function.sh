# shellcheck shell=bash
# The function: what is uploaded, the settings it starts with, and whether what is deployed is both already. What Google
# has is compared with what is wanted, setting by setting, so that a change made elsewhere is seen too.

SOURCE='' DIFFERENCES=''

step_repository() {
	local location=("--location=$REGION")
	step 'artifact repository' 'you need roles/artifactregistry.admin, or roles/owner, on the project'
	if ! found artifacts repositories describe "$REPOSITORY" "${location[@]}" '--format=value(cleanupPolicies.keys())'; then
		found artifacts repositories describe "$REPOSITORY" "${location[@]}" '--format=value(name)' ||
			change artifacts repositories create "$REPOSITORY" "${location[@]}" --repository-format=docker
		ANSWER=''
	fi
	[[ $ANSWER == *keep-newest* && $ANSWER == *delete-old* ]] ||
		change artifacts repositories set-cleanup-policies "$REPOSITORY" "${location[@]}" --no-dry-run \
			--policy=deploy/cleanup.json
}

# What .gcloudignore lets through, in a folder of its own: what is hashed is what is sent, and a Dockerfile beside the
# source does not make Google build from it.
stage_upload() {
	[[ -z $SOURCE ]] || return 0
	mkdir "$WORK/upload"
	gcloud meta list-files-for-upload . >"$WORK/files" 2>"$WORK/said" || failed gcloud meta list-files-for-upload .
	tar -cf - -T "$WORK/files" | tar -xf - -C "$WORK/upload"
	[[ -f $WORK/upload/main.py ]] || stop '.gcloudignore lets main.py not through'
	SOURCE=$(cd "$WORK/upload" && find . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum)
	SOURCE=${SOURCE:0:40}
}

read_service() {
	found run services describe "$SERVICE" "--region=$REGION" --format=json || ANSWER='{}'
	printf '%s' "$ANSWER" >"$WORK/service.json"
	IS_THERE=$([[ $ANSWER == '{}' ]] && printf no || printf yes)
	printf '{}' >"$WORK/function.json"
	[[ $VIA == functions && $IS_THERE == yes ]] || return 0
	found functions describe "$SERVICE" --gen2 "--region=$REGION" --format=json || stop \
		"$SERVICE is there, and is no function: --via run, or destroy it first"
	printf '%s' "$ANSWER" >"$WORK/function.json"
}

write_facts() { # what the keys and secrets are, for KAS_KEYS
	local key secret
	for key in $DIALECTS; do sed "s/^/key\t/" <<<"${VERSIONS[$key]}"; done
	for secret in "$SIGNING" "$NONCE" "$SEALED"; do
		[[ -z ${SECRETS[$secret]:-} ]] || sed "s/^/secret\t/" <<<"${SECRETS[$secret]}"
	done
	[[ -z $NOTES ]] || printf 'notes\t%s\n' "${NOTES//$'\n'/ }"
}

# The settings, into $WORK/env.yaml, and in what the deployed service differs from what is wanted.
compare() {
	write_facts >"$WORK/facts"
	DIFFERENCES=$(python3 -m deploy.effective "$WORK" "$ENV_FILE" "project=$PROJECT" "number=$NUMBER" "nation=$NATION" \
		"region=$REGION" "service=$SERVICE" "via=$VIA" "domain=$DOMAIN" "tag=$TAG" "state=$STATE" "hops=$HOPS" \
		"ingress=$INGRESS" "default_url=$DEFAULT_URL" "threads=$THREADS" "cpu=$CPU" "memory=$MEMORY" \
		"max_instances=$MAX_INSTANCES" "protection=$PROTECTION" "account=$ACCOUNT" "source=$SOURCE" \
		2>"$WORK/said") || failed python3 -m deploy.effective "$ENV_FILE"
}

step_function() {
	step 'the function' "where the reason is the build: its log is at
           https://console.cloud.google.com/cloud-build/builds;region=$REGION?project=$PROJECT
           where it is the start of the container: docs/GCP-KMS-SETUP.md, \"When something is wrong\""
	stage_upload
	read_service
	compare
	deploy_difference
}

# Where Google gives further addresses than the one that can be known beforehand, they are settings too.
step_addresses() {
	step 'addresses of the service' 'see the reason; the service runs, and refuses proofs for the addresses that it does not know'
	if [[ $MODE == plan ]]; then
		# A new service gets an address that nobody knows yet.
		[[ $IS_THERE == yes || $DEFAULT_URL == no ]] || deploy_settings
		return
	fi
	read_service
	compare
	deploy_difference
}

deploy_difference() {
	case " $DIFFERENCES " in
	'  ') ;;
	*' withdrawn '*) stop "$SERVICE was rolled back: what would be changed stands on the revision that was withdrawn. Deploy
           another source, or go forward: ./deploy.sh rollback ${DIFFERENCES##* }" ;;
	*' source '*) deploy_source ;;
	*) deploy_settings ;;
	esac
}

service_flags() { # the settings of Google's own that both ways have in common, each explicit
	FLAGS=("--region=$REGION" "--service-account=$ACCOUNT" "--env-vars-file=$WORK/env.yaml" "--cpu=$CPU"
		"--memory=$MEMORY" --min-instances=0 "--max-instances=$MAX_INSTANCES" "--concurrency=$THREADS" --timeout=60s)
}

run_flags() {
	service_flags
	FLAGS+=(--cpu-boost --cpu-throttling --execution-environment=gen1 --port=8080 --no-use-http2 --no-session-affinity
		--no-invoker-iam-check "--ingress=$INGRESS")
	# Only the newer commands switch the address of Cloud Run.
	TRACK=()
	if [[ $DEFAULT_URL == no || $DIFFERENCES == *default_url* ]]; then
		TRACK=(beta)
		[[ $DEFAULT_URL == no ]] && FLAGS+=(--no-default-url) || FLAGS+=(--default-url)
	fi
	# A new service has to have traffic; all that come after get it once they have shown that they start.
	[[ $IS_THERE == no ]] || FLAGS+=(--no-traffic "--tag=$TAG")
}

deploy_source() {
	if [[ $VIA == functions ]]; then
		deploy_function
	else
		run_flags
		change "${TRACK[@]}" run deploy "$SERVICE" "--source=$WORK/upload" --function=kas --base-image=python313 \
			--automatic-updates "--build-service-account=projects/$PROJECT/serviceAccounts/$BUILDER" \
			"--labels=kas-source=$SOURCE" "${FLAGS[@]}"
	fi
	WAITS=$IS_THERE IS_THERE=yes
}

deploy_settings() { # the same source with other settings: nothing is built
	if [[ $VIA == functions ]]; then
		deploy_function
	else
		IS_THERE=yes
		run_flags
		change "${TRACK[@]}" run services update "$SERVICE" "${FLAGS[@]}"
	fi
	WAITS=yes
}

deploy_function() {
	service_flags
	change functions deploy "$SERVICE" --gen2 --runtime=python313 --entry-point=kas "--source=$WORK/upload" \
		--trigger-http --allow-unauthenticated --ingress-settings=all --security-level=secure-always \
		"--build-service-account=projects/$PROJECT/serviceAccounts/$BUILDER" --runtime-update-policy=automatic \
		"--docker-repository=projects/$PROJECT/locations/$REGION/repositories/$REPOSITORY" \
		--serve-all-traffic-latest-revision "--update-labels=kas-source=$SOURCE" "${FLAGS[@]}"
}
