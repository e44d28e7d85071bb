"""faults.py [--every N] [--report FILE] [--verbose] [SWEEP ...]: each call that can fail is made to fail once, or the
process is killed there, and then it is looked whether all holds that was said before: docs/reliability.md.

  files     a call for a file of the vault: EIO, ENOSPC (once, and from then on), short writes
  power     the power goes at a call: what was not synced is lost, wholly or in part
  backend   a call of the HSM: codes, lost sessions, wrong lengths and bits
  clock     the clock jumps
  memory    an allocation
  peers     the connection between client and daemon ends after so many bytes

--every N takes each N-th point; 'short' is what continuous integration has time for. A sweep ends with a line of its own,
which goes to FILE too."""
import argparse
import collections
import os
import random
import shutil
import struct
import sys
import tempfile
import threading
import time

import peers as p
import world as w

SWEEPS = {}
place = None
options = None
report_lines = []
wrong_count = 0
lock = threading.Lock()


def sweep(function):
    SWEEPS[function.__name__] = function
    return function


class Tally:
    """What became of the runs of one sweep. MISREADS: of each of these steps, one call's wrong answer is a wrong value and
    nothing can know (docs/security-model.md, a malicious backend)."""

    def __init__(self, name, misreads=()):
        self.name, self.count, self.injected, self.misreads = name, collections.Counter(), 0, set(misreads)

    def add(self, label, outcome, injected=True):
        with lock:
            self.count["runs"] += 1
            self.injected += bool(injected)
            self.count[outcome] += 1
            if options.verbose:
                print("   ", label, outcome, flush=True)

    def wrong(self, label, why):
        global wrong_count
        step = label.split(",")[0]
        with lock:
            self.count["runs"] += 1
            self.injected += 1
            self.count[why.kind] += 1
            if why.kind == "misread" and step in self.misreads:
                self.misreads.remove(step)
                return
            wrong_count += 1
            print(f"not ok - {self.name}: {label}: {why.kind}: {why}", flush=True)

    def end(self):
        c = self.count
        line = (f"faults: {self.name}: {self.injected} faults injected, {c['runs']} runs, {c['crashed']} crashes, {c['hung']} hangs, "
                f"{c['lost']} lost, {c['half']} half done, {c['broken']} broken, {c['leaked']} leaked, {c['misread']} misread; "
                f"{c['done']} done all the same, {c['refused']} refused, {c['unanswered']} done with the answer lost")
        print(line, flush=True)
        report_lines.append(line)


def each(worlds, points, work):
    """WORK(world, point) for each point, as many at a time as there are worlds."""
    todo = collections.deque(points)
    failure = []

    def go(world):
        try:
            while todo and not failure:
                try:
                    point = todo.popleft()
                except IndexError:
                    return
                work(world, point)
        except BaseException as why:  # pylint: disable=broad-except
            failure.append(why)

    threads = [threading.Thread(target=go, args=(world,)) for world in worlds]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failure:
        raise failure[0]


def make_worlds(kind, backend=None):
    return [w.World(f"{place}/{kind}{i}", backend) for i in range(options.jobs)]


def thinned(tally, points, short):
    """All points; or each N-th, or SHORT of them, other ones for each sweep and the same at each time."""
    points = list(points)
    chance = random.Random(tally.name)
    if options.every == "short":
        return sorted(chance.sample(points, min(short, len(points))))
    return points[chance.randrange(int(options.every)) :: int(options.every)]


def counted(world, step, fault, **more):
    """Runs STEP with FAULT (of SR_FAULT): what it answered, how many calls there were, how many of them failed."""
    count = world.dir + "/count"
    with open(count, "wb") as file:
        file.write(bytes(8))
    got = world.tool(step.args, step.who, step.stdin, SR_FAULT=fault, SR_FAULT_BELOW=world.vault, SR_FAULT_COUNT=count, **more)
    with open(count, "rb") as file:
        return got, *struct.unpack("=II", file.read())


def judge(tally, world, step, label, got, killed=False, injected=True):
    try:
        tally.add(label, w.holds(world, step, got, killed), injected)
    except w.Wrong as why:
        tally.wrong(label, why)


def of(world, name):
    return next(step for step in w.steps(world) if step.name == name)


