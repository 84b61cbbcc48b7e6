# shellcheck shell=bash
# What was asked for, checked before anything else: words that are not known, and deployments that are not safe, are
# refused with exit status 2.

VERB='' ARGUMENT='' VIA=run TLS13=no TRAFFIC=yes MEASURE=no YES=no WITH_SECRETS=no
BEHIND_LOAD_BALANCER=internal-and-cloud-load-balancing

read_options() {
	while (($#)); do
		case $1 in
		--nation | --via | --profile)
			(($# > 1)) || refuse "$1 takes a value"
			read_valued "$1" "$2"
			shift
			;;
		--nation=* | --via=* | --profile=*) read_valued "${1%%=*}" "${1#*=}" ;;
		--tls13) TLS13=yes ;;
		--no-traffic) TRAFFIC=no ;;
		--measure) MEASURE=yes ;;
		--secrets) WITH_SECRETS=yes ;;
		--yes) YES=yes ;;
		-h | --help) usage && exit 0 ;;
		-*) refuse "unknown flag $1" ;;
		*) read_word "$1" ;;
		esac
		shift
	done
}

read_valued() {
	case $1 in
	--nation) NATION=$2 ;;
	--via) VIA=$2 ;;
	--profile) PROFILE=$2 ;;
	esac
}

read_word() {
	if [[ -z $VERB ]]; then
		VERB=$1
	elif [[ -z $ARGUMENT && ($VERB == rollback || $VERB == rotate-key) ]]; then
		ARGUMENT=$1
	else
		refuse "unexpected $1"
	fi
}

derive_names() {
	case $NATION in
	usa) REGION=us-central1 ;;
	fra) REGION=europe-west1 ;;
	gbr) REGION=europe-west2 ;;
	*) refuse "--nation is usa, fra or gbr, not '$NATION'" ;;
	esac
	SERVICE=${SERVICE:-kas-$NATION}
	RING=kas-$NATION
	SIGNING_SECRET=kas-$NATION-signing NONCE_SECRET=kas-$NATION-nonce SEALED_SECRET=kas-$NATION-ec
	STATE_SECRET=kas-$NATION-state REDIS_SECRET=kas-$NATION-redis STORE=kas-$NATION
	ALL_SECRETS=("$SIGNING_SECRET" "$NONCE_SECRET" "$SEALED_SECRET" "$STATE_SECRET" "$REDIS_SECRET")
	REPOSITORY=cloud-run-source-deploy
	TAG=candidate
}

derive_account_names() { # once the project is known
	ACCOUNT=kas-$NATION@$PROJECT.iam.gserviceaccount.com
	BUILDER=kas-image@$PROJECT.iam.gserviceaccount.com
	KEYS=projects/$PROJECT/locations/$REGION/keyRings/$RING/cryptoKeys
}

# What a profile promises. A proof is accepted at most once because one process remembers it, or a store that all share:
# with state in memory there is one instance of one worker.
check_profile() {
	choose_state
	[[ $STATE != memory || $MAX_INSTANCES == 1 ]] ||
		refuse "profile $PROFILE keeps its state in memory: MAX_INSTANCES is 1, not '$MAX_INSTANCES'"
	[[ $MAX_INSTANCES =~ ^([1-9][0-9]?|100)$ ]] || refuse "MAX_INSTANCES is a number from 1 to 100, not '$MAX_INSTANCES'"
	[[ $THREADS =~ ^[1-9][0-9]{0,2}$ ]] || refuse "THREADS is a number from 1 to 999, not '$THREADS'"
	[[ $MEMORY =~ ^[1-9][0-9]*(Mi|Gi)$ ]] || refuse "MEMORY is such as 512Mi, not '$MEMORY'"
	# Google serves one request at a time to an instance with less than one processor.
	[[ $CPU =~ ^[1248]$ ]] || refuse "CPU is 1, 2, 4 or 8, not '$CPU'"
}

