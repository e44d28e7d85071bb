"""swarm.py WHAT PID SERVER [TLS] ...: many connections at once, slow ones and rude ones; that others are served is asked at
each step by strongroom itself (STRONGROOM, STRONGROOM_CONF and STRONGROOM_PIN). The daemon is the process PID.

  crowd   1,000 that rest, 200 that read, those that are slow, 10,000 one after the other; then its memory is what it was.
          With `handshake = 2s`, `idle = 3s`.
  places  max-connections = 8, max-per-peer = 3
  calls   max-calls = 2, DATABASE
  bytes   the bound of messages that are not whole, or not taken; with `handshake = 60s`, so that no deadline does it"""
import os
import select
import socket
import sqlite3
import struct
import subprocess
import sys
import threading
import time

from wire import MIB, PATIENCE, REQUEST, Closed, Wire, expect, frames, given, is_refused, number, request, template

RESTING, READING, IN_A_ROW = 1000, 200, 10000
PATH, VALUE = "production/key", b"the value"
MESSAGE = 15 * MIB  # of a size that a call takes
HELD = 256 * MIB

pid = int(sys.argv[2])
servers = sys.argv[3:]
pin = os.environ["STRONGROOM_PIN"]
sanitized = os.environ.get("SR_SANITIZED") == "yes"  # the sanitizer keeps what is freed, and far more


def served(when):
    got = subprocess.run([os.environ["STRONGROOM"], "secret", "get", PATH], capture_output=True, timeout=PATIENCE, check=False)
    expect(f"a client is served: {when}", got.stdout or got.stderr, VALUE)


def memory():
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS:")) << 10


def descriptors():
    return len(os.listdir(f"/proc/{pid}/fd"))


def wait_for(what, holds):
    end = time.monotonic() + PATIENCE
    while not holds():
        if time.monotonic() > end:
            raise SystemExit(f"not ok - {what}: not within {PATIENCE} s")
        time.sleep(0.05)
    print("ok -", what, flush=True)


# -- the crowd -------------------------------------------------------------------------------------------------------
def read_on(wires):
    """Each of WIRES asks again when it has its answer; until standard input ends. How many answers there were."""
    count, poll = 0, select.poll()
    by_descriptor = {wire.socket.fileno(): wire for wire in wires}
    for wire in wires:
        poll.register(wire.socket, select.POLLIN)
        wire.send(wire.asks)
    poll.register(0, select.POLLIN | select.POLLHUP)
    while True:
        for descriptor, _ in poll.poll(PATIENCE * 1000):
            if descriptor == 0:
                return count
            wire = by_descriptor[descriptor]
            assert wire.taken_value() == (0, VALUE)
            count += 1
            wire.send(wire.asks)


def readers():
    """A process of its own, beside the one that looks at the others."""
    server, = servers
    wires = [Wire(server).greet() for _ in range(READING)]
    for wire in wires:
        session = wire.session()
        wire.log_in(session, pin)
        wire.asks = frames(REQUEST, wire.asks_value(session, wire.find(session, PATH)))
    print("reading", flush=True)
    print(read_on(wires), flush=True)


def start_readers(server):
    process = subprocess.Popen([sys.executable, __file__, "readers", str(pid), server], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, text=True)
    expect("200 begin to read", process.stdout.readline().strip(), "reading")
    return process


def end_readers(process):
    told, _ = process.communicate(timeout=PATIENCE)
    expect(f"all that they read was right: {told.strip()} values", process.returncode == 0 and int(told) > READING)


def resting(server):
    wire = Wire(server).greet()
    wire.rests = wire.session()  # with an open session it may rest long
    return wire


def drip(wire):
    """A byte at a time, of a request that is announced: until it is closed."""
    try:
        for byte in struct.pack(">IBBH", 4096, REQUEST, 0, 0) + bytes(4096):
            wire.send(bytes([byte]))
            time.sleep(0.2)
    except Closed:
        wire.ended = True


