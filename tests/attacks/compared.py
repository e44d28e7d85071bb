"""compared.py SOURCES LIST: each comparison in src and hsm that may be one of secrets, by the words in it, has to be in LIST,
and each line of LIST has to be found: "FILE: what stands there: why it may". Says those that are not."""
import os
import re
import sys

CALL = re.compile(r"\b(?:memcmp|bcmp|str(?:n|case|ncase)?cmp)\s*\(")
KNOWN = re.compile(r'"|\b(?:[A-Z]+_)*(?:PREFIX|TEXT)\b')  # what stands in the source is no secret
WORDS = re.compile(r"secret\b|\bpin\b|pass|\bmac\b|hash\b|digest|ticket|stretched|plain|opened|value\b|bytes\b|->data\b|sha256")


def comparisons(sources):
    """File, number and text of each; one that is written over two lines has both."""
    for top in ("src", "hsm"):
        for folder, _, names in sorted(os.walk(os.path.join(sources, top))):
            for name in sorted(names):
                if not name.endswith((".c", ".h")):
                    continue
                path = os.path.join(folder, name)
                with open(path, encoding="utf-8") as file:
                    lines = file.read().split("\n")
                for number, line in enumerate(lines, 1):
                    for call in CALL.finditer(line):
                        text = (line[call.start():] + " " + lines[number].strip() if number < len(lines) else line)
                        inside = arguments(text)
                        if WORDS.search(inside) and not KNOWN.search(inside):
                            yield os.path.relpath(path, sources), number, inside


def arguments(text):
    """The call up to the parenthesis that closes it."""
    depth = 0
    for at, sign in enumerate(text):
        depth += (sign == "(") - (sign == ")")
        if sign == ")" and depth == 0:
            return text[:at + 1]
    return text


def main(sources, path):
    with open(path, encoding="utf-8") as file:
        known = [line.rstrip("\n").split(": ", 2) for line in file if line.strip() and not line.startswith("#")]
    unseen = {(file, text) for file, text, _ in known}
    wrong, count = [], 0
    for file, number, text in comparisons(sources):
        count += 1
        if (file, text) in {(f, t) for f, t, _ in known}:
            unseen.discard((file, text))
        else:
            wrong.append(f"{file}:{number}: {text}: is it of secrets? then sr_equal; else say why in the list")
    wrong += [f"{file}: {text}: is in the list, and nowhere" for file, text in sorted(unseen)]
    print("\n".join(wrong + [f"{count} comparisons by memcmp and its like were looked at, none of secrets"]))
    return 1 if wrong else 0


sys.exit(main(*sys.argv[1:3]))
