#!/usr/bin/env python3
"""Makes the completions of bash, zsh or fish from the help of the program: completions.py PROGRAM SHELL"""

import sys

import help_text

BASH = r"""# bash completion for pgtally, made from its --help.
_pgtally() {
    local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} options=''
    COMPREPLY=()
    # Bash takes the = of --option=value for a word.
    if [[ $current == '=' ]]; then
        current=''
    elif [[ $before == '=' ]]; then
        before=${COMP_WORDS[COMP_CWORD-2]}
    fi
    if ((COMP_CWORD == 1)); then
        mapfile -t COMPREPLY < <(compgen -W '@COMMANDS@ --help --version' -- "$current")
        return
    fi
    case ${COMP_WORDS[1]}:$before in
@VALUES@
    esac
    case ${COMP_WORDS[1]} in
@OPTIONS@
    esac
    mapfile -t COMPREPLY < <(compgen -W "$options" -- "$current")
}
complete -F _pgtally pgtally
"""

ZSH = r"""#compdef pgtally
# zsh completion for pgtally, made from its --help.
local -a commands
commands=(
@COMMANDS@
)
if (( CURRENT == 2 )); then
    _describe -t commands command commands
    _arguments '--help[print this]' '--version[print the version]'
    return
fi
local command=$words[2]
shift words
(( CURRENT-- ))
case $command in
@OPTIONS@
esac
"""


def bash(commands):
    values, options = [], []
    for command in commands:
        for option in command.options:
            if not option.value:
                continue
            if option.value in ("FILE", "DIR"):
                kind = "-f" if option.value == "FILE" else "-d"
                act = f'compopt -o filenames; mapfile -t COMPREPLY < <(compgen {kind} -- "$current"); return'
            elif option.words:
                act = f"mapfile -t COMPREPLY < <(compgen -W '{' '.join(option.words)}' -- \"$current\"); return"
            else:
                act = "return"
            values.append(f"        {command.name}:--{option.name}) {act} ;;")
        options.append(f"        {command.name}) options='{' '.join('--' + option.name for option in command.options)}' ;;")
    names = " ".join(command.name for command in commands)
    return BASH.replace("@COMMANDS@", names).replace("@VALUES@", "\n".join(values)).replace("@OPTIONS@", "\n".join(options))


def quoted(text):
    """A word in single quotes, for zsh."""
    return "'" + text.replace("'", r"'\''") + "'"


def zsh(commands):
    def argument(option):
        text = option.short.replace("\\", r"\\").replace("[", r"\[").replace("]", r"\]").replace(":", r"\:")
        out = f"{'*' if option.repeatable else ''}--{option.name}{'=' if option.value else ''}[{text}]"
        if option.value:
            offers = {"FILE": "_files", "DIR": "_files -/"}.get(option.value, f"({' '.join(option.words)})" if option.words else " ")
            out += f":{option.value.replace(':', ' ')}:{offers}"
        return quoted(out)
    names = "\n".join("    " + quoted(f"{command.name}:{command.purpose}") for command in commands)
    def arguments(command):
        words = ["'*:tally or key:()'"] if " TALLY" in command.usage else []
        return "_arguments -S " + " \\\n            ".join([*map(argument, command.options), *words])
    options = "\n".join(f"    {command.name})\n        {arguments(command)} ;;" for command in commands)
    return ZSH.replace("@COMMANDS@", names).replace("@OPTIONS@", options)


def fish(commands):
    def text(words):
        return "'" + words.replace("\\", r"\\").replace("'", r"\'") + "'"

    lines = ["# fish completion for pgtally, made from its --help.", "complete -c pgtally -f",
             "complete -c pgtally -n __fish_use_subcommand -l help -d 'print this'",
             "complete -c pgtally -n __fish_use_subcommand -l version -d 'print the version'"]
    for command in commands:
        lines.append(f"complete -c pgtally -n __fish_use_subcommand -a {command.name} -d {text(command.purpose)}")
        for option in command.options:
            if option.value in ("FILE", "DIR"):
                value = "-r -F" if option.value == "FILE" else "-x -a '(__fish_complete_directories)'"
            else:
                value = f"-x -a {text(' '.join(option.words))}" if option.words else "-x" if option.value else ""
            lines.append(f"complete -c pgtally -n '__fish_seen_subcommand_from {command.name}' -l {option.name} "
                         f"{value + ' ' if value else ''}-d {text(option.short)}")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print({"bash": bash, "zsh": zsh, "fish": fish}[sys.argv[2]](help_text.read(sys.argv[1])), end="")
