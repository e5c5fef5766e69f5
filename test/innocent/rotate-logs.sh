#!/bin/bash
# Services write logs, which are rotated for three nights.
# tools: mv, gzip, cp, truncation by the shell
# order: x.log renamed to x.log.1, a new x.log made, x.log.1 compressed and deleted, older ones renamed; or copied and emptied while its writer keeps it open; the oldest deleted
# kind: benign
set -euo pipefail; export LC_ALL=C.UTF-8
target=$(realpath "${1:?usage: $0 DIRECTORY}"); [ -e "${target%/*}/.scratch-ok" ] || { echo "refusing: no .scratch-ok beside $target" >&2; exit 97; }
cd "$target/IT/Logs"

# One session for all services of a day. Some logs turn into tokens overnight: lines like encoded ciphertext where sentences stood, and nobody's loss.
write_logs() {
  setsid --wait bash -c '
    lines() { for line in $(seq "$2"); do echo "2025-11-2$1T0$((line % 10)):00:$((10 + line % 50)) service request $line took $((line * 37 % 911)) ms"; done; }
    for service in $(seq 8); do
      lines "$1" 60 >> "service$service.log"
      if [ "$1" -eq 0 ]; then lines 0 90 > "token$service.log"; else head -c 4000 /dev/urandom | base64 >> "token$service.log"; fi
    done' bash "$1"
}
write_logs 0
for night in 1 2 3; do
  for log in service*.log token*.log; do
    [ ! -e "$log.2.gz" ] || mv "$log.2.gz" "$log.3.gz"
    [ ! -e "$log.1.gz" ] || mv "$log.1.gz" "$log.2.gz"
    case $log in
      *[02468].log) mv "$log" "$log.1"; : > "$log" ;;
      *) cp "$log" "$log.1"; : > "$log" ;; # copytruncate
    esac
    gzip "$log.1"
    rm -f "$log.3.gz"
  done
  write_logs "$night"
done
for service in $(seq 8); do
  zcat "service$service.log.1.gz" | grep -q "2025-11-22T" && grep -q "2025-11-23T" "service$service.log" && gzip -t "token$service.log.2.gz"
done
