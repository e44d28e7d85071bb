"""shares.py SERVER PIN TOKEN PATH: what one peer's client contexts may hold together, and that without a login a context
has few handles brought back. PIN logs in; TOKEN is for a slot that logs itself in; both may read PATH."""
import struct
import sys

from wire import RESTORE_OBJECTS, RESTORE_SESSION, Wire, expect, number, offer, request, template, text

OK, DEVICE_MEMORY, HANDLE_INVALID, SESSION_COUNT, NOT_LOGGED_IN = 0, 0x31, 0x82, 0xb1, 0x101
CONTEXT_SESSIONS, SESSIONS = 1024, 4096
PUBLIC_HANDLES, HANDLES, PEER_HANDLES = 1024, 65536, 131072
CONTEXT_MIB, MIBS = 1, 64
OPERATIONS, NESTS = 512, 1024
FIRST = 1 << 40  # handles below this may be brought back
CKO_DATA, CKO_PUBLIC_KEY, CKK_EC, CKM_ECDSA = 0, 2, 3, 0x1041
CKA_CLASS, CKA_TOKEN, CKA_PRIVATE, CKA_VALUE, CKA_KEY_TYPE, CKA_VERIFY = 0, 1, 2, 0x11, 0x100, 0x10a
CKA_EC_PARAMS, CKA_EC_POINT = 0x180, 0x181
P256 = bytes.fromhex("06082a8648ce3d030107")
POINT = bytes.fromhex("0441046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
                      "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5")

server, pin, token, path = sys.argv[1:]


def context(**options):
    return Wire(server).greet(**options)


def until_refused(one, most):
    """How often ONE is OK, and the code that ends it."""
    for count in range(most + 1):
        code = one()
        if code != OK:
            return count, code
    return most + 1, OK


def close_all(wires):
    for wire in wires:
        wire.close()


