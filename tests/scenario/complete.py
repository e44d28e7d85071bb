#!/usr/bin/python3
"""complete.py bash|zsh FILE: reads lines from standard input, "TYPED<tab>WHAT MUST COME", and types each TYPED, in which \\t is
the Tab key, into an interactive shell that has the completion in FILE and `strongroom' as a function that prints its
arguments. What must come is what strongroom was run with, as <secret put>, or with ~ before it a text that the shell shows."""
import os, pty, re, select, signal, sys, time

QUIET = 0.25 # seconds without output: the shell has done what it does
LONGEST = 10

START = {
    "bash": (["bash", "--norc", "--noprofile", "-i"],
             "bind 'set enable-bracketed-paste off'; bind 'set completion-query-items 0'; bind 'set page-completions off'\n"
             "bind 'set bell-style none'; PS1='> '; . '%s'\n"),
    "zsh": (["zsh", "-f", "-i"],
            "unsetopt beep; PS1='> '; LISTMAX=1000; fpath=('%s' $fpath); autoload -Uz compinit; compinit -u -D\n"),
}
BOTH = "for name in strongroom strongroomd; do eval \"$name() { printf '<%s>\\n' \\\"\\$*\\\"; }\"; done\n"


class Shell:
    def __init__(self, name, file):
        argv, setup = START[name]
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ.update(TERM="dumb", HOME=os.environ["HOME"], COLUMNS="200")
            os.execvp(argv[0], argv)
        self.type(setup % (file if name == "bash" else os.path.dirname(file)))
        self.type(BOTH)

    def type(self, text):
        """What the shell has written when it is quiet again; each key by itself, as somebody types."""
        said = b""
        for part in re.findall(r"[^\t\n]+|\t|\n", text):
            os.write(self.fd, part.encode())
            said += self.read()
        return said.decode(errors="replace")

    def read(self):
        said, until = b"", time.monotonic() + LONGEST
        while time.monotonic() < until and select.select([self.fd], [], [], QUIET)[0]:
            try:
                said += os.read(self.fd, 65536)
            except OSError:
                break
        return said

    def end(self):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.fd)


def check(shell, typed, wanted):
    said = shell.type(typed.replace("\\t", "\t"))
    if wanted.startswith("~"):
        shell.type("\x15") # the line is thrown away
        return wanted[1:] in said, said
    said += shell.type("\n")
    return re.search(re.escape(wanted[:-1]) + r"\s*>", said) is not None, said


def main():
    shell = Shell(sys.argv[1], sys.argv[2])
    failed = 0
    for line in sys.stdin:
        typed, wanted = line.rstrip("\n").split("\t")
        good, said = check(shell, typed, wanted)
        print(("ok" if good else "not ok") + " - %s: %s gives %s" % (sys.argv[1], typed, wanted))
        if not good:
            failed += 1
            print("  the shell wrote: %r" % said, file=sys.stderr)
    shell.end()
    sys.exit(failed > 0)


main()
