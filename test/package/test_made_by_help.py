"""What the build makes of the program's help: the man page, and completions that the shells understand."""

import os
import pathlib
import pty
import re
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools" / "packaging"))

import help_text  # noqa: E402
import roff  # noqa: E402

PROGRAM = os.environ.get("PGTALLY_PROGRAM", str(ROOT / "build" / "release" / "pgtally"))
MADE = pathlib.Path(os.environ.get("PGTALLY_MADE", pathlib.Path(PROGRAM).parent / "package"))
COMMANDS = help_text.read(PROGRAM)
SHELLS = ["bash", "zsh", "fish"]
ENVIRONMENT = {**os.environ, "LC_ALL": "C.UTF-8", "TERM": "dumb"}


def run(*words, **more):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=60, env=ENVIRONMENT, **more)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def manual():
    return run("man", "-P", "cat", "--no-hyphenation", "--no-justification", "-l", MADE / "pgtally.1").stdout


def test_the_help_is_taken_apart_without_loss():
    for command in COMMANDS:
        written = run(PROGRAM, command.name, "--help").stdout
        words = [command.usage, command.text]
        for option in command.options:
            words += ["--" + option.name, option.value, option.text]
        assert " ".join(" ".join(words).split()) == " ".join(written.removeprefix("usage: ").replace("\nOptions:\n", "\n").split())


def test_what_an_option_takes():
    serve = {option.name: option for option in COMMANDS[0].options}
    assert COMMANDS[0].name == "serve"
    assert serve["log-level"].words == ["debug", "info", "warn", "error", "off"] and serve["log-format"].words == ["text", "json"]
    assert serve["writable"].value == "" and serve["writable"].words == []
    assert serve["listen"].value == "ADDRESS" and serve["listen"].repeatable and not serve["web"].repeatable
    assert [option.name for option in serve.values() if option.words] == ["log-level", "log-format"]


def test_a_line_that_is_no_option_is_refused():
    with pytest.raises(ValueError, match="not a line of options"):
        help_text.options_of("  -x  an option of one letter")


def test_text_becomes_roff():
    text = "It's **bold**, `a-b`, [a page](x.md).\n\n    .code\n\n- one\n  more\n- two\n\n| a | b |\n| --- | --- |\n| c | `d` |\n\n.x"
    assert roff.roff(text) == [".PP", r"It's \fBbold\fR, \fBa\-b\fR, a page.", ".PP", ".RS 4", ".nf", r"\&.code", ".fi", ".RE",
                               r".IP \(bu 2", "one more", r".IP \(bu 2", "two", ".TP", "c", r"\fBd\fR", ".PP", r"\&.x"]


def test_the_man_page_is_well_formed():
    assert run("mandoc", "-T", "lint", MADE / "pgtally.1").stdout == ""
    assert run("man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", MADE / "pgtally.1").stderr == ""


def test_the_man_page_has_every_command_and_option():
    text = manual()
    for command in COMMANDS:
        part = text.split(f"\n   {command.usage}\n")
        assert len(part) == 2, command.usage
        part = re.split(r"\n(?:   )?pgtally|\n[A-Z]", part[1])[0]
        for option in command.options:
            assert f"\n       --{option.name}{' ' * bool(option.value)}{option.value}" in part, option.name
    # What only the page says.
    for words in "PGTALLY_", "SIGHUP", "Exit status", "/etc/pgtally/pgtally.conf":
        assert words in text


@pytest.mark.parametrize("shell", SHELLS)
def test_the_shell_can_read_its_file(shell):
    assert run(shell, "-n", MADE / f"pgtally.{shell}").stderr == ""


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_every_option_is_in_each_completion(command):
    options = [option.name for option in command.options]
    bash = run("bash", "-c", f'source {MADE}/pgtally.bash; COMP_WORDS=(pgtally {command.name} -); COMP_CWORD=2; _pgtally; echo "${{COMPREPLY[@]}}"')
    assert bash.stdout.split() == ["--" + name for name in options]
    fish = run("fish", "--no-config", "-c", f"source {MADE}/pgtally.fish; complete -C 'pgtally {command.name} --'").stdout
    assert sorted(line.split("\t")[0] for line in fish.splitlines()) == sorted("--" + name for name in options)
    zsh = re.search(rf"^    {command.name}\)\n(.*?);;", (MADE / "pgtally.zsh").read_text(), re.MULTILINE | re.DOTALL)[1]
    assert re.findall(r"^ *(?:_arguments -S )?'\*?--([a-z-]+)", zsh, re.MULTILINE) == options