# -- sessions --------------------------------------------------------------------------------------------------------
def sessions_of_a_peer():
    wires = [context() for _ in range(SESSIONS // CONTEXT_SESSIONS)]
    for wire in wires:
        expect("a context has its sessions", until_refused(lambda: wire.try_session()[0], CONTEXT_SESSIONS - 1)[0],
               CONTEXT_SESSIONS)
    last = wires[0].try_session()[0]
    expect("and no more", last, SESSION_COUNT)
    other = context()
    expect("another context of a peer that has 4,096", other.try_session()[0], SESSION_COUNT)
    slot, flags = number(other.slots[-1]), number(4)
    code = context(first=9).call(RESTORE_SESSION, 5, slot + flags + b"\0")[0]
    expect("nor is one brought back", code, SESSION_COUNT)
    wires.pop().close()
    sync(other)
    expect("a context that ends gives its sessions back",
           until_refused(lambda: other.try_session()[0], CONTEXT_SESSIONS - 1), (CONTEXT_SESSIONS, OK))
    close_all(wires + [other])


# -- handles that are brought back -----------------------------------------------------------------------------------
def restore(wire, session, first, ids, with_offer=b"\0"):
    """Handles from FIRST on stand for IDS."""
    for at in range(0, len(ids), 4096):
        part = ids[at:at + 4096]
        body = struct.pack(">I", len(part))
        body += b"".join(number(first + at + i) + number(CKO_DATA) + b"\1" + text(id) for i, id in enumerate(part))
        code, _ = wire.call(RESTORE_OBJECTS, session, body, with_offer)
        assert code == OK, f"RESTORE_OBJECTS: {code:#x}"


def invented(count):
    return [f"production/{i}" for i in range(count)]


def there(wire, session, handles):
    """Those that stand for something: without a login each says so once."""
    return sum(wire.value(session, handle)[0] == NOT_LOGGED_IN for handle in handles)


def handles_without_a_login():
    wire = context(first=FIRST)
    session = wire.session()
    restore(wire, session, 1 << 30, invented(3000))
    expect("without a login 1,024 handles are brought back", there(wire, session, range(1 << 30, (1 << 30) + 3000)),
           PUBLIC_HANDLES)
    restore(wire, session, 1 << 31, invented(10))
    expect("and others in the place of those that are gone", there(wire, session, range(1 << 31, (1 << 31) + 10)), 10)
    wire.close()


def handles_with_a_login():
    wire = context(first=FIRST)
    session = wire.session()
    wire.log_in(session, pin)
    restore(wire, session, 1 << 30, invented(HANDLES - 1) + [path])
    expect("with a login the 65,536th is brought back", wire.value(session, (1 << 30) + HANDLES - 1), (OK, b"the value"))
    assert wire.call("C_Logout", session)[0] == OK
    wire.log_in(session, pin)
    restore(wire, session, 1 << 31, invented(HANDLES) + [path])
    expect("and no more", wire.value(session, (1 << 31) + HANDLES)[0], HANDLE_INVALID)
    assert wire.call("C_Logout", session)[0] == OK
    wire.log_in(session, pin)
    restore(wire, session, 1 << 32, [path])
    expect("a logout takes them all", wire.value(session, 1 << 32), (OK, b"the value"))
    wire.close()


def handles_of_a_slot_that_logs_itself_in():
    def back(with_offer):
        wire = context(first=FIRST, slots=["agent"])
        session = 77
        code, _ = wire.call(RESTORE_SESSION, session, number(wire.slots[0]) + number(4) + b"\1", with_offer)
        assert code == OK, f"RESTORE_SESSION: {code:#x}"
        restore(wire, session, 1 << 30, invented(2000) + [path], with_offer)
        code = wire.value(session, (1 << 30) + 2000, with_offer)
        wire.close()
        return code
    expect("a slot that logs itself in has the 2,001st", back(offer(token)), (OK, b"the value"))
    expect("but not with a token that is none", back(offer("srt_" + "x" * 40))[0], HANDLE_INVALID)


def handles_of_a_peer():
    wires = [context(first=FIRST) for _ in range(PEER_HANDLES // HANDLES + 1)]
    sessions = [wire.session() for wire in wires]
    for wire, session in zip(wires, sessions):
        wire.log_in(session, pin)
    for wire, session in zip(wires[1:], sessions[1:]):
        restore(wire, session, 1 << 30, invented(HANDLES))
    restore(wires[0], sessions[0], 1 << 30, [path])
    expect("no handle is brought back where the peer has 131,072", wires[0].value(sessions[0], 1 << 30)[0], HANDLE_INVALID)
    wires.pop().close()
    sync(wires[0])
    restore(wires[0], sessions[0], 1 << 30, [path])
    expect("a context that ends gives its handles back", wires[0].value(sessions[0], 1 << 30), (OK, b"the value"))
    close_all(wires)


# -- what sessions hold ----------------------------------------------------------------------------------------------
def public(*attributes):
    return template((CKA_TOKEN, b"\0"), (CKA_PRIVATE, b"\0"), *attributes)


def make(wire, session, attributes):
    code, rest = wire.call("C_CreateObject", session, attributes + b"\1")
    return code, struct.unpack_from(">Q", rest, 1)[0] if code == OK else 0


def sync(wire):
    """Until a context that has just been closed is gone: its worker may be at it still."""
    for _ in range(200):
        wire.lives()


def session_objects_of_a_peer():
    half = public((CKA_CLASS, CKO_DATA), (CKA_VALUE, bytes(60 << 10)))
    wires, held, code = [], 0, OK
    while code == OK and len(wires) <= 2 * MIBS:
        wires.append(context())
        session = wires[-1].session()
        count, _ = until_refused(lambda: make(wires[-1], session, half)[0], 20)
        code = OK if count == (CONTEXT_MIB << 20) // (60 << 10) else DEVICE_MEMORY
        held += count * (60 << 10)
    expect("a peer's session objects have 64 MiB", (MIBS - 1) << 20 < held <= MIBS << 20)
    session = wires[-1].session()
    expect("and no more", make(wires[-1], session, half)[0], DEVICE_MEMORY)
    wires.pop(0).close()
    sync(wires[-1])
    expect("a context that ends gives its bytes back", make(wires[-1], session, half)[0], OK)
    close_all(wires)


KEY = public((CKA_CLASS, CKO_PUBLIC_KEY), (CKA_KEY_TYPE, CKK_EC), (CKA_EC_PARAMS, P256), (CKA_EC_POINT, POINT),
             (CKA_VERIFY, b"\1"))
ECDSA = b"\1" + number(CKM_ECDSA) + b"\0" + b"\0" + number(0)


def operations_of_a_peer():
    wires = [context(), context()]
    keys = []
    for wire in wires:
        code, key = make(wire, wire.session(), KEY)
        assert code == OK, f"C_CreateObject of a key: {code:#x}"
        keys.append(key)

    def begin(i):
        session = wires[i].session()
        return wires[i].call("C_VerifyInit", session, ECDSA + number(keys[i]))[0]
    expect("a peer without a login begins 512 operations", until_refused(lambda: begin(0), OPERATIONS),
           (OPERATIONS, DEVICE_MEMORY))
    expect("in another context none", begin(1), DEVICE_MEMORY)
    wires[0].close()
    sync(wires[1])
    expect("a context that ends gives them back", begin(1), OK)
    wires[1].close()


def nests_of_a_peer():
    wires, made, code = [], 0, OK
    while code == OK and made <= NESTS:
        wires.append(context())
        count, code = until_refused(lambda: make(wires[-1], wires[-1].session(), KEY)[0], 199)
        made += min(count, 200)
    expect("a peer has keys in 1,024 sessions", (made, code), (NESTS, DEVICE_MEMORY))
    wires.pop(0).close()
    sync(wires[-1])
    expect("a context that ends gives them back", make(wires[-1], wires[-1].session(), KEY)[0], OK)
    close_all(wires)


sessions_of_a_peer()
handles_without_a_login()
handles_with_a_login()
handles_of_a_slot_that_logs_itself_in()
handles_of_a_peer()
session_objects_of_a_peer()
operations_of_a_peer()
nests_of_a_peer()
