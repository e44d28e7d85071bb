"""A small vault that is copied for each fault, what is done to it, and what has to hold afterwards."""
import ctypes
import glob
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import urllib.parse

TOOL = os.environ["STRONGROOM"]
SHIM = os.environ["SR_TEST_FAULTS"]
SANITIZED = bool(os.environ.get("SR_SANITIZED"))
PATIENCE = 40  # seconds for a command; the vault's own waits end after 30
VALUE, GONE, TURN, FRESH, TURNED = (f"value-{name}-7QX9" for name in ("held", "gone", "turn", "fresh", "turned"))
PASSPHRASE = "correct horse battery staple"
STRING = re.compile(rb"sr[a-z]_[a-z2-7]{20,}")


class Wrong(Exception):
    """What must not be: KIND is crashed, hung, lost, leaked, half, broken or misread (another value was given)."""

    def __init__(self, kind, text):
        super().__init__(text)
        self.kind = kind


class Result:
    def __init__(self, code, out, err, hung):
        self.code, self.out, self.err, self.hung = code, out, err, hung

    def line(self):
        return f"exit {self.code}: {(self.out + self.err).decode(errors='replace').strip()[-400:]}"


def run(argv, env, stdin=b"", patience=PATIENCE):
    with subprocess.Popen(argv, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        try:
            out, err = child.communicate(stdin, timeout=patience)
            return Result(child.returncode, out, err, False)
        except subprocess.TimeoutExpired:
            child.kill()
            out, err = child.communicate()
            return Result(child.returncode, out, err, True)


def write(path, text):
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(text)


class World:
    """DIR/vault is the vault; DIR/kept what it is at the beginning of each run. BACKEND: the module that its configuration
    names, other than SoftHSM2 itself."""

    def __init__(self, place, backend=None):
        self.dir, self.vault, self.kept = place, place + "/vault", place + "/kept"
        os.makedirs(place, mode=0o700, exist_ok=True)
        self.secret = {}
        write(place + "/passphrase", PASSPHRASE + "\n")
        self.login("admin", "admin:" + PASSPHRASE)
        self.must(["init", "--dir", self.vault, "--name", "v", "--admin", "admin", "--passphrase-file", place + "/passphrase"])
        for path, value in (("prod/held", VALUE), ("prod/gone", GONE), ("prod/turn", TURN)):
            self.must(["secret", "put", path], value)
        for name, more in (("once", ["--max-uses", "1"]), ("ended", []), ("editor", [])):
            scope = "secrets:*:prod/*" if name == "editor" else "secrets:read:prod/*"
            out = self.must(["token", "issue", "--scope", scope, "--ttl", "23h", "--json", *more])
            string = STRING.search(out).group().decode()
            self.login(name, string)
            self.secret[name] = re.search(rb'"id": *"(t-[a-z0-9]+)"', out).group(1).decode()
        with open(glob.glob(self.vault + "/hsm/pin")[0], encoding="ascii") as file:
            self.pin = file.read().strip()
        if backend:
            conf = self.vault + "/strongroom.conf"
            with open(conf, encoding="utf-8") as file:
                text = file.read()
            was = urllib.parse.quote(os.environ["SOFTHSM2_MODULE"], safe="")
            if was not in text:
                raise SystemExit(f"the module is not named in {conf}")
            write(conf, text.replace(was, urllib.parse.quote(backend, safe="")))
        os.rename(self.vault, self.kept)
        self.fresh()
        self.before = self.state()
        self.reads_before = self.reads()

    def renew(self):
        """What is there now is what each run begins with."""
        shutil.rmtree(self.kept)
        shutil.copytree(self.vault, self.kept, symlinks=True)
        self.before = self.state()
        self.reads_before = self.reads()

    def login(self, name, pin):
        write(f"{self.dir}/{name}.pin", pin + "\n")

    def env(self, name="admin", **more):
        env = {key: value for key, value in os.environ.items() if not key.startswith(("STRONGROOM_PIN", "SR_FAULT", "SR_BACKEND"))}
        env |= {"LD_PRELOAD": SHIM, "STRONGROOM_CONF": self.vault + "/strongroom.conf", "LC_ALL": "C.UTF-8",
                "STRONGROOM_PIN_FILE": f"{self.dir}/{name}.pin", "SR_BACKEND_MODULE": os.environ["SOFTHSM2_MODULE"]}
        return env | more

    def tool(self, args, name="admin", stdin="", **more):
        return run([TOOL, *args], self.env(name, **more), stdin.encode())

    def must(self, args, stdin=""):
        got = self.tool(args, "admin", stdin)
        if got.code != 0:
            raise SystemExit(f"faults: {' '.join(args)}: {got.line()}")
        return got.out

    def fresh(self):
        shutil.rmtree(self.vault, ignore_errors=True)
        shutil.copytree(self.kept, self.vault, symlinks=True)

    # -- what the database says: whether that is true, the audit's verification says -----------------------------------
    def rows(self, sql):
        with sqlite3.connect(f"file:{self.vault}/vault.db?mode=ro", uri=True) as base:
            return base.execute(sql).fetchall()

    def state(self):
        """Everything but the records."""
        return {
            "secrets": dict((path, (state, version)) for path, state, version in self.rows("SELECT path, state, version FROM secret")),
            "tokens": dict(self.rows("SELECT id, state FROM token")),
            "keys": self.rows("SELECT path, part FROM key ORDER BY path, part"),
        }

    def reads(self):
        return self.rows("SELECT count(*) FROM event WHERE event = 'secret.read' AND status = 'allowed'")[0][0]


# -- what is done ---------------------------------------------------------------------------------------------------
class Step:
    """A command, by whom, and the state after it where it is done: CHANGE(state) changes a copy of the one before."""

    def __init__(self, name, args, who="admin", stdin="", change=None, prints=None, after=None):
        self.name, self.args, self.who, self.stdin = name, args, who, stdin
        self.change, self.prints, self.after = change, prints, after


def put_secret(path, state, version):
    def change(world_state):
        world_state["secrets"][path] = (state, version)
    return change


def gives(world, path, value):
    got = world.tool(["secret", "get", path], "editor")
    if got.out.decode(errors="replace") != value:
        raise Wrong("lost", f"{path} is not what was acknowledged: {got.line()}")


def no_second_use(world, first):
    got = world.tool(["secret", "get", "prod/held"], "once")
    values = (first.out + got.out).count(VALUE.encode())
    if values > 1:
        raise Wrong("leaked", "one use gave two values")


def ended(world, first):
    got = world.tool(["secret", "get", "prod/held"], "ended")
    if first.code == 0 and got.out:
        raise Wrong("lost", "a token that was revoked gives a value")


def issued_token(world, first):
    string = STRING.search(first.out)
    if first.code == 0 and not string:
        raise Wrong("lost", f"issued, and no token: {first.line()}")
    if not string:
        return
    world.login("issued", string.group().decode())
    got = world.tool(["secret", "get", "prod/held"], "issued")
    if first.code == 0 and got.out != VALUE.encode():
        raise Wrong("lost", f"the token that was issued: {got.line()}")


def steps(world):
    return [
        Step("put", ["secret", "put", "prod/fresh"], "editor", FRESH, put_secret("prod/fresh", "active", 1),
             after=lambda world, first: first.code == 0 and gives(world, "prod/fresh", FRESH)),
        Step("get", ["secret", "get", "prod/held"], prints=VALUE),
        Step("rotate", ["secret", "rotate", "prod/turn"], "editor", TURNED, put_secret("prod/turn", "active", 2),
             after=lambda world, first: first.code == 0 and gives(world, "prod/turn", TURNED)),
        Step("delete", ["secret", "delete", "prod/gone"], "editor", change=put_secret("prod/gone", "deleted", 1)),
        Step("issue", ["token", "issue", "--scope", "secrets:read:prod/*", "--ttl", "1h"], change="issue", after=issued_token),
        Step("once", ["secret", "get", "prod/held"], "once", prints=VALUE, after=no_second_use),
        Step("revoke", ["token", "revoke", world.secret["ended"]], change="revoke", after=ended),
        Step("verify", ["audit", "verify"]),
        Step("key", ["key", "generate", "prod/key", "--kind", "ec-p256"], change="key"),
    ]


# -- what has to hold -----------------------------------------------------------------------------------------------
def is_done(world, step, after):
    """Whether AFTER is what STEP leads to; None where it is neither that nor what was before."""
    before = world.before
    if after == before:
        return step.change is None
    if step.change == "issue":
        more = set(after["tokens"]) - set(before["tokens"])
        return True if len(more) == 1 and after["secrets"] == before["secrets"] and after["keys"] == before["keys"] else None
    want = {key: (dict(value) if isinstance(value, dict) else list(value)) for key, value in before.items()}
    if step.change == "revoke":
        want["tokens"][world.secret["ended"]] = "revoked"
    elif step.change == "key":
        want["keys"] = [("prod/key", "private"), ("prod/key", "public")]
    elif step.change:
        step.change(want)
    return True if after == want else None


def nothing_said(world, step, got):
    """No secret is in what was said; one that was asked for is on standard output alone."""
    if step.prints:
        out = got.out.replace(step.prints.encode(), b"", 1)
    else:
        out = STRING.sub(b"", got.out) if step.name == "issue" else got.out
    said = out + got.err
    hidden = [VALUE, GONE, TURN, FRESH, TURNED, PASSPHRASE, world.pin]
    for text in hidden:
        if text.encode() in said:
            raise Wrong("leaked", f"it says a secret: {got.line()}")
    if STRING.search(said):
        raise Wrong("leaked", f"it says a token: {got.line()}")


def holds(world, step, got, killed=False, doctor=True):
    """Raises Wrong; else 'done', 'refused' or 'unanswered' (done, and the answer was lost)."""
    if got.hung:
        raise Wrong("hung", got.line())
    if got.code < 0 and not killed:
        raise Wrong("crashed", f"signal {-got.code}: {got.line()}")
    nothing_said(world, step, got)
    verified = world.tool(["audit", "verify"])
    if verified.code != 0:
        raise Wrong("broken", f"audit verify: {verified.line()}; after {got.line()}")
    looked = world.tool(["doctor"]) if doctor else None
    if doctor and looked.code != 0:
        raise Wrong("broken", f"doctor: {looked.line()}")
    after = world.state()
    done = is_done(world, step, after)
    if done is None:
        raise Wrong("half", f"neither done nor as before: {got.line()}: {after}")
    if got.code == 0 and step.change and not done:
        raise Wrong("lost", f"acknowledged, and not there: {got.line()}")
    printed = got.out.count(step.prints.encode()) if step.prints else 0
    if step.prints and got.code == 0 and got.out != step.prints.encode():
        raise Wrong("misread", f"said to be read: {got.line()}")
    if world.reads() < world.reads_before + printed:
        raise Wrong("leaked", "a value was printed and not recorded")
    if step.after:
        step.after(world, got)
    if got.code == 0:
        return "done"
    return "unanswered" if step.change and done else "refused"
