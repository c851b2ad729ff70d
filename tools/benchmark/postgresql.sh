# The part of tools/bench that compares ways to count on a PostgreSQL; sourced.
# shellcheck shell=bash disable=SC2034,SC2154 # shares its variables with tools/bench

arguments=(--folder "$folder" --programs build/bench --seconds "$seconds" --rounds "$rounds")
[ "$what" = lag ] || arguments+=(--clients "$clients" --flush "$flush")
[ "$json" = no ] || arguments+=(--json)
cluster_made=yes
/usr/bin/python3 "tools/benchmark/$what.py" "${arguments[@]}"
exit 0
