# shellcheck shell=bash
# The store that several instances share (docs/SHARED-STATE.md): a Firestore database of the nation's own, or a server of
# Memorystore for Redis. What is in it lives for minutes: used proofs, limits, and unwrapped keys, which are encrypted.

DATABASE_ROLE=roles/datastore.user

step_store() {
	case $STATE in
	firestore)
		step_database
		step_expiry
		step_database_role
		;;
	redis)
		step_server
		step_server_secret
		;;
	esac
}

# ---- Firestore

step_database() {
	step 'Firestore database' 'you need roles/datastore.owner, or roles/owner, on the project'
	if found firestore databases describe "--database=$STORE" '--format=value(type,locationId)'; then
		[[ $ANSWER == FIRESTORE_NATIVE$'\t'"$REGION" ]] ||
			stop "there is a database $STORE that is not Firestore's native mode in $REGION: ${ANSWER//$'\t'/, }"
	else
		change firestore databases create "--database=$STORE" "--location=$REGION" --type=firestore-native
		[[ $MODE == plan ]] || await_database
	fi
}

await_database() { # gcloud does not
	local attempt
	for ((attempt = 1; attempt < ATTEMPTS; attempt++)); do
		! found firestore databases describe "--database=$STORE" '--format=value(type)' || return 0
		say "  waiting for the Firestore database $STORE"
		sleep "$SETTLE_SECONDS"
	done
	stop "the Firestore database $STORE is still not made after two minutes"
}

# Google deletes documents after their expireAt, within days. Switching that on takes minutes; nothing depends on when.
step_expiry() {
	local kind known
	step 'expiry of documents' 'you need roles/datastore.owner, or roles/owner, on the project'
	found firestore fields ttls list "--database=$STORE" '--format=value(name,ttlConfig.state)' || ANSWER=''
	known=$ANSWER
	for kind in claims windows keys; do
		grep -qE "/kas-$SERVICE-$kind/fields/expireAt"$'\t''(CREATING|ACTIVE)$' <<<"$known" ||
			change firestore fields ttls update expireAt "--collection-group=kas-$SERVICE-$kind" "--database=$STORE" \
				--enable-ttl --async
	done
}

# Roles of Firestore are the project's alone: a condition keeps this one to the one database.
step_database_role() {
	step 'role on the database' 'you need roles/resourcemanager.projectIamAdmin, or roles/owner, on the project'
	has_database_role || change projects add-iam-policy-binding "$PROJECT" "--member=serviceAccount:$ACCOUNT" \
		"--role=$DATABASE_ROLE" "$(on_database)"
}

on_database() {
	printf -- '--condition=expression=%s,title=%s' "$(database_rule)" "database-$STORE"
}

database_rule() {
	printf 'resource.name=="projects/%s/databases/%s"' "$PROJECT" "$STORE"
}

has_database_role() {
	found projects get-iam-policy "$PROJECT" '--flatten=bindings[].members[]' \
		'--format=value(bindings.members,bindings.role,bindings.condition.expression)' || return 1
	answers "serviceAccount:$ACCOUNT"$'\t'"$DATABASE_ROLE"$'\t'"$(database_rule)"
}

# ---- Redis

step_server() {
	step 'Redis server' "you need roles/redis.admin and roles/compute.networkUser, or roles/owner, on the project, and a
           network: NETWORK and SUBNET are '$NETWORK' and '$SUBNET'"
	read_server || change redis instances create "$STORE" "--region=$REGION" --tier=basic --size=1 \
		--redis-version=redis_7_0 "--network=$NETWORK" --connect-mode=direct-peering \
		--transit-encryption-mode=server-authentication --enable-auth --redis-config=maxmemory-policy=noeviction \
		"--labels=kas_nation=$NATION"
	await_server
}

read_server() { # what Google says of it; the password is not in it
	found redis instances describe "$STORE" "--region=$REGION" --format=json || ANSWER='{}'
	printf '%s' "$ANSWER" >"$WORK/server.json"
	[[ $ANSWER != '{}' ]]
}

