#!/usr/bin/env bash
# Checks the demo of this folder through an edge, as a browser and a program would use it. Needs bash and curl.
#
#     PUBLIC_PREFIX=/myapp BASE_URL=http://127.0.0.1:8080 ./smoke-test.sh
#
#   PUBLIC_PREFIX  where the application is below the address; empty for none (default: /myapp)
#   BASE_URL       the edge, without the prefix (default: http://127.0.0.1:8080)
#   INSECURE=1     accept a self-signed certificate
#   WAIT_S         seconds to wait until the application is ready (default: 60)
#
# Prints a line for each check. The exit code is 0 if all are well, 1 if one is not.
set -u -f -o pipefail

prefix=${PUBLIC_PREFIX-/myapp}
base=${BASE_URL:-http://127.0.0.1:8080}
base=${base%/}
url=$base$prefix
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

options=(--silent --show-error --noproxy '*' --max-time 30)
[[ ${INSECURE:-} == 1 ]] && options+=(--insecure)
failures=0

# Send a request, and leave the response in $work/body and $work/head, and its status in $status.
ask() {
    status=$(curl "${options[@]}" --dump-header "$work/head" --output "$work/body" --write-out '%{http_code}' "$@" 2>"$work/error")
}

# verdict NAME CONDITION...: report whether a command succeeds.
verdict() {
    local name=$1
    shift
    if "$@"; then
        printf 'ok    %s\n' "$name"
    else
        printf 'FAIL  %s (status %s) %s\n' "$name" "${status:-none}" "$(head -c 200 "$work/body" "$work/error" 2>/dev/null | tr '\n\r' '  ')"
        failures=$((failures + 1))
    fi
}

is() { [[ $status == "$1" ]]; }
has() { grep --quiet --fixed-strings -- "$1" "$work/body"; }
has_not() { ! grep --quiet --ignore-case --extended-regexp -- "$1" "$work/body"; }
all() { # each argument is a condition
    local condition
    for condition in "$@"; do $condition || return 1; done
}

wait_until_ready() {
    local deadline=$((SECONDS + ${WAIT_S:-60}))
    until ask "$url/api/readyz" && is 200; do
        ((SECONDS < deadline)) || return 1
        sleep 0.5
    done
}

printf -- '--- %s\n' "$url/"
rm -f "$work/head" "$work/body" "$work/error"
wait_until_ready

# --- probes

ask "$url/api/healthz"
verdict 'health' all 'is 200' 'has "status":"ok"'
ask "$url/api/readyz"
verdict 'readiness' all 'is 200' 'has "streamlit":"ok"'

# --- the page

if [[ -n $prefix ]]; then
    ask "$url?a=b"
    target=$(curl "${options[@]}" --output /dev/null --write-out '%{redirect_url}' "$url?a=b")
    verdict 'the bare prefix leads to the application' test "$target" = "$url/?a=b"
fi

ask "$url/"
verdict 'the page' all 'is 200' 'has id="root"'
script=$(grep --only-matching --extended-regexp 'static/js/index\.[^"]+\.js' "$work/body" | head -n 1)
ask "$url/$script"
verdict 'its JavaScript' all 'is 200' 'has function'
ask "$url/second"
verdict 'a link to the second page' all 'is 200' 'has id="root"'

# --- WebSockets: a connection that was made stays open, so curl is stopped once the response is there

handshake() {
    local client deadline=$((SECONDS + 10))
    : >"$work/head"
    : >"$work/body"
    curl "${options[@]}" --http1.1 --no-buffer --dump-header "$work/head" --output "$work/body" \
        --header 'Connection: Upgrade' --header 'Upgrade: websocket' \
        --header 'Sec-WebSocket-Version: 13' --header 'Sec-WebSocket-Key: Zmx1eGxpdCBzbW9rZSBvaw==' "$@" 2>"$work/error" &
    client=$!
    until grep --quiet '^HTTP' "$work/head"; do
        ((SECONDS < deadline)) && kill -0 "$client" 2>/dev/null || break
        sleep 0.05
    done
    kill "$client" 2>/dev/null
    wait "$client" 2>/dev/null
    status=$(sed -n '1s/^HTTP[^ ]* \([0-9]*\).*/\1/p' "$work/head")
}
handshake --header "Origin: $base" --header 'Sec-WebSocket-Protocol: streamlit' "$url/_stcore/stream"
verdict 'WebSocket of the page' is 101
handshake "$url/api/echo"
verdict 'WebSocket of the API' is 101
handshake --header 'Origin: https://evil.example' --header 'Sec-WebSocket-Protocol: streamlit' "$url/_stcore/stream"
verdict 'no WebSocket for a foreign site' is 403

# --- uploads: more than nginx takes by default, to the API and on Streamlit's own path

head -c 3000000 /dev/zero >"$work/upload"
ask --request PUT --upload-file "$work/upload" "$url/api/upload"
verdict 'upload to the API' all 'is 200' 'has "bytes":3000000'

ask --cookie-jar "$work/cookies" "$url/_stcore/health"
token=$(awk '$6 == "_streamlit_xsrf" { print $7 }' "$work/cookies")
ask --cookie "_streamlit_xsrf=$token" --header "X-Xsrftoken: $token" --form "file=@$work/upload" \
    --request PUT "$url/_stcore/upload_file/no-such-session/no-such-file"
# Streamlit itself refuses it, while the body is still coming: there is no such session.
verdict 'upload to a page' all 'is 400' 'has session_id'

# --- streams

# Three minutes of events: an edge that buffers them until the end sends none in time.
curl "${options[@]}" --no-buffer --max-time 8 "$url/api/events?count=1000" 2>"$work/error" |
    grep --max-count 3 --line-buffered '^data: ' >"$work/body"
status=$(grep --count '^data: ' "$work/body")
verdict 'events arrive one by one' test "$status" -ge 3
ask "$url/api/download?size=5000000"
verdict 'download' test "$(wc -c <"$work/body")" -eq 5000000

# --- links that the API makes

ask "$url/api/openapi.json"
verdict 'OpenAPI names the public path' all 'is 200' "has \"servers\":[{\"url\":\"$prefix/api\"}]"
server=$(sed -n 's/.*"servers":\[{"url":"\([^"]*\)"}\].*/\1/p' "$work/body")
ask "$base$server/whoami"
verdict 'a call as "Try it out" makes it' all 'is 200' "has \"link\":\"$url/api/download\""
ask "$url/api/docs"
verdict 'the documentation page' all 'is 200' "has $prefix/api/openapi.json"

# --- trust

ask --header 'X-Forwarded-For: 203.0.113.66' --header 'X-Forwarded-Host: evil.example' \
    --header 'X-Forwarded-Proto: gopher' --header 'X-Forwarded-Port: 666' --header 'X-Forwarded-Prefix: /evil' \
    --header 'X-Real-IP: 203.0.113.66' --header 'Forwarded: for=203.0.113.66;host=evil.example' "$url/api/whoami"
verdict 'forged forwarding headers have no effect' all 'is 200' "has \"link\":\"$url/api/download\"" \
    'has_not evil|203\.0\.113\.66|gopher|:666'

if [[ $base == https:* ]]; then
    status=$(curl "${options[@]}" --http2 --output /dev/null --write-out '%{http_version}' "$url/api/healthz")
    verdict 'HTTP/2' test "$status" = 2
fi

((failures == 0)) && echo 'all is well' || echo "$failures failed"
((failures == 0))
