# shellcheck shell=bash
# The function: what is uploaded, the settings it starts with, and whether what is deployed is both already. What Google
# has is compared with what is wanted, setting by setting, so that a change made elsewhere is seen too.

SOURCE='' READY='' DIFFERENCES='' WAITS=no
# The time that the image gives every file is then the one that the bytecode beside it was made for (docs/CONTAINER.md).
BYTECODE=--set-build-env-vars=SOURCE_DATE_EPOCH=315532801

step_repository() {
	local location=("--location=$REGION")
	step 'artifact repository' 'you need roles/artifactregistry.admin, or roles/owner, on the project'
	found artifacts repositories describe "$REPOSITORY" "${location[@]}" '--format=value(name)' ||
		change artifacts repositories create "$REPOSITORY" "${location[@]}" --repository-format=docker \
			--disable-vulnerability-scanning
	found artifacts repositories describe "$REPOSITORY" "${location[@]}" '--format=value(cleanupPolicies)' || ANSWER=''
	[[ $ANSWER == *keep-newest* && $ANSWER == *delete-old* ]] ||
		change artifacts repositories set-cleanup-policies "$REPOSITORY" "${location[@]}" --no-dry-run \
			--policy=deploy/cleanup.json
}

hash_source() { # what .gcloudignore lets through, which is what is sent
	[[ -z $SOURCE ]] || return 0
	gcloud meta list-files-for-upload . >"$WORK/upload" 2>"$WORK/said" || failed gcloud meta list-files-for-upload .
	grep -qx main.py "$WORK/upload" || stop '.gcloudignore does not let main.py through'
	SOURCE=$(LC_ALL=C sort "$WORK/upload" | tr '\n' '\0' | xargs -0 sha256sum | sha256sum)
	SOURCE=${SOURCE:0:40}
}

read_service() {
	found run services describe "$SERVICE" "--region=$REGION" --format=json || ANSWER='{}'
	printf '%s' "$ANSWER" >"$WORK/service.json"
	printf '{}' >"$WORK/function.json"
	[[ $VIA == functions && $ANSWER != '{}' ]] || return 0
	found functions describe "$SERVICE" --gen2 "--region=$REGION" --format=json ||
		stop "$SERVICE is there and is no function: leave --via out, or destroy it first"
	printf '%s' "$ANSWER" >"$WORK/function.json"
}

write_facts() { # what keys and secrets there are, for KAS_KEYS
	local name
	for name in $DIALECTS; do
		printf 'key\t%s\n' "${VERSIONS[$name]//$'\n'/$'\nkey\t'}"
	done
	for name in "${ALL_SECRETS[@]}"; do
		[[ -z ${SECRETS[$name]:-} ]] || printf 'secret\t%s\n' "${SECRETS[$name]//$'\n'/$'\nsecret\t'}"
	done
	[[ -z $NOTES ]] || printf 'notes\t%s\n' "${NOTES//$'\n'/ }"
}

# The settings, into $WORK/env.yaml, and in what the deployed service differs from what is wanted.
compare() {
	write_facts >"$WORK/facts"
	python3 -m deploy.effective "$WORK" "$ENV_FILE" "project=$PROJECT" "number=$NUMBER" "nation=$NATION" \
		"region=$REGION" "service=$SERVICE" "via=$VIA" "domain=$DOMAIN" "tag=$TAG" "state=$STATE" "store=$STORE" \
		"egress=$EGRESS" "hops=$HOPS" "ingress=$INGRESS" "default_url=$DEFAULT_URL" "threads=$THREADS" "cpu=$CPU" \
		"memory=$MEMORY" "max_instances=$MAX_INSTANCES" "protection=$PROTECTION" "account=$ACCOUNT" "source=$SOURCE" \
		>"$WORK/compared" 2>"$WORK/said" || failed python3 -m deploy.effective "$WORK" "$ENV_FILE"
	{ read -r READY && read -r WAITS && read -r DIFFERENCES; } <"$WORK/compared"
}

step_function() {
	step 'the function' "where the reason is the build, its log is at
           https://console.cloud.google.com/cloud-build/builds;region=$REGION?project=$PROJECT
           where it is the start of the container: docs/GCP-KMS-SETUP.md, \"When something is wrong\""
	check_ours
	hash_source
	read_service
	compare
	deploy_difference
}

# Where Google gives further addresses than those that are known beforehand, they are settings too.
step_addresses() {
	step 'addresses of the service' 'see the reason; the service runs, and refuses proofs for addresses it does not know'
	if [[ $MODE == plan ]]; then
		# A new service gets an address that nobody knows yet.
		[[ $(<"$WORK/service.json") != '{}' || $DEFAULT_URL == no ]] || deploy_settings
	elif [[ -n $DIFFERENCES ]]; then # else it was asked just now
		read_service
		compare
		deploy_difference
	fi
}