def sip(wire):
    """32 KiB a second of an answer, so that there is room for more every few seconds: until that is cut off."""
    try:
        while True:
            wire.take(1 << 13)
            time.sleep(0.25)
    except Closed:
        wire.ended = True


def in_background(work, wire):
    wire.ended = False
    threading.Thread(target=work, args=(wire,), daemon=True).start()
    return wire


def asking_much(server):
    """It has asked for an answer of 15 MiB, which it does not read: an object of its own, 240 times."""
    wire = Wire(server).greet()
    session = wire.session()
    made = template((0, 0), (1, b"\0"), (2, b"\0"), (0x11, bytes(65536)))
    code, rest = wire.call("C_CreateObject", session, made + b"\1")
    assert code == 0, f"C_CreateObject: {code:#x}"
    wire.send(frames(REQUEST, 2 * wire.asks_value(session, struct.unpack_from(">Q", rest, 1)[0], 120)))
    return wire


def hung_up(wire):
    """Without reading."""
    poll = select.poll()
    poll.register(wire.socket, 0)
    return any(event & (select.POLLHUP | select.POLLERR) for _, event in poll.poll(0))


def left_of(wire):
    count = 0
    try:
        while True:
            wire.take(1)
            count += 1 + len(wire.socket.recv(MIB))
    except Closed:
        return count


def slow_ones(server, tls):
    half = Wire(server).greet()
    half.send(struct.pack(">IBBH", 1000, REQUEST, 0, 0) + bytes(100))
    hello = Wire(server)
    hello.send(b"\0\0\0")
    handshake = Wire(tls, raw=True)
    handshake.send(b"\x16\x03\x01")
    return {
        "one that says nothing": Wire(server),
        "half a hello": hello,
        "one that says nothing over TLS": Wire(tls, raw=True),
        "half a TLS handshake": handshake,
        "one that is secured and does not greet": Wire(tls),
        "one that is greeted and asks nothing": Wire(server).greet(),
        "half a frame": half,
    }


