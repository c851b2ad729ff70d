# The part of tools/bench that is in Python; sourced.
# shellcheck shell=bash disable=SC2034,SC2154 # shares its variables with tools/bench

arguments=(--programs build/bench --rounds "$rounds" "${flags[@]}")
[ "$what" = counts ] || { arguments+=(--folder "$folder" --seconds "$seconds"); cluster_made=yes; }
[ -z "$clients" ] || [ "$what" = lag ] || arguments+=(--clients "$clients")
[ "$what" != writers ] || arguments+=(--flush "$flush")
[ "$json" = no ] || arguments+=(--json)
/usr/bin/python3 "tools/benchmark/$what.py" "${arguments[@]}"
exit 0