def how_many(world, fault, **more):
    """For each step how many calls of this kind it makes."""
    numbers = {}
    for step in w.steps(world):
        world.fresh()
        got, calls, _ = counted(world, step, fault, **more)
        if got.code != 0:
            raise SystemExit(f"faults: {step.name} fails without a fault: {got.line()}")
        numbers[step.name] = calls
    return numbers


# -- files ----------------------------------------------------------------------------------------------------------
@sweep
def files():
    worlds = make_worlds("files")
    modes = [("write", "eio", ""), ("write", "enospc", ""), ("write", "enospc", ":on"), ("write", "short", ""), ("sync", "eio", ""),
             ("sync", "enospc", ""), ("open", "eio", ""), ("open", "enospc", ""), ("name", "eio", ""), ("size", "enospc", ""),
             ("size", "eio", ""), ("read", "eio", ""), ("change", "eio", ":on")]
    numbers = {}
    for kind, how, on in modes:
        if kind not in numbers:
            numbers[kind] = how_many(worlds[0], f"{kind}:eio:0")
            if sum(numbers[kind].values()) == 0:
                raise SystemExit(f"faults: no {kind} was seen: the library does not get the calls")
        tally = Tally(f"files {kind} {how.upper()}{' from then on' if on else ''}")
        points = [(name, n) for name, most in numbers[kind].items() for n in range(1, most + 1)]

        def work(world, point):
            world.fresh()
            step = of(world, point[0])
            got, _, hits = counted(world, step, f"{kind}:{how}:{point[1]}{on}")
            judge(tally, world, step, f"{point[0]}, call {point[1]}", got, injected=hits > 0)

        each(worlds, thinned(tally, points, 4), work)
        tally.end()


# -- power ----------------------------------------------------------------------------------------------------------
PAGE = 4096


def shadow_begin(world, shadow):
    """All that is there when the command begins is on the disk."""
    shutil.rmtree(shadow, ignore_errors=True)
    os.mkdir(shadow)
    names = []
    for entry in os.scandir(world.vault):
        names.append(f"{entry.inode()} {entry.name}")
        if entry.is_file():
            shutil.copyfile(entry.path, f"{shadow}/i-{entry.inode()}")
    with open(f"{shadow}/d-{os.stat(world.vault).st_ino}", "w", encoding="utf-8") as file:
        file.write("\n".join(names) + "\n")


def mixed(durable, now, chance):
    """DURABLE, with each page of NOW that came through."""
    length = len(now) if chance.random() < 0.5 else len(durable)
    out = bytearray(durable[:length].ljust(length, b"\0"))
    for at in range(0, length, PAGE):
        if chance.random() < 0.5 and at < len(now):
            piece = now[at:at + PAGE]
            out[at:at + len(piece)] = piece
    return bytes(out[:length])


