"""The wire (docs/wire.md) from a client's side, for scenarios that say on it what no module would."""
import os
import re
import socket
import ssl
import struct

HELLO, WELCOME, REFUSED, REQUEST, ANSWER = range(1, 6)
MIB = 1 << 20
PATIENCE = 60  # seconds; nothing here is to take as long
PEEK, RESTORE_SESSION, RESTORE_OBJECTS = 0x103, 0x101, 0x102
CKF_RW, CKF_SERIAL = 2, 4
NO_OFFER = b"\0"


def rows():
    """Each call's number: its row in the table."""
    with open(os.path.join(os.environ["SR_SRC"], "src/pkcs11/calls.def"), encoding="utf-8") as table:
        return {name: number for number, name in enumerate(re.findall(r"^SR_CALL\((\w+)", table.read(), re.M))}


ROWS = rows()


def number(value):
    return struct.pack(">Q", value)


def text(value):
    return struct.pack(">H", len(value)) + value.encode()


def given(value):
    """The word BYTES, of a pointer that is not NULL."""
    return b"\1" + struct.pack(">I", len(value)) + value


def template(*attributes):
    """The word TEMPLATE: (type, bytes or int) each."""
    out = b"\1" + number(len(attributes))
    for kind, value in attributes:
        out += number(kind)
        out += b"\1" + struct.pack(">I", 1) + number(value) if isinstance(value, int) else b"\0" + given(value)
    return out


def offer(token):
    return b"\1" + number(1) + given(token.encode())


def frames(kind, body):
    out = b""
    for at in range(0, max(len(body), 1), MIB):
        part = body[at:at + MIB]
        out += struct.pack(">IBBH", len(part), kind, int(at + len(part) < len(body)), 0) + part
    return out


def request(name, session=None, arguments=b"", with_offer=NO_OFFER):
    """One call of a request."""
    call = struct.pack(">H", ROWS[name] if isinstance(name, str) else name)
    return call + (b"" if session is None else number(session) + with_offer) + arguments


class Closed(Exception):
    """The server has closed the connection."""


class Wire:
    """A connection to "unix:PATH" or "tls:HOST:PORT:CA", from the address SOURCE."""

    def __init__(self, where, source=None, raw=False):
        kind, rest = where.split(":", 1)
        try:
            if kind == "unix":
                self.socket = socket.socket(socket.AF_UNIX)
                self.socket.settimeout(PATIENCE)
                self.socket.connect(rest)
                return
            host, port, ca = rest.split(":")
            self.socket = socket.create_connection((host, int(port)), PATIENCE, (source, 0) if source else None)
            if not raw:
                self.socket = ssl.create_default_context(cafile=ca).wrap_socket(self.socket, server_hostname=host)
        except (ConnectionError, ssl.SSLError) as why:
            raise Closed from why

    def send(self, data):
        try:
            self.socket.sendall(data)
        except (ConnectionError, ssl.SSLError) as why:
            raise Closed from why

    def take(self, length):
        out = bytearray()
        while len(out) < length:
            try:
                part = self.socket.recv(min(length - len(out), MIB))
            except (ConnectionError, ssl.SSLError) as why:
                raise Closed from why
            if not part:
                raise Closed
            out += part
        return bytes(out)

    def message(self):
        kind, body, more = 0, b"", 1
        while more:
            length, kind, more, _ = struct.unpack(">IBBH", self.take(8))
            body += self.take(length)
        return kind, body

    def greet(self, slots=(), first=0):
        """A context of its own; SLOTS log themselves in. The slots' ids."""
        body = b"strongrm" + struct.pack(">II", 1, 1) + b"\0" + number(first) + number(first)
        body += struct.pack(">B", len(slots)) + b"".join(text(name) + b"\1" for name in slots)
        self.send(frames(HELLO, body))
        kind, told = self.message()
        assert kind == WELCOME, f"a message of kind {kind} answers the hello"
        at = 4 + 32
        at += 2 + struct.unpack_from(">H", told, at)[0]
        self.slots = struct.unpack_from(f">{told[at]}Q", told, at + 1)
        return self

    def ask(self, *calls):
        """The code of the last answer, and what stands behind its failure, where there is one call."""
        self.send(frames(REQUEST, b"".join(calls)))
        return self.answer()

    def answer(self):
        kind, body = self.message()
        assert kind == ANSWER, f"a message of kind {kind} answers a request"
        code, _, length = struct.unpack_from(">QQH", body)
        return code, body[18 + length:]

    def call(self, name, session=None, arguments=b"", with_offer=NO_OFFER):
        return self.ask(request(name, session, arguments, with_offer))

    def try_session(self):
        """C_OpenSession: its code, and the session."""
        code, rest = self.call("C_OpenSession", None, number(self.slots[-1]) + number(CKF_SERIAL | CKF_RW) + b"\1")
        return code, struct.unpack_from(">Q", rest, 1)[0] if code == 0 else 0

    def session(self):
        code, session = self.try_session()
        assert code == 0, f"C_OpenSession: {code:#x}"
        return session

    def log_in(self, session, pin):
        code, _ = self.call("C_Login", session, number(1) + given(pin.encode()))
        assert code == 0, f"C_Login: {code:#x}"

    def find(self, session, label):
        """The one object of that label."""
        code, _ = self.call("C_FindObjectsInit", session, template((0, 0), (3, label.encode())))
        assert code == 0, f"C_FindObjectsInit: {code:#x}"
        code, rest = self.call("C_FindObjects", session, b"\1\3" + number(2))
        assert code == 0 and rest[0] == 1 and struct.unpack_from(">Q", rest, 1) == (1,), f"{label} is not found: {code:#x}"
        assert self.call("C_FindObjectsFinal", session)[0] == 0
        return struct.unpack_from(">Q", rest, 9)[0]

    def asks_value(self, session, handle, times=1, with_offer=NO_OFFER):
        """A call for CKA_VALUE, so many times."""
        wanted = b"\1" + number(times) + times * (number(0x11) + b"\1\0" + number(65536))
        return request("C_GetAttributeValue", session, number(handle) + wanted, with_offer)

    def taken_value(self):
        """The code, and the bytes."""
        code, rest = self.answer()
        if code != 0:
            return code, b""
        assert rest[0] == 2, f"the value has form {rest[0]}"
        return 0, rest[5:5 + struct.unpack_from(">I", rest, 1)[0]]

    def value(self, session, handle, with_offer=NO_OFFER):
        self.send(frames(REQUEST, self.asks_value(session, handle, 1, with_offer)))
        return self.taken_value()

    def lives(self):
        """Whether a call on it is answered. A session that is not there is an answer."""
        try:
            return self.call("C_GetSessionInfo", 1, b"\1")[0] == 0xb3
        except Closed:
            return False

    def ends(self):
        """Whether the server closes it, saying nothing more."""
        try:
            return self.socket.recv(1) == b""
        except TimeoutError:
            return False
        except (ConnectionError, ssl.SSLError):
            return True

    def close(self):
        self.socket.close()


def is_refused(where, source=None):
    """Whether a connection is closed before it is greeted."""
    try:
        Wire(where, source).greet().close()
        return False
    except Closed:
        return True


def expect(what, got, wanted=True):
    if got != wanted:
        raise SystemExit(f"not ok - {what}: {got!r}, not {wanted!r}")
    print("ok -", what, flush=True)
