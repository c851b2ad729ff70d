# The part of tools/bench that compares a crowded tally with small ones; sourced.
# shellcheck shell=bash disable=SC2034,SC2154 # shares its variables with tools/bench

slices=20 # a round
enter "10,000 clients" "$ours" feed 10000 1000
enter "10 clients" "$ours" feed 10 1000
duels=("10,000 clients" "10 clients")

# What is compared: TITLE | OURS | FIELD | THEIR TITLE | THEIRS | AIM, which may be empty.
comparisons=(
  "changes per CPU second|10,000 clients|1|10 clients on each tally|10 clients|0.7"
  "leaves per CPU second|10,000 clients|2|10 clients on each tally|10 clients|0.7"
)

run_round() { # TITLE
  local i
  say "$1"
  for ((i = 0; i < slices; ++i)); do take_slices; done
}