def cut_off(world, shadow, way, seed):
    """The vault as the disk has it: WAY is none (of what was not synced), some, or all. The HSM's files are the HSM's."""
    if way == "all":
        return
    chance = random.Random(seed)
    with open(f"{shadow}/d-{os.stat(world.vault).st_ino}", encoding="utf-8") as file:
        durable = dict(reversed(line.rstrip("\n").split(" ", 1)) for line in file)
    now = {entry.name: entry for entry in os.scandir(world.vault) if entry.is_file()}
    contents = {entry.inode(): open(entry.path, "rb").read() for entry in now.values()}  # pylint: disable=consider-using-with
    there = {}
    for name in set(durable) | set(now):
        inode = int(durable.get(name, 0))
        if way == "some" and chance.random() < 0.5:
            inode = now[name].inode() if name in now else 0
        if inode == 0 or name in (".", "..", "hsm") or name.endswith("-shm"):
            continue
        kept = b""
        if os.path.exists(f"{shadow}/i-{inode}"):
            with open(f"{shadow}/i-{inode}", "rb") as file:
                kept = file.read()
        there[name] = mixed(kept, contents[inode], chance) if way == "some" and inode in contents else kept
    for entry in now.values():
        os.unlink(entry.path)
    for name, content in there.items():
        with open(os.open(f"{world.vault}/{name}", os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
            file.write(content)


@sweep
def power():
    worlds = make_worlds("power")
    apart = {world.dir: {"SR_FAULT_APART": world.vault + "/hsm", "SR_FAULT_SHADOW": world.dir + "/shadow"} for world in worlds}
    numbers = {}
    for step in w.steps(worlds[0]):
        worlds[0].fresh()
        shadow_begin(worlds[0], worlds[0].dir + "/shadow")
        numbers[step.name] = counted(worlds[0], step, "change:eio:0", **apart[worlds[0].dir])[1]
    for way, seeds, short in (("none", 1, 14), ("some", 3, 14), ("all", 1, 4)):
        tally = Tally(f"power, {way} of what was not synced is kept")
        # One more than there are calls: the command comes to its end, and then the power goes.
        points = [(name, n, seed) for name, most in numbers.items() for n in range(1, most + 2) for seed in range(seeds)]

        def work(world, point):
            name, n, seed = point
            world.fresh()
            shadow_begin(world, world.dir + "/shadow")
            step = of(world, name)
            got, _, hits = counted(world, step, f"change:cut:{n}", **apart[world.dir])
            cut_off(world, world.dir + "/shadow", way, f"{name} {n} {seed}")
            judge(tally, world, step, f"{name}, call {n}, {seed}", got, killed=hits > 0)

        each(worlds, thinned(tally, points, short), work)
        tally.end()


# -- the HSM --------------------------------------------------------------------------------------------------------
CODES = {"DEVICE_ERROR": 0x30, "DEVICE_MEMORY": 0x31, "DEVICE_REMOVED": 0x32, "SESSION_HANDLE_INVALID": 0xB3,
         "OBJECT_HANDLE_INVALID": 0x82, "KEY_HANDLE_INVALID": 0x60, "USER_NOT_LOGGED_IN": 0x101, "HOST_MEMORY": 0x2,
         "GENERAL_ERROR": 0x5, "BUFFER_TOO_SMALL": 0x150, "TOKEN_NOT_PRESENT": 0xE0, "0x7FFF1234": 0x7FFF1234}


def through(world, step, how):
    count = world.dir + "/calls"
    if os.path.exists(count):
        os.unlink(count)
    got = world.tool(step.args, step.who, step.stdin, SR_BACKEND_FAULT=how, SR_BACKEND_COUNT=count)
    if not os.path.exists(count):
        return got, b""
    with open(count, "rb") as file:
        return got, file.read()


@sweep
def backend():
    module = place + "/libsofthsm2-faulty.so"  # by its name it is told that this is a SoftHSM2
    shutil.copyfile(os.environ["SR_TEST_FAULTY_BACKEND"], module)
    worlds = make_worlds("backend", module)
    modes = ([(f"rv-{code:x}", f"CKR_{name}", "") for name, code in CODES.items()]
             + [("rv-30", "CKR_DEVICE_ERROR from then on", ":on"), ("rv-32", "CKR_DEVICE_REMOVED from then on", ":on"),
                ("late-30", "done, and CKR_DEVICE_ERROR", ""), ("sessions", "sessions closed", ""), ("hang", "3 s late", "")]
             + [("forget", "nothing found", ""), ("forget", "nothing found from then on", ":on")]
             + [(how, f"output {how}", "") for how in ("none", "short", "long", "flip")])
    numbers = {}
    for how, said, on in (mode for mode in modes if options.how in (None, mode[0])):
        about = "search" if how == "forget" else "output" if how in ("none", "short", "long", "flip") else "all"
        if about not in numbers:
            numbers[about] = {}
            for step in w.steps(worlds[0]):
                worlds[0].fresh()
                got, calls = through(worlds[0], step, f"{how}:0")
                if got.code != 0:
                    raise SystemExit(f"faults: {step.name} fails without a fault: {got.line()}")
                numbers[about][step.name] = len(calls)
        tally = Tally(f"backend {said}", [step.name for step in w.steps(worlds[0]) if step.prints] if how == "flip" else ())
        points = [(name, n) for name, most in numbers[about].items() for n in range(1, most + 1)]

        def work(world, point):
            world.fresh()
            step = of(world, point[0])
            got, calls = through(world, step, f"{how}:{point[1]}{on}")
            judge(tally, world, step, f"{point[0]}, call {point[1]}", got, injected=1 in calls)

        each(worlds, thinned(tally, points, 2 if how != "hang" else 1), work)
        tally.end()


# -- memory ---------------------------------------------------------------------------------------------------------
@sweep
def memory():
    worlds = make_worlds("memory")
    points, seen = [], set()
    for step in w.steps(worlds[0]):
        worlds[0].fresh()
        path = worlds[0].dir + "/places"
        counted(worlds[0], step, "memory:list:0", SR_FAULT_LIST=path)
        with open(path, "rb") as file:
            data = file.read()
        for n, (number,) in enumerate(struct.iter_unpack("=Q", data), 1):
            if number and number not in seen:
                seen.add(number)
                points.append((step.name, n))
    print(f"memory: {len(points)} places that ask for some", flush=True)
    tally = Tally("memory")

    def work(world, point):
        world.fresh()
        step = of(world, point[0])
        got, _, hits = counted(world, step, f"memory:eio:{point[1]}")
        judge(tally, world, step, f"{point[0]}, allocation {point[1]}", got, injected=hits > 0)

    each(worlds, thinned(tally, points, 40), work)
    tally.end()


# -- the clock ------------------------------------------------------------------------------------------------------
DAY = 86400


@sweep
def clock():
    """The wall clock jumps between the readings of one command. A token that has ended stays so, one that is issued meanwhile
    lives no longer, and what was recorded verifies."""
    worlds = make_worlds("clock")
    for world in worlds:
        world.fresh()
        out = world.must(["token", "issue", "--scope", "secrets:read:prod/*", "--ttl", "1s"])
        world.login("brief", w.STRING.search(out).group().decode())
        world.renew()
    since_1970 = int(time.time())
    jumps = {"to 1970": -since_1970, "back a day": -DAY, "back 5 s": -5, "on 5 s": 5, "on a day": DAY,
             "on 13 years, past 2038": 13 * 365 * DAY, "past 2106": 81 * 365 * DAY}
    time.sleep(1.5)
    for said, jump in jumps.items():
        more = {"SR_FAULT_JUMP": str(jump)}
        numbers = how_many(worlds[0], "clock:jump:0", **more)
        brief = w.Step("brief", ["secret", "get", "prod/held"], "brief")
        numbers["brief"] = max(numbers.values())
        tally = Tally(f"clock {said}")
        points = [(name, n, on) for name, most in numbers.items() for n in range(1, most + 1) for on in ("", ":on")]

        def work(world, point):
            name, n, on = point
            world.fresh()
            step = brief if name == "brief" else of(world, name)
            if name == "issue":
                step.args = ["token", "issue", "--scope", "secrets:read:prod/*", "--ttl", "1s"]
                step.after = None
            got, _, hits = counted(world, step, f"clock:jump:{n}{on}", **more)
            label = f"{name}, reading {n}{on}"
            try:
                if name == "issue" and got.code == 0:
                    ends_in_a_second(world, got, more)
                if name == "brief" and got.out:
                    raise w.Wrong("leaked", f"a token lives longer: {got.line()}")
                tally.add(label, w.holds(world, step, got, doctor=False), hits > 0)
            except w.Wrong as why:
                tally.wrong(label, why)

        each(worlds, thinned(tally, points, 3), work)
        tally.end()


def ends_in_a_second(world, got, more):
    world.login("issued", w.STRING.search(got.out).group().decode())
    time.sleep(1.2)
    step = w.Step("issued", ["secret", "get", "prod/held"], "issued")
    for fault in ("clock:jump:0", "clock:jump:1:on"):
        again = counted(world, step, fault, **more)[0]
        if again.out:
            raise w.Wrong("leaked", f"a token that was issued meanwhile lives longer ({fault})")


# -- peers ----------------------------------------------------------------------------------------------------------
STRIDE = 7  # bytes; each place in a message of fields of 4 and 8 bytes is met


@sweep
def peers():
    """Each point is a command with a token of one use, or that puts, whose connection ends after so many bytes."""
    for over, tls in (("unix", False), ("TLS", True)):
        worlds = make_worlds(f"peers-{over}")
        served = {world.dir: p.Served(world, tls) for world in worlds}
        printed = collections.Counter()
        try:
            for reset in (False, True):
                tally = Tally(f"peers, {'RST' if reset else 'FIN'} over {over}")
                points = [(name, way, n) for name in ("once", "put") for way in (p.TO, p.FROM)
                          for n in range(0, session_bytes(served[worlds[0].dir], name)[way], STRIDE)]

                def work(world, point):
                    label = f"{point[0]}, {point[2]} bytes {('to', 'from')[point[1]]} the daemon"
                    try:
                        outcome, values = cut_after(served[world.dir], *point, reset)
                        printed[world.dir] += values
                        tally.add(label, outcome, served[world.dir].relay.cut)
                    except w.Wrong as why:
                        tally.wrong(label, why)

                each(worlds, thinned(tally, points, 4), work)
                tally.end()
        finally:
            codes = {world.dir: served[world.dir].stop() for world in worlds}
        tally = Tally(f"peers over {over}, the vault afterwards")
        for world in worlds:
            try:
                if codes[world.dir] != 0:
                    raise w.Wrong("crashed", f"strongroomd ended with {codes[world.dir]}")
                for args in (["audit", "verify"], ["doctor"]):
                    got = world.tool(args)
                    if got.code != 0:
                        raise w.Wrong("broken", f"{args}: {got.line()}")
                if world.reads() < world.reads_before + printed[world.dir]:
                    raise w.Wrong("leaked", "a value was printed and not recorded")
                tally.add(world.dir, "done", False)
            except w.Wrong as why:
                tally.wrong(world.dir, why)
        tally.end()


def command(served, name):
    """The command of a point, by whom, and its input."""
    if name == "put":
        served.number = getattr(served, "number", 0) + 1
        return ["secret", "put", f"prod/put/{served.number}"], "editor", w.FRESH
    out = served.ask(served.direct, ["token", "issue", "--scope", "secrets:read:prod/*", "--ttl", "1h", "--max-uses", "1"])
    if out.code != 0:
        raise w.Wrong("broken", f"others are not served: {out.line()}")
    served.world.login("one-use", w.STRING.search(out.out).group().decode())
    return ["secret", "get", "prod/held"], "one-use", ""


def session_bytes(served, name):
    asked = command(served, name)
    served.relay.begin()
    got = served.ask(served.relayed, *asked)
    if got.code != 0:
        raise SystemExit(f"faults: {name} through the relay: {got.line()}")
    return served.relay.counted


def cut_after(served, name, way, n, reset):
    """What became of it, and how many values were printed."""
    asked = command(served, name)
    served.relay.begin(way, n, reset)
    got = served.ask(served.relayed, *asked)
    if got.hung:
        raise w.Wrong("hung", got.line())
    if got.code < 0 or served.daemon.poll() is not None:
        raise w.Wrong("crashed", f"{got.line()}; {served.said().decode(errors='replace')[-300:]}")
    path = asked[0][2]
    again = served.ask(served.direct, ["secret", "get", path], "editor" if name == "put" else asked[1])
    if name == "put":
        there = again.out == w.FRESH.encode()
        if got.code == 0 and not there:
            raise w.Wrong("lost", f"acknowledged, and not there: {again.line()}")
        return ("done" if got.code == 0 else "unanswered" if there else "refused"), there
    value = w.VALUE.encode()
    values = got.out.count(value) + again.out.count(value)
    if values > 1:
        raise w.Wrong("leaked", "one use gave two values")
    if again.code not in (0, 3):
        raise w.Wrong("broken", f"the next one is not served: {again.line()}")
    return ("done" if got.code == 0 else "refused" if again.out else "unanswered"), values


def main():
    global place, options
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--every", default="1")
    parser.add_argument("--report")
    parser.add_argument("--how", help="of the sweep 'backend', this alone: flip, hang, rv-30, ...")
    parser.add_argument("--verbose", action="store_true")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("sweeps", nargs="*", metavar="SWEEP")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="strongroom.faults.") as place:
        for name in options.sweeps or SWEEPS:
            SWEEPS[name]()
    if options.report:
        with open(options.report, "w" if not options.sweeps else "a", encoding="utf-8") as file:
            file.writelines(line + "\n" for line in report_lines)
    if wrong_count:
        sys.exit(f"not ok - {wrong_count} of what must hold does not")


main()