def typed(shell, keys, folder):
    """What a shell on a terminal has run, when these keys were typed: the words of `pgtally`, a function that prints them."""
    begin = {"bash": f"source {MADE}/pgtally.bash; PS1=; bind 'set enable-bracketed-paste off'",
             "zsh": f"fpath=({folder} $fpath); autoload -U compinit; compinit -u -D; PS1=; setopt no_zle_bracketed_paste 2>/dev/null",
             "fish": f"source {MADE}/pgtally.fish"}[shell]
    (folder / "_pgtally").write_bytes((MADE / "pgtally.zsh").read_bytes())
    define = f'function pgtally; string join "|" -- $argv > {folder}/ran; end' if shell == "fish" else f'pgtally() {{ local IFS="|"; echo "$*" > {folder}/ran; }}'
    options = {"bash": ["--norc", "--noprofile", "-i"], "zsh": ["-f", "-i"], "fish": ["--no-config", "-i"]}[shell]
    process, terminal = pty.fork()
    if process == 0:
        os.chdir(folder)
        os.execvpe(shell, [shell, *options], {**ENVIRONMENT, "HOME": str(folder), "HISTFILE": "/dev/null"})
    os.write(terminal, f"{begin}\n{define}\n{keys}\nexit\n".encode())
    seen = b""
    try:
        while part := os.read(terminal, 65536):
            seen += part
    except OSError:  # the shell has ended
        pass
    os.waitpid(process, 0)
    os.close(terminal)
    assert (folder / "ran").exists(), seen.decode(errors="replace")
    return (folder / "ran").read_text().rstrip("\n").split("|")


@pytest.mark.parametrize("keys, words", [
    ("pgtally ser\t--heartb\t5s", ["serve", "--heartbeat", "5s"]),
    ("pgtally serve --log-level deb\t", ["serve", "--log-level", "debug"]),
    ("pgtally serve --auth-key pub\t", ["serve", "--auth-key", "public key"]),
    ("pgtally top likes --li\t3", ["top", "likes", "--limit", "3"]),
])
@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_a_terminal_completes(shell, keys, words, tmp_path):
    (tmp_path / "public key").write_text("")
    if shell == "zsh":  # it writes --option=value
        words = [word.replace("--heartbeat", "--heartbeat=5s").replace("--limit", "--limit=3") for word in words]
        words = [word for word in words if word not in ("5s", "3")]
    assert typed(shell, keys, tmp_path) == words


@pytest.mark.parametrize("typed_so_far, offers", [
    ("pgtally ser", {"serve"}), ("pgtally serve --heartb", {"--heartbeat"}), ("pgtally serve --log-format ", {"text", "json"}),
    ("pgtally serve --auth-key pub", {"public key"}), ("pgtally audit --he", {"--help"}),
])
def test_fish_offers(typed_so_far, offers, tmp_path):
    (tmp_path / "public key").write_text("")
    out = run("fish", "--no-config", "-c", f"source {MADE}/pgtally.fish; complete -C '{typed_so_far}'", cwd=tmp_path).stdout
    assert {line.split("\t")[0] for line in out.splitlines()} == offers


def test_the_configuration_is_valid_and_so_is_each_of_its_lines(tmp_path):
    written = (ROOT / "tools" / "packaging" / "pgtally.conf").read_text()
    assert "the options are valid" in run(PROGRAM, "serve", "--config", ROOT / "tools" / "packaging" / "pgtally.conf", "--check-config").stdout
    run("openssl", "genpkey", "-algorithm", "ED25519", "-out", tmp_path / "private.pem")
    run("openssl", "pkey", "-in", tmp_path / "private.pem", "-pubout", "-out", tmp_path / "public.pem")
    run("openssl", "req", "-x509", "-newkey", "ed25519", "-nodes", "-subj", "/CN=x", "-keyout", tmp_path / "certificate.key", "-out", tmp_path / "certificate.pem")
    chosen, count = re.subn(r"(?m)^#([a-z-]+ = )", r"\1", written)
    assert count >= 8
    (tmp_path / "chosen.conf").write_text(chosen.replace("/etc/pgtally/", f"{tmp_path}/"))
    assert "the options are valid" in run(PROGRAM, "serve", "--config", tmp_path / "chosen.conf", "--check-config").stdout
