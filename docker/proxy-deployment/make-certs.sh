#!/usr/bin/env bash
# Makes a certificate for tests, good for a month: make-certs.sh FOLDER
# It is signed by its own key, so no client trusts it by default. Never use it for anything public.
set -euo pipefail

folder=${1:?say where to write edge.crt and edge.key}
mkdir -p "$folder"
if [[ -s $folder/edge.crt && -s $folder/edge.key ]] &&
    openssl x509 -checkend 86400 -noout -in "$folder/edge.crt" >/dev/null; then
    echo "$folder/edge.crt is there and good for another day at least"
    exit 0
fi
# The key is readable by its owner only, from the first moment.
umask 077
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 \
    -subj "/CN=FluxLit edge test" -addext "subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1" \
    -keyout "$folder/edge.key" -out "$folder/edge.crt" 2>/dev/null
chmod 644 "$folder/edge.crt"
echo "made $folder/edge.crt"
