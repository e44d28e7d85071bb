#!/usr/bin/python3
"""soak.py REPORT: a daemon under mixed load for SOAK_SECONDS (1800), with trouble now and then: it is killed and started
again, the HSM's token is taken away and put back, the disk is filled. A client's command may fail in such a moment, but
what it said was done stays done: at the end every acknowledged value is there, every token with one use gave one value,
the audit is whole, and the daemon needs no more memory and no more files than after the first minute.

The vault is in a file system of its own where the caller may mount one (root), else the disk is not filled."""
import collections
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

TOOL, DAEMON = os.environ["STRONGROOM"], os.environ["STRONGROOMD"]
SECONDS = float(os.environ.get("SOAK_SECONDS", "1800"))
WORKERS = int(os.environ.get("SOAK_CLIENTS", "6"))
PASSPHRASE = "correct horse battery staple"
STRING = re.compile(r"srt_[a-z2-7]{20,}")
MIB = 1 << 20


def write(path, text):
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(text)


class Place:
    """The directory, the vault and its daemon."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="strongroom-soak.")
        self.disk = self.dir + "/disk"
        os.mkdir(self.disk, 0o700)
        self.mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=192m,mode=700", "none", self.disk],
                                      stderr=subprocess.DEVNULL).returncode == 0
        self.vault, self.conf = self.disk + "/vault", self.disk + "/vault/strongroom.conf"
        self.daemon = None
        write(self.dir + "/passphrase", PASSPHRASE + "\n")
        write(self.dir + "/admin.pin", "admin:" + PASSPHRASE + "\n")
        self.must(["init", "--dir", self.vault, "--name", "v", "--admin", "admin", "--passphrase-file", self.dir + "/passphrase"])
        with open(self.conf, encoding="utf-8") as file:
            text = file.read()
        write(self.dir + "/daemon.conf", text + f"\n[listen]\nunix = {self.dir}/socket\n")
        self.conf = self.dir + "/client.conf" # from here on nobody but the daemon opens the vault
        write(self.conf, f"[vault]\nserver = unix:{self.dir}/socket\n")

    def env(self, pin=None):
        env = {key: value for key, value in os.environ.items() if not key.startswith("STRONGROOM_PIN")}
        return env | {"STRONGROOM_CONF": self.conf, "STRONGROOM_PIN_FILE": pin or self.dir + "/admin.pin", "LC_ALL": "C.UTF-8"}

    def tool(self, args, stdin="", pin=None):
        """What it answers; None where it takes so long that it hangs."""
        try:
            return subprocess.run([TOOL, *args], env=self.env(pin), input=stdin, capture_output=True, text=True, timeout=120)
        except subprocess.TimeoutExpired:
            return None

    def must(self, args, stdin=""):
        for _ in range(20):
            got = self.tool(args, stdin)
            if got and got.returncode == 0:
                return got.stdout
            time.sleep(0.5)
        raise SystemExit(f"soak: {' '.join(args)}: {got.stderr if got else 'it hangs'}{self.last_words()}")

    def last_words(self):
        """What the daemon said last, where it is not there any more."""
        if not self.daemon or self.daemon.poll() is None:
            return ""
        with open(self.dir + "/daemon.log", encoding="utf-8") as log:
            return f"the daemon has ended with {self.daemon.returncode}: {log.read()[-600:]}"

    def start(self):
        log = open(self.dir + "/daemon.log", "ab")
        self.daemon = subprocess.Popen([DAEMON, "--config", self.dir + "/daemon.conf"], stdout=log, stderr=log,
                                       stdin=subprocess.DEVNULL)
        for _ in range(300):
            if self.daemon.poll() is not None:
                raise SystemExit("soak: " + self.last_words())
            if os.path.exists(self.dir + "/socket"):
                return
            time.sleep(0.1)
        raise SystemExit("soak: the daemon does not start")

    def end(self, how):
        self.daemon.send_signal(how)
        code = self.daemon.wait(timeout=120)
        if how == signal.SIGKILL and os.path.exists(self.dir + "/socket"):
            os.unlink(self.dir + "/socket")
        return code

    def needs(self):
        """Memory in KiB and open files of the daemon."""
        with open(f"/proc/{self.daemon.pid}/status", encoding="ascii") as file:
            memory = int(re.search(r"VmRSS:\s*(\d+)", file.read()).group(1))
        return memory, len(os.listdir(f"/proc/{self.daemon.pid}/fd"))

    def remove(self):
        if self.daemon and self.daemon.poll() is None:
            self.daemon.kill()
            self.daemon.wait()
        if self.mounted:
            subprocess.run(["umount", "-l", self.disk], check=False)
        shutil.rmtree(self.dir, ignore_errors=True)


class Load:
    """One client: what it did, and what it was told was done."""

    def __init__(self, place, number, ended, told):
        self.place, self.number, self.ended, self.told = place, number, ended, told
        self.random = random.Random(number)
        self.kept, self.turn = {}, 0 # by path: every value that it may have; the first was acknowledged, None: none was
        self.wrong = []

    def count(self, what, got):
        self.told[what + (" done" if got and got.returncode == 0 else " refused")] += 1
        if got is None:
            self.wrong.append(f"{what} hangs")
        elif got.returncode < 0 or got.returncode > 6:
            self.wrong.append(f"{what} ended with {got.returncode}: {got.stderr[-200:]}")
        return got is not None and got.returncode == 0

    def put(self):
        path = f"load/{self.number}/{self.random.randrange(8)}"
        self.turn += 1
        value = f"value-{self.number}-{self.turn}-" + "x" * self.random.randrange(2000)
        before = self.kept.get(path, [None])
        self.kept[path] = before + [value] # it may be there, whatever is answered
        if self.count("put", self.place.tool(["secret", "put", path], value)):
            self.kept[path] = [value]

    def get(self):
        if not self.kept:
            return
        path = self.random.choice(sorted(self.kept))
        got = self.place.tool(["secret", "get", path])
        if self.count("get", got) and got.stdout not in self.kept[path]:
            self.wrong.append(f"{path} has a value that nobody wrote last: {got.stdout[:60]}")

    def once(self):
        """A token with one use gives one value, whatever happens."""
        if not self.kept:
            return
        path = self.random.choice(sorted(self.kept))
        got = self.place.tool(["token", "issue", "--scope", f"secrets:read:{path}", "--ttl", "10m", "--max-uses", "1"])
        if not self.count("issue", got) or not STRING.search(got.stdout):
            return
        pin = f"{self.place.dir}/{self.number}.pin"
        write(pin, STRING.search(got.stdout).group() + "\n")
        values = 0
        for _ in range(2):
            values += self.count("use", self.place.tool(["secret", "get", path], pin=pin))
        if values > 1:
            self.wrong.append(f"a token with one use gave {values} values")

    def query(self):
        self.count("query", self.place.tool(["audit", "query", "--limit", "20", "--json"]))

    def run(self):
        while not self.ended.is_set():
            self.random.choice([self.put, self.get, self.get, self.get, self.once, self.query])()


class Trouble:
    def __init__(self, place, ended, told):
        self.place, self.ended, self.told = place, ended, told
        self.wrong = []

    def kill(self):
        self.place.end(signal.SIGKILL)
        self.place.start()

    def term(self):
        code = self.place.end(signal.SIGTERM)
        if code != 0:
            self.wrong.append(f"the daemon ended with {code} at SIGTERM")
        self.place.start()

    def token_away(self):
        tokens = self.place.vault + "/hsm/tokens"
        os.rename(tokens, tokens + ".away")
        self.ended.wait(3)
        os.rename(tokens + ".away", tokens)

    def full_disk(self):
        if not self.place.mounted:
            return
        try:
            with open(self.place.disk + "/ballast", "wb", buffering=0) as file:
                while file.write(b"\0" * MIB):
                    pass
        except OSError:
            pass
        self.ended.wait(3)
        os.unlink(self.place.disk + "/ballast")

    def run(self, every):
        kinds = [self.kill, self.token_away, self.full_disk, self.term]
        turn = 0
        while not self.ended.wait(every):
            kind = kinds[turn % len(kinds)]
            try:
                kind()
            except (SystemExit, OSError, subprocess.TimeoutExpired) as error:
                self.wrong.append(f"{kind.__name__}: {error}")
                return
            self.told[kind.__name__] += 1
            turn += 1


def check_end(place, loads, wrong):
    """With nothing beside it any more."""
    lost = values = 0
    for load in loads:
        for path, may in load.kept.items():
            got = place.tool(["secret", "get", path])
            values += may[0] is not None
            gone = may[0] is None and got is not None and got.returncode == 4
            if (got is None or got.returncode != 0 or got.stdout not in may) and not gone:
                lost += 1
                wrong.append(f"{path} is not what was acknowledged: {got.stderr[-200:] if got else 'it hangs'}")
    verdict = json.loads(place.must(["audit", "verify", "--json"]))
    if verdict.get("ok") is not True:
        wrong.append(f"the audit is not whole: {verdict}")
    return values, lost


def main():
    place, ended, told = Place(), threading.Event(), collections.Counter()
    try:
        place.start()
        loads = [Load(place, number, ended, told) for number in range(WORKERS)]
        trouble = Trouble(place, ended, told)
        threads = [threading.Thread(target=load.run) for load in loads]
        for thread in threads:
            thread.start()
        began, first, most = time.monotonic(), None, [0, 0]
        every = max(5.0, min(30.0, SECONDS / 12))
        unrest = threading.Thread(target=trouble.run, args=(every,))
        unrest.start()
        while time.monotonic() - began < SECONDS:
            time.sleep(2)
            try:
                needs = place.needs()
            except (OSError, AttributeError):
                continue # it is being started
            if first is None and time.monotonic() - began > min(60, SECONDS / 4):
                first = needs
            most = [max(a, b) for a, b in zip(most, needs)]
        ended.set()
        for thread in [*threads, unrest]:
            thread.join()
        wrong = trouble.wrong + [what for load in loads for what in load.wrong]
        if first and (most[0] > 2 * first[0] + 16 * 1024 or most[1] > 2 * first[1] + 64):
            wrong.append(f"it grows: {first} KiB and files after a minute, {tuple(most)} at most")
        values, lost = check_end(place, loads, wrong)
        for what in wrong[:20]:
            print("soak:", what)
        summary = (f"soak: {SECONDS:.0f} s, {WORKERS} clients, " +
                   ", ".join(f"{number} {name}" for name, number in sorted(told.items())) +
                   f"; {values} values acknowledged, {lost} lost, {len(wrong)} promises broken; memory {most[0] // 1024} MiB and "
                   f"{most[1]} files at most")
        print(summary)
        os.makedirs(os.path.dirname(sys.argv[1]) or ".", exist_ok=True)
        with open(sys.argv[1], "w", encoding="utf-8") as report:
            report.write(summary + "\n")
        return 1 if wrong else 0
    finally:
        ended.set()
        place.remove()


sys.exit(main())