def crowd():
    server, tls = servers
    # once for the workers that there will be, and for what the allocator keeps of what was free
    at_rest = [resting(server) for _ in range(RESTING)]
    asking_much(server).close()
    reading = start_readers(server)
    time.sleep(1)
    end_readers(reading)
    for wire in at_rest:
        wire.close()
    served("first")
    wait_for("all that went are forgotten", lambda: descriptors() < 60)
    time.sleep(2)  # its main thread looks twice a second
    before, open_before = memory(), descriptors()

    at_rest = [resting(server) for _ in range(RESTING)]
    served("beside 1,000 that rest")
    reading = start_readers(server)
    slow = slow_ones(server, tls)
    dripping = in_background(drip, Wire(server).greet())
    sipping = in_background(sip, asking_much(server))
    blind = asking_much(server)
    served("beside 200 that read, and slow ones")
    for what, wire in slow.items():
        expect(f"closed: {what}", wire.ends())
    served("when the slow ones are gone")
    end_readers(reading)
    for i in range(IN_A_ROW):
        Wire(server).close()
        if i % (IN_A_ROW // 4) == 0:
            served(f"after {i} in a row")
    served("after 10,000 in a row")
    wait_for("closed: a byte now and then", lambda: dripping.ended)
    wait_for("closed: one that never reads", lambda: hung_up(blind))
    expect("its answer was cut off", left_of(blind) < MESSAGE)
    wait_for("closed: one that reads too slowly", lambda: sipping.ended)
    served("after them")
    expect("those that rest in a session are there still", sum(wire.lives() for wire in at_rest), RESTING)
    for wire in at_rest:
        wire.close()
    wait_for(f"descriptors are {open_before} again", lambda: descriptors() <= open_before)
    # what a thousand contexts take is several times the margin
    if not sanitized:
        wait_for(f"memory is {before >> 10} KiB again, and a quarter and 4 MiB", lambda: memory() <= before * 5 // 4 + 4 * MIB)


# -- places ----------------------------------------------------------------------------------------------------------
def joins(wires, *where):
    """One more, if there is a place for it. Who only tried would have the place still when the next one comes."""
    try:
        wires.append(Wire(*where).greet())
    except Closed:
        return False
    return True


def places():
    server, tls = servers
    here = [Wire(tls, "127.0.0.2").greet() for _ in range(3)]
    expect("a fourth of an address is closed", is_refused(tls, "127.0.0.2"))
    there = [Wire(tls, "127.0.0.3").greet() for _ in range(3)]
    expect("another address has its three", all(wire.lives() for wire in there))
    here.pop().close()
    wait_for("a place that was left is given again", lambda: joins(here, tls, "127.0.0.2"))
    local = [Wire(server).greet() for _ in range(2)]
    expect("a ninth in all is closed", is_refused(server))
    expect("the eight are served", all(wire.lives() for wire in here + there + local))
    there.pop().close()
    wait_for("a place that was left is given again to anybody", lambda: joins(local, server))
    for wire in here + there + local:
        wire.close()


# -- calls -----------------------------------------------------------------------------------------------------------
def calls():
    """While somebody else writes to the database, a login has to wait for it."""
    server, database = servers
    wires = [Wire(server).greet() for _ in range(3)]
    sessions = [wire.session() for wire in wires]
    other = sqlite3.connect(database, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    for wire, session in zip(wires[:2], sessions):
        wire.send(frames(REQUEST, request("C_Login", session, struct.pack(">QBI", 1, 1, len(pin)) + pin.encode())))
    time.sleep(0.5)  # both have begun
    wires[2].send(frames(REQUEST, request("C_GetSessionInfo", sessions[2], b"\1")))
    waits = not select.select([wire.socket for wire in wires], [], [], 1)[0]
    other.execute("ROLLBACK")
    expect("with two calls in flight a third waits", waits)
    expect("and is made after them", [wire.answer()[0] for wire in wires], [0, 0, 0])


# -- bytes -----------------------------------------------------------------------------------------------------------
# made once: a call that refuses what it is given, and one of which the last byte does not come
LARGE = frames(REQUEST, request("C_SetOperationState", 1, given(bytes(MESSAGE)) + number(0) + number(0)))


def whole(server):
    """A large message that is answered; the connection, which rests."""
    wire = Wire(server).greet()
    try:
        wire.send(LARGE)
        code, _ = wire.answer()
    except Closed:
        wire.close()
        return None
    assert code == 0xb3, f"C_SetOperationState: {code:#x}"
    return wire


def unfinished(server):
    wire = Wire(server).greet()
    try:
        wire.send(memoryview(LARGE)[:-1])
    except Closed:
        pass
    return wire


def alive(wires):
    return sum(not hung_up(wire) for wire in wires)


def too_many(server, make, what):
    """More than the bound's worth: some are closed, and no more than had to be."""
    wires = [make(server) for _ in range(HELD // MESSAGE + 2)]
    wait_for(f"{what}: over 256 MiB are closed", lambda: alive(wires) <= HELD // MESSAGE)
    served(f"beside 256 MiB of {what}")
    expect(f"{what}: others stay", alive(wires) >= HELD // MESSAGE - 2)
    for wire in wires:
        wire.close()
    wait_for(f"{what}: then there is room again", lambda: whole(server) is not None)


def held():
    server, = servers
    at_rest, before = [whole(server)], memory()
    at_rest += [whole(server) for _ in range(HELD // MESSAGE + 2)]
    expect("large messages that were answered are not held", all(at_rest))
    if not sanitized:
        wait_for("nor what they were read into", lambda: memory() < before + 16 * MIB)
    too_many(server, unfinished, "messages that are not whole")
    too_many(server, asking_much, "answers that nobody takes")


{"crowd": crowd, "places": places, "calls": calls, "bytes": held, "readers": readers}[sys.argv[1]]()
