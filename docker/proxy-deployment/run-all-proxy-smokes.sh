#!/usr/bin/env bash
# Starts each stack with Docker Compose, checks it with smoke-test.sh, and takes it down again.
#
#     ./run-all-proxy-smokes.sh               all of them
#     ./run-all-proxy-smokes.sh caddy https   some of them
#
# Goes on after a failure. The exit code is 0 if all are well, 1 if one is not.
set -u -o pipefail
cd "$(dirname "${BASH_SOURCE[0]}")" || exit 1

# name, overlay, prefix, address
stacks='
strip-prefix  -            /myapp        http://127.0.0.1:8080
fullpath      fullpath     /myapp        http://127.0.0.1:8081
root          root         -             http://127.0.0.1:8082
apps-prefix   apps-prefix  /apps/my-app  http://127.0.0.1:8083
https         https        /myapp        https://127.0.0.1:8444
caddy         caddy        /myapp        http://127.0.0.1:8084
traefik       traefik      /myapp        http://127.0.0.1:8085
haproxy       haproxy      /myapp        http://127.0.0.1:8086
'

wanted=" $* "
report=()
failures=0

check() {
    local overlay=$1 prefix=$2 address=$3 code=0
    local compose=(docker compose -f docker-compose.yml)
    [[ $overlay != - ]] && compose+=(-f "docker-compose.$overlay.yml")
    # Started without --wait, which takes the end of the service that makes certificates for a failure.
    "${compose[@]}" up -d --build &&
        PUBLIC_PREFIX=${prefix/#-/} BASE_URL=$address INSECURE=1 ./smoke-test.sh || code=1
    ((code == 0)) || "${compose[@]}" logs --tail 50
    "${compose[@]}" down --volumes --timeout 40 || code=1
    return "$code"
}

while read -r name overlay prefix address <&3; do
    [[ -z $name || ($# -gt 0 && $wanted != *" $name "*) ]] && continue
    printf '\n=== %s\n' "$name"
    if check "$overlay" "$prefix" "$address"; then
        report+=("ok    $name")
    else
        report+=("FAIL  $name")
        failures=$((failures + 1))
    fi
done 3<<<"$stacks"

((${#report[@]} > 0)) || { echo "there is no stack of that name: $*" >&2; exit 1; }
printf '\n'
printf '%s\n' "${report[@]}"
((failures == 0))
