"""memory.py PID FILE: looks through all memory of a process that can be read, for each line "NAME TEXT" or "NAME
hex:BYTES" of FILE, and for the first half and the last half of each, too. Says where it is found, and ends with 1 then; the memory of kernel and
devices is left out. It takes root, or the process's own user."""
import re
import sys

CHUNK = 1 << 22


def ranges(pid):
    """The mappings that can be read: where from, where to, and what they are of."""
    with open(f"/proc/{pid}/maps", encoding="utf-8", errors="replace") as maps:
        for line in maps:
            found = re.match(r"([0-9a-f]+)-([0-9a-f]+) r\S+ \S+ \S+ \S+\s*(.*)", line)
            if found and found[3] not in ("[vvar]", "[vsyscall]", "[vdso]"):
                yield int(found[1], 16), int(found[2], 16), found[3] or "(no name)"


def chunks(memory, begin, end, overlap):
    """What is there, so that nothing is cut in two."""
    tail = b""
    for at in range(begin, end, CHUNK):
        try:
            memory.seek(at)
            data = memory.read(min(CHUNK, end - at))
        except OSError:
            return
        yield at - len(tail), tail + data
        tail = data[-overlap:]


def needles(path):
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            name, text = line.rstrip("\n").split(" ", 1)
            whole = bytes.fromhex(text[4:]) if text.startswith("hex:") else text.encode()
            half = len(whole) // 2
            for part, of in ((whole, name), (whole[:half], name + " (its first half)"), (whole[half:], name + " (its last half)")):
                if len(part) >= 8:
                    yield part, of


def main(pid, path):
    wanted = list(needles(path))
    longest = max(len(part) for part, _ in wanted)
    seen, total = {}, 0
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for begin, end, of in ranges(pid):
            for at, data in chunks(memory, begin, end, longest):
                total += len(data)
                for part, name in wanted:
                    where = data.find(part)
                    if where >= 0:
                        seen.setdefault(name, f"{at + where:#x} in {of}")
    print(f"{total >> 10} KiB")
    for name, where in seen.items():
        print(f"{name}: {where}")
    return 1 if seen else 0


sys.exit(main(int(sys.argv[1]), sys.argv[2]))
