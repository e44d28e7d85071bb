"""What a module says to strongroomd, recorded and said again wrongly.
  recorded.py record SOCKET SERVER DIR     a relay: what comes to SOCKET goes to SERVER; each message is kept as
                                           DIR/to-CONNECTION-NUMBER (the client's) and DIR/from-CONNECTION-NUMBER
  recorded.py seeds DIR INTO               the messages as seeds for fuzz_wire_server and fuzz_wire_client
  recorded.py cut SERVER DIR               each of the client's messages, cut at every byte
  recorded.py change SERVER DIR            each byte, and each 2, 4 and 8 of them, set to 0, 1 and the highest number
The last two print how many connections they made. A server that answers nothing and keeps the connection fails them."""
import glob
import hashlib
import os
import re
import socket
import struct
import sys
import threading

HEADER = 8
WAIT_S = 20


def read_exactly(source, length):
    data = b""
    while len(data) < length:
        more = source.recv(length - len(data))
        if not more:
            return None
        data += more
    return data


def read_frame(source):
    header = read_exactly(source, HEADER)
    body = header and read_exactly(source, struct.unpack("!I", header[:4])[0])
    return None if body is None else header + body


# -- recording ------------------------------------------------------------------------------------------------------
def pump(source, sink, into, number):
    kept = 0
    while frame := read_frame(source):
        with open(f"{into}-{number:03}-{kept:03}", "wb") as file:
            file.write(frame)
        kept += 1
        sink.sendall(frame)
    sink.close()


def record(path, server, into):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        for number in range(1000):
            client, _ = listener.accept()
            upstream = socket.socket(socket.AF_UNIX)
            upstream.connect(server)
            for pair in ((client, upstream, f"{into}/to"), (upstream, client, f"{into}/from")):
                threading.Thread(target=pump, args=(*pair, number), daemon=True).start()


def messages(recorded, way):
    """By connection, in their order."""
    found = {}
    for path in sorted(glob.glob(f"{recorded}/{way}-*")):
        with open(path, "rb") as file:
            found.setdefault(re.search(r"-(\d+)-", os.path.basename(path))[1], []).append(file.read())
    return found


def call_of(message):
    return struct.unpack("!H", message[HEADER:HEADER + 2])[0]


def seeds(recorded, into):
    def write(target, seed):
        name = hashlib.sha256(seed).hexdigest()[:16]
        with open(f"{into}/{target}/recorded-{name}", "wb") as file:
            file.write(seed)
    for connection, said in messages(recorded, "to").items():
        answers = messages(recorded, "from")[connection]
        for message in said[1:]:
            write("fuzz_wire_server", b"\0" + message[HEADER:])
        for message in {call_of(message): message for message in said[1:]}.values():
            write("fuzz_wire_client", bytes([call_of(message) & 0xff, 0]) + b"".join(answers))


# -- saying it wrongly ----------------------------------------------------------------------------------------------
def distinct(recorded):
    """What is said before a message, and the message: one of each sequence of calls."""
    seen = set()
    for said in messages(recorded, "to").values():
        for at, message in enumerate(said):
            kind = (at == 0, len(message), message[HEADER:HEADER + 10])
            if kind not in seen:
                seen.add(kind)
                yield said[:at], message


def say(server, before, wrong):
    with socket.socket(socket.AF_UNIX) as end:
        end.settimeout(WAIT_S)
        end.connect(server)
        try:
            for message in before:
                end.sendall(message)
                if read_frame(end) is None:
                    return
            end.sendall(wrong)
            end.shutdown(socket.SHUT_WR)
            while end.recv(65536):
                pass
        except (BrokenPipeError, ConnectionResetError):
            pass


def cut(server, recorded):
    return sum(1 for before, message in distinct(recorded) for at in range(len(message))
               if say(server, before[:1], message[:at]) is None)


def changes(message):
    for at in range(len(message)):
        for width in (1, 2, 4, 8):
            for value in (0, 1, 256 ** width - 1):
                changed = message[:at] + value.to_bytes(width, "big") + message[at + width:]
                if at + width <= len(message) and changed != message:
                    yield changed


def change(server, recorded):
    """In a context of its own with nobody logged in; and the whole of what came before, for the lengths of frames."""
    made = 0
    for before, message in distinct(recorded):
        for changed in set(changes(message)):
            say(server, before[:1], changed)
            made += 1
        for length in (0, 1, len(message) - HEADER - 1, len(message) - HEADER + 1, 2**20, 2**20 + 1, 2**32 - 1):
            say(server, before, struct.pack("!I", length) + message[4:])
            made += 1
    return made


if sys.argv[1] == "record":
    record(*sys.argv[2:5])
elif sys.argv[1] == "seeds":
    seeds(*sys.argv[2:4])
else:
    print({"cut": cut, "change": change}[sys.argv[1]](*sys.argv[2:4]))