await_server() { # it takes some minutes to be made
	local state
	if [[ $MODE == plan && $(<"$WORK/server.json") == '{}' ]]; then return; fi
	for ((SECONDS = 0; SECONDS < 1200; )); do
		read_server || stop "there is no Redis server $STORE"
		state=$(python3 -m deploy.redis_server state "$WORK/server.json" "$NATION" "$NETWORK" 2>"$WORK/said") ||
			failed python3 -m deploy.redis_server state
		[[ $state == CREATING && $MODE == apply ]] || return 0
		say "  waiting for the Redis server $STORE"
		sleep "$((SETTLE_SECONDS < 5 ? SETTLE_SECONDS : 5))"
	done
	stop "the Redis server $STORE is still not made after 20 minutes"
}

# Its address has the password, which Google has made. One that is older than the server is of another that is gone.
step_server_secret() {
	local ask make
	step 'address of the Redis server' 'you need roles/redis.admin and roles/secretmanager.admin, or roles/owner'
	ask="$(shown gcloud redis instances get-auth-string "$STORE" "--region=$REGION" "--project=$PROJECT" \
		'--format=value(authString)')"
	make="$(shown gcloud redis instances describe "$STORE" "--region=$REGION" "--project=$PROJECT" \
		'--format=value(host,port)')"
	make="{ $ask; $make; } | python3 -m deploy.redis_server url"
	if ! read_secret "$REDIS_SECRET" || is_older_than_server; then make_version "$REDIS_SECRET" "$make"; fi
	give_secret_role "$REDIS_SECRET"
}

is_older_than_server() {
	local made=${SECRETS[$REDIS_SECRET]%%$'\n'*} # Google lists the newest first
	python3 -m deploy.redis_server older "$WORK/server.json" "${made##*$'\t'}"
}

# ---- the way back, for the last service of the nation

# A database has nothing by which it could be told whose it is, costs nothing and empties itself, so it stays. A server costs
# by the hour, and has the nation's label.
remove_store() {
	step 'shared store' 'you need roles/redis.admin and roles/resourcemanager.projectIamAdmin, or roles/owner'
	if has_database_role; then
		change projects remove-iam-policy-binding "$PROJECT" "--member=serviceAccount:$ACCOUNT" "--role=$DATABASE_ROLE" \
			"$(on_database)"
	fi
	has_interface redis || return 0
	found redis instances describe "$STORE" "--region=$REGION" '--format=value(name.basename(),labels.kas_nation)' || return 0
	if [[ $ANSWER == "$STORE"$'\t'"$NATION" ]]; then
		change redis instances delete "$STORE" "--region=$REGION"
	else
		say "# the Redis server $STORE stays: this script has not made it"
	fi
}

has_store() { # firestore|redis
	has_interface "$1" || return 1
	case $1 in
	firestore) found firestore databases describe "--database=$STORE" '--format=value(name)' ;;
	redis) found redis instances describe "$STORE" "--region=$REGION" '--format=value(name)' ;;
	esac
}

say_store() { # what is there of it, whatever profile is asked for
	if has_interface firestore &&
		found firestore databases describe "--database=$STORE" '--format=value(type,locationId)'; then
		say "store: Firestore database $STORE, ${ANSWER/$'\t'/, }"
		found firestore fields ttls list "--database=$STORE" '--format=value(name,ttlConfig.state)' || ANSWER=''
		say "documents that expire: $(sed -nE 's|.*/collectionGroups/([^/]+)/fields/expireAt\t|\1 |p' <<<"$ANSWER" | paste -sd ,)"
	fi
	if has_interface redis &&
		found redis instances describe "$STORE" "--region=$REGION" '--format=value(state,redisVersion,memorySizeGb)'; then
		say "store: Redis server $STORE, ${ANSWER//$'\t'/, } GiB, paid for by the hour whether it is used or not"
	fi
}
