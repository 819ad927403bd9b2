# Stages of a script, with their timings at its end. Sourced by ci/check and ci/test.

timings=()

stage() { # NAME COMMAND…
    local -r name=$1
    local started=$SECONDS status=0
    shift
    printf '\n== %s: %s\n' "$name" "$*"
    "$@" || status=$?
    local -r outcome=$([[ $status -eq 0 ]] && echo ok || echo "FAILED ($status)")
    timings+=("$(printf '%-8s %4d s  %s' "$name" $((SECONDS - started)) "$outcome")")
    if [[ $status -ne 0 ]]; then
        exit "$status"
    fi
}

summary() {
    printf '\n== timings\n'
    printf '%s\n' "${timings[@]}"
}
trap summary EXIT
