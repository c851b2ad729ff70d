# The part of tools/bench that measures what a ranking costs; sourced.
# shellcheck shell=bash disable=SC2034,SC2154 # shares its variables with tools/bench

slices=10 # a round
duels=() comparisons=()
for keys in 1000 1000000; do
  for what in nothing ranking top hot-top; do
    enter "$what of $keys" "$ours" rank "$what" "$keys" 10000
    duels+=("$what of $keys")
  done
done

# What is compared: TITLE | OURS | FIELD | THEIR TITLE | THEIRS | AIM, which may be empty.
for keys in 1000 1000000; do
  comparisons+=(
    "changes/s, $keys keys ranked|ranking of $keys|1|no ranking|nothing of $keys|"
    "… a top of 10 followed|top of $keys|1|no ranking|nothing of $keys|"
    "… each change is in that top|hot-top of $keys|1|no ranking|nothing of $keys|"
  )
done

run_round() { # TITLE
  local i
  say "$1"
  for ((i = 0; i < slices; ++i)); do take_slices; done
}