choose_state() {
	case $PROFILE in
	pilot)
		STATE=${STATE:-memory} MAX_INSTANCES=${MAX_INSTANCES:-1}
		[[ $STATE == memory ]] || refuse "profile pilot keeps its state in memory; in '$STATE' it is with --profile shared"
		;;
	shared)
		STATE=${STATE:-firestore} MAX_INSTANCES=${MAX_INSTANCES:-3}
		[[ $STATE == firestore || $STATE == redis ]] ||
			refuse "profile shared keeps its state where several instances find it: STATE is firestore or redis, not '$STATE'"
		;;
	*) refuse "there is no profile '$PROFILE': there are pilot and shared" ;;
	esac
}

# The server has an address of a network alone, to which a service of Cloud Run can be connected and a function cannot.
choose_egress() {
	EGRESS=''
	[[ $STATE == redis ]] || return 0
	[[ $VIA == run ]] || refuse 'STATE=redis needs --via run: gcloud connects no function to a network'
	[[ $NETWORK =~ ^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$ ]] || refuse "NETWORK is the name of a network, not '$NETWORK'"
	[[ $SUBNET =~ ^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$ ]] || refuse "SUBNET is the name of a subnet, not '$SUBNET'"
	EGRESS=$NETWORK/$SUBNET/private-ranges-only
}

check_keys() {
	local dialect found=''
	for dialect in $DIALECTS; do
		[[ $dialect == acp240 || $dialect == opentdf ]] || refuse "DIALECTS knows acp240 and opentdf, not '$dialect'"
		[[ " $found " == *" $dialect "* ]] || found+=" $dialect"
	done
	DIALECTS=${found# }
	[[ -n $DIALECTS ]] || refuse 'DIALECTS is acp240, opentdf or both'
	[[ $KEY_ALGORITHM =~ ^rsa-(2048|3072|4096)$ ]] || refuse "KEY_ALGORITHM is such as rsa-2048, not '$KEY_ALGORITHM'"
	[[ $PROTECTION == hsm || $PROTECTION == software ]] || refuse "PROTECTION is hsm or software, not '$PROTECTION'"
	[[ $SEALED_EC == yes || $SEALED_EC == no ]] || refuse "SEALED_EC is yes or no, not '$SEALED_EC'"
}

check_money() {
	[[ $BUDGET =~ ^[1-9][0-9]{0,6}([A-Z]{3})?$ ]] || refuse "BUDGET is such as 20 or 20EUR, not '$BUDGET'"
	[[ $DAILY_ALERT =~ ^[0-9]+(\.[0-9]+)?$ ]] || refuse "DAILY_ALERT is such as 0.70, not '$DAILY_ALERT'"
}

# Who may reach the service decides which entry of X-Forwarded-For is believed: one more hop only where the load balancer
# cannot be passed by, that is where the ingress admits it alone and the address of Cloud Run is off.
choose_edge() {
	[[ $VIA == run || $VIA == functions ]] || refuse "--via is run or functions, not '$VIA'"
	if [[ $TLS13 == no ]]; then
		HOPS=0 INGRESS=all DEFAULT_URL=yes
		return
	fi
	[[ $VIA == run ]] || refuse '--tls13 needs --via run: a function has an address that cannot be switched off'
	[[ $DOMAIN =~ ^([a-z0-9-]+\.)+[a-z]{2,}$ ]] || refuse "--tls13 needs DOMAIN, the name that clients call, not '$DOMAIN'"
	HOPS=1 INGRESS=$BEHIND_LOAD_BALANCER DEFAULT_URL=no
}

check_tools() {
	local tool
	for tool in gcloud python3 openssl sha256sum; do
		command -v "$tool" >/dev/null || refuse "$tool is not installed"
	done
}

check_options() {
	derive_names
	[[ $SERVICE =~ ^[a-z][a-z0-9-]{0,47}[a-z0-9]$ ]] || refuse "SERVICE is not a name of a service: '$SERVICE'"
	# Account, ring and secrets are the nation's: another's service, or a stranger's, is not ours to change or remove.
	[[ $SERVICE == "kas-$NATION" || $SERVICE == "kas-$NATION-"* ]] ||
		refuse "SERVICE is kas-$NATION, or begins with kas-$NATION-, not '$SERVICE'"
	check_profile
	check_keys
	check_money
	choose_edge
	choose_egress
	[[ $TRAFFIC == yes || $VIA == run ]] || refuse '--no-traffic needs --via run: a function always serves its newest revision'
}