deploy_difference() {
	case " $DIFFERENCES " in
	'  ') ;;
	*' source '*) deploy_by deploy_source ;;
	*' withdrawn '*) stop "$SERVICE was rolled back, and other settings would stand on what was withdrawn. Deploy another
           source, or give ${DIFFERENCES##* } the traffic again first: ./deploy.sh promote --yes" ;;
	*) deploy_by deploy_settings ;;
	esac
}

# Who may reach the service changes at once, whatever revision has the traffic: one that believes a proxy must be gone
# before the direct address opens. The other way round it closes first: a new revision gets its traffic after that.
deploy_by() { # FUNCTION
	if [[ " $DIFFERENCES " =~ ' '(ingress|default_url)' ' ]]; then
		[[ $TRAFFIC == yes ]] || stop "who may reach $SERVICE would change at once, for the revision that serves too: run it
           without --no-traffic, or with --tls13 as it was"
		if may_believe_proxy; then
			deploy_closed "$1"
			set -- deploy_settings
		fi
	fi
	"$1"
}

may_believe_proxy() { # whether a revision that has traffic or a tag might, while the direct address is to be open
	[[ $DEFAULT_URL == yes && $READY == yes ]] || return 1
	[[ " $DIFFERENCES waits=$WAITS " =~ ' '(KAS_TRUSTED_PROXY_HOPS|withdrawn|waits=yes)' ' ]]
}

deploy_closed() { # FUNCTION
	local INGRESS=$BEHIND_LOAD_BALANCER DEFAULT_URL=no
	"$1"
	give_traffic
	DIFFERENCES='ingress default_url' # this is left
}

service_flags() { # Google's own settings that both ways have in common, each explicit
	FLAGS=("--region=$REGION" "--service-account=$ACCOUNT" "--env-vars-file=$WORK/env.yaml" "--cpu=$CPU"
		"--memory=$MEMORY" --min-instances=0 "--max-instances=$MAX_INSTANCES" "--concurrency=$THREADS" --timeout=60s)
}

run_flags() {
	service_flags
	FLAGS+=(--cpu-boost --cpu-throttling --execution-environment=gen1 --port=8080 --no-use-http2 --no-session-affinity
		--no-invoker-iam-check "--ingress=$INGRESS")
	TRACK=()
	if [[ $DEFAULT_URL == no ]]; then
		TRACK=(beta)
		FLAGS+=(--no-default-url)
	elif [[ " $DIFFERENCES " == *' default_url '* ]]; then
		TRACK=(beta)
		FLAGS+=(--default-url)
	fi
	if [[ -n $EGRESS ]]; then
		FLAGS+=("--network=$NETWORK" "--subnet=$SUBNET" "--vpc-egress=${EGRESS##*/}")
	elif [[ " $DIFFERENCES " == *' egress '* ]]; then
		FLAGS+=(--clear-network)
	fi
	# The first revision has to have traffic; later ones get it when they have shown that they start.
	[[ $READY == no ]] || FLAGS+=(--no-traffic "--tag=$TAG")
}

deploy_source() {
	if [[ $VIA == functions ]]; then
		deploy_function
		return
	fi
	run_flags
	change "${TRACK[@]}" run deploy "$SERVICE" --source=. --function=kas --base-image=python313 --automatic-updates \
		"$BYTECODE" "--build-service-account=projects/$PROJECT/serviceAccounts/$BUILDER" \
		"--labels=kas-source=$SOURCE" "${FLAGS[@]}"
	WAITS=$READY READY=yes
}

deploy_settings() { # the same source with other settings: nothing is built
	if [[ $VIA == functions ]]; then
		deploy_function
		return
	fi
	run_flags
	change "${TRACK[@]}" run services update "$SERVICE" "${FLAGS[@]}"
	WAITS=$READY READY=yes
}

deploy_function() {
	service_flags
	change functions deploy "$SERVICE" --gen2 --runtime=python313 --entry-point=kas --source=. --trigger-http \
		--allow-unauthenticated --ingress-settings=all --runtime-update-policy=automatic "$BYTECODE" \
		"--build-service-account=projects/$PROJECT/serviceAccounts/$BUILDER" \
		"--docker-repository=projects/$PROJECT/locations/$REGION/repositories/$REPOSITORY" \
		--serve-all-traffic-latest-revision "--update-labels=kas-source=$SOURCE" "${FLAGS[@]}"
}
