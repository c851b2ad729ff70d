# The part of tools/bench that needs a PostgreSQL and the service; sourced.
# shellcheck shell=bash disable=SC2034,SC2154 # shares its variables with tools/bench

arguments=(--folder "$folder" --programs build/bench --seconds "$seconds" --rounds "$rounds")
[ -z "$clients" ] || [ "$what" = lag ] || arguments+=(--clients "$clients")
[ "$what" != writers ] || arguments+=(--flush "$flush")
[ "$json" = no ] || arguments+=(--json)
cluster_made=yes
/usr/bin/python3 "tools/benchmark/$what.py" "${arguments[@]}"
exit 0
