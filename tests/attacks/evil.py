"""evil.py SOCKET HOW: a server of the wire (docs/wire.md) that means harm. It greets well, answers as a server would until
it has told of a session and an object, and from then on HOW:

  random      bytes, in a frame
  lengths     answers that say longer, shorter and highest lengths, and each number of them the highest
  counts      a search that gives 2^32 and 2^64 handles, and more than there was room for
  kinds       messages of other kinds: HELLO, WELCOME, REFUSED, REQUEST, one that there is not
  frames      a frame of 4 GiB, one of 16 MiB that is continued for ever, an empty one that is continued
  handles     handles that nobody has, 0 and the highest, sessions that are somebody else's
  unasked     values of attributes that nobody asked for, and two where one was
  drip        a byte each tenth of a second, for ever
  silence     nothing
  greeting    the greeting itself is one of these, in turn

An answer's body is CKR_OK, a reason, an empty text and what HOW makes of the rest."""
import os
import random
import socket
import struct
import sys
import threading
import time

import pathlib
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "scenario"))
import wire

U64 = (1 << 64) - 1
NUMBER_OF = {number: name for name, number in wire.ROWS.items()}
OK = struct.pack(">QQH", 0, 0, 0)
turn = 0
lock = threading.Lock()


def handle(value):
    """A handle as a server tells of it: number, class, whether it is named, no id."""
    return wire.number(value) + wire.number(0) + b"\0" + wire.text("")


def good(name):
    """What a server would answer, to come far enough."""
    if name == "C_OpenSession":
        return OK + b"\1" + wire.number(77)
    if name == "C_FindObjects":
        return OK + b"\1" + wire.number(1) + handle(99)
    if name == "C_GetSlotList":
        return OK + b"\2" + wire.number(1) + wire.number(1)
    if name in ("C_FindObjectsInit", "C_FindObjectsFinal", "C_Login", "C_Logout"):
        return OK
    return None


def shapes(how):
    """What stands behind CKR_OK, one after the other."""
    big = (0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
    huge = (0, 1, 2, 1 << 31, 1 << 32, 1 << 63, U64 - 1, U64)
    if how == "random":
        return [OK + os.urandom(random.randrange(0, 400)) for _ in range(8)] + [os.urandom(random.randrange(1, 400))]
    if how == "lengths":
        return [OK + b"\2" + struct.pack(">I", n) + b"x" * 16 for n in big] + \
            [OK + b"\1" + wire.number(n) for n in huge] + [OK + b"\2" + wire.number(n) + b"x" * 64 for n in huge] + \
            [struct.pack(">QQH", 0, 0, 0xFFFF), struct.pack(">QQH", 0, U64, 3) + b"abc", b"", OK[:9]]
    if how == "counts":
        return [OK + b"\1" + wire.number(n) + handle(7) * 40 for n in huge] + [OK + b"\1" + wire.number(4000) + handle(7) * 4000]
    if how == "handles":
        return [OK + b"\1" + wire.number(1) + handle(n) for n in huge] + [OK + b"\1" + handle(n) for n in huge] + \
            [OK + b"\1" + wire.number(n) for n in huge]
    return [OK + b"\2" + struct.pack(">I", 16) + b"y" * 16 + b"\2" + struct.pack(">I", 16) + b"z" * 16,
            OK + b"\1" + wire.number(3) + b"".join(wire.number(0x11) + b"\2" + wire.given(b"y" * 32) for _ in range(3))]


class Peer:
    def __init__(self, connection, how):
        self.socket, self.how, self.number = connection, how, random.randrange(1 << 16)

    def take(self, length):
        out = b""
        while len(out) < length:
            part = self.socket.recv(length - len(out))
            if not part:
                raise ConnectionError
            out += part
        return out

    def message(self):
        kind, body, more = 0, b"", 1
        while more:
            length, kind, more, _ = struct.unpack(">IBBH", self.take(8))
            body += self.take(length)
        return kind, body

    def welcome(self, body):
        at = 16
        at += 33 if body[at] else 1
        slots = body[at + 16]
        return struct.pack(">I", 1) + os.urandom(32) + wire.text("v-of-a-villain") + struct.pack(">B", slots + 1) + \
            b"".join(wire.number(1 + n) for n in range(slots + 1))

    def harm(self, kind, how):
        self.number += 1
        if how == "silence":
            time.sleep(3600)
        elif how == "drip":
            for byte in wire.frames(kind, OK + b"\1" * 4000):
                self.socket.sendall(bytes([byte]))
                time.sleep(0.1)
        elif how == "kinds":
            self.socket.sendall(struct.pack(">IBBH", len(OK), (1, 2, 3, 4, 6, 255)[self.number % 6], 0, 0) + OK)
        elif how == "frames":
            which = self.number % 4
            if which == 0:
                self.socket.sendall(struct.pack(">IBBH", 0xFFFFFFFF, kind, 0, 0) + OK)
            elif which == 1:
                for _ in range(64):
                    self.socket.sendall(struct.pack(">IBBH", wire.MIB, kind, 1, 0) + bytes(wire.MIB))
            elif which == 2:
                self.socket.sendall(struct.pack(">IBBH", 0, kind, 1, 0) * 4096)
            else:
                self.socket.sendall(struct.pack(">IBBH", len(OK), kind, 0, 0xFFFF) + OK)
        else:
            every = shapes(how)
            self.socket.sendall(wire.frames(kind, every[self.number % len(every)]))

    def serve(self):
        global turn
        _, hello = self.message()
        if self.how == "greeting":
            with lock:
                turn += 1
                which = ("random", "lengths", "kinds", "frames", "handles", "unasked")[turn % 6]
            self.harm(wire.WELCOME, which)
            return
        self.socket.sendall(wire.frames(wire.WELCOME, self.welcome(hello)))
        while True:
            _, body = self.message()
            number = struct.unpack_from(">H", body)[0]
            answer = good(NUMBER_OF.get(number)) if random.randrange(3) else None
            if number in (wire.RESTORE_SESSION, wire.RESTORE_OBJECTS):
                answer = OK  # what was there before the last harm is there again
            if answer is not None:
                self.socket.sendall(wire.frames(wire.ANSWER, answer))
            else:
                self.harm(wire.ANSWER, self.how)

    def run(self):
        try:
            self.serve()
        except (OSError, IndexError, struct.error):
            pass
        self.socket.close()


path, how = sys.argv[1:3]
random.seed(int(os.environ.get("SR_SEED", "1")))
with socket.socket(socket.AF_UNIX) as listener:
    listener.bind(path)
    listener.listen(64)
    while True:
        threading.Thread(target=Peer(listener.accept()[0], how).run, daemon=True).start()
