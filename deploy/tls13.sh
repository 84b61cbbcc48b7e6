# shellcheck shell=bash
# A load balancer that takes TLS 1.3 and nothing older, in front of a service whose own address is off. It costs about
# $18.25 a month, whatever is asked of it. Its parts hang together in this order.

CERTIFICATE=ACTIVE # until it is asked for

step_tls13() {
	[[ $TLS13 == yes ]] || return 0
	step 'load balancer for TLS 1.3' 'you need roles/compute.loadBalancerAdmin and roles/compute.securityAdmin, or roles/owner'
	say "# a load balancer is \$18.25 a month, whatever is asked of it"
	global addresses || make_global addresses --ip-version=IPV4
	found compute network-endpoint-groups describe "$SERVICE" "--region=$REGION" '--format=value(name)' ||
		change compute network-endpoint-groups create "$SERVICE" "--region=$REGION" \
			--network-endpoint-type=serverless "--cloud-run-service=$SERVICE"
	global backend-services || make_global backend-services --load-balancing-scheme=EXTERNAL_MANAGED
	found compute backend-services describe "$SERVICE" --global '--format=value(backends)' ||
		change compute backend-services add-backend "$SERVICE" --global "--network-endpoint-group=$SERVICE" \
			"--network-endpoint-group-region=$REGION"
	global url-maps || make_global url-maps "--default-service=$SERVICE"
	global ssl-certificates || make_global ssl-certificates "--domains=$DOMAIN"
	make_ssl_policy
	global target-https-proxies || make_global target-https-proxies "--url-map=$SERVICE" \
		"--ssl-certificates=$SERVICE" "--ssl-policy=$SERVICE" --global-ssl-certificates --global-url-map
	global forwarding-rules || make_global forwarding-rules --load-balancing-scheme=EXTERNAL_MANAGED \
		"--address=$SERVICE" "--target-https-proxy=$SERVICE" --ports=443
	show_certificate
}

global() { found compute "$1" describe "$SERVICE" --global '--format=value(name)'; }

make_global() { # KIND FLAGS…
	local kind=$1
	shift
	change compute "$kind" create "$SERVICE" --global "$@"
}

# By a call of our own: not every gcloud has a word for this version.
make_ssl_policy() {
	local version
	version=$(python3 -m deploy.ssl_policy show "$PROJECT" "$SERVICE" 2>"$WORK/said") ||
		failed python3 -m deploy.ssl_policy show "$PROJECT" "$SERVICE"
	[[ $version == TLS_1_3 ]] || change_by python3 -m deploy.ssl_policy make "$PROJECT" "$SERVICE"
}

show_certificate() {
	local address state
	[[ $MODE == apply ]] || return 0
	found compute addresses describe "$SERVICE" --global '--format=value(address)' || ANSWER=''
	address=$ANSWER
	found compute ssl-certificates describe "$SERVICE" --global '--format=value(managed.status)' || ANSWER=''
	state=${ANSWER:-PROVISIONING}
	[[ $state == ACTIVE ]] || say "# the certificate is $state: point $DOMAIN at $address (an A record), wait up to an hour,
# then: ./deploy.sh smoke --tls13 --nation $NATION"
	CERTIFICATE=$state
}
