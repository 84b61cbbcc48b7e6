# shellcheck shell=bash
# How a step asks, shows, runs and fails. `found` asks Google and changes nothing; `change` is the only way to change
# something: it shows the command, and in a plan that is all. A secret reaches a command by standard input alone, and is
# in no argument, no file and no output.

MODE=plan # or apply
STEP='' ADVICE='' HEADED=no CHANGES=0
ANSWER='' # of the last question
MISSING='NOT_FOUND|not found|cannot find|could not be found|does not exist'
UNSETTLED='SERVICE_DISABLED|has not been used in project|[Ss]ervice account .* does not exist'
ATTEMPTS=12

say() { printf '%s\n' "$*"; }

refuse() { # what cannot be meant: nothing was asked of Google yet
	printf 'deploy.sh: %s\n' "$*" >&2
	exit 2
}

make_work() { # a folder that only this user can read, for as long as this runs
	WORK=$(umask 077 && mktemp -d "${TMPDIR:-/tmp}/kas-deploy.XXXXXX")
	trap 'rm -rf "$WORK"' EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM
	# gcloud asks nobody, a question enables no interface, and .gcloudignore holds whatever somebody has set.
	export CLOUDSDK_GCLOUDIGNORE_ENABLED=true
	export CLOUDSDK_CORE_DISABLE_PROMPTS=1 CLOUDSDK_CORE_SHOULD_PROMPT_TO_ENABLE_API=false
}

step() { # NAME, and what to do when it fails
	STEP=$1 ADVICE=$2 HEADED=no
	[[ $MODE == plan ]] || head_step
}

head_step() {
	[[ $HEADED == yes ]] || printf '# %s\n' "$STEP"
	HEADED=yes
}

shown() { # a command as a shell takes it
	local word line=''
	for word; do
		[[ $word =~ ^[A-Za-z0-9_./:=@%+,-]+$ ]] || word=${word@Q}
		line+=" ${word//"$WORK"/\"\$WORK\"}"
	done
	printf '%s' "${line# }"
}

said() { # what the last command wrote on standard error
	[[ ! -s $WORK/said ]] || printf '%s' "$(<"$WORK/said")"
}

failed() { # COMMAND…
	{
		printf '\ndeploy.sh: the step "%s" failed\n' "$STEP"
		printf '  command: %s\n' "$(shown "$@")"
		printf '  reason:  %s\n' "$(said | grep -v '^ *$' | tail -n 6 | sed '2,$s/^/           /')"
		printf '  do:      %s\n' "$ADVICE"
		printf '  then:    run the same again; what is done is skipped\n'
	} >&2
	exit 1
}

stop() { # what no command reported
	printf '%s\n' "$*" >"$WORK/said"
	failed "$0" "$VERB"
}

# ---- questions

found() { # COMMAND… of gcloud: its answer into ANSWER; 1 where there is nothing
	local attempt
	for ((attempt = 1; ; attempt++)); do
		if ANSWER=$(gcloud "$@" "--project=$PROJECT" 2>"$WORK/said" </dev/null); then
			[[ -n $ANSWER ]]
			return
		fi
		ANSWER=''
		[[ $(said) =~ $UNSETTLED ]] || break
		[[ $MODE == apply ]] || return 1 # an earlier step of the plan enables it
		((attempt < ATTEMPTS)) || break
		sleep "$SETTLE_SECONDS"
	done
	shopt -s nocasematch
	if [[ $(said) =~ $MISSING ]]; then
		shopt -u nocasematch
		return 1
	fi
	shopt -u nocasematch
	failed gcloud "$@" "--project=$PROJECT"
}

# ---- changes

change() { change_by gcloud "$@" "--project=$PROJECT"; } # COMMAND… of gcloud

change_by() { # COMMAND…
	head_step
	CHANGES=$((CHANGES + 1))
	shown "$@" && printf '\n'
	[[ $MODE == plan ]] || attempt '' "$@"
}

change_with() { # PIPELINE that makes a value, COMMAND… of gcloud that reads it
	local - pipeline=$1 value=''
	set +x # the value is in no trace
	shift
	head_step
	CHANGES=$((CHANGES + 1))
	printf '%s | %s\n' "$pipeline" "$(shown gcloud "$@" "--project=$PROJECT")"
	[[ $MODE == apply ]] || return 0
	# Whole before anything is stored: a pipeline that breaks would store half a secret.
	value=$(bash -euo pipefail -c "$pipeline" 2>"$WORK/said") && [[ -n $value ]] || failed bash -c "$pipeline"
	attempt "$value" gcloud "$@" "--project=$PROJECT"
}

attempt() { # VALUE for standard input, COMMAND…: again, while Google does not know yet what it has just made
	local - value=$1 attempt
	set +x
	shift
	for ((attempt = 1; ; attempt++)); do
		if printf '%s' "$value" | "$@" 2>&1 >/dev/null | tee "$WORK/said" >&2; then return; fi
		if [[ ! $(said) =~ $UNSETTLED ]] || ((attempt == ATTEMPTS)); then failed "$@"; fi
		sleep "$SETTLE_SECONDS"
	done
}
