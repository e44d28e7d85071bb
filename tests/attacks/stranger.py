"""Who may join a client context (docs/wire.md) with its secret of 256 bits, which the test's own client tells.

  stranger.py make WHERE [CERT]            makes one, says its secret, and keeps it until its input ends
  stranger.py join WHERE SECRET [CERT]     says "joined" or "refused: WHY"; CERT: "NAME.pem:NAME.key" of a client
  stranger.py greeted WHERE                says "greeted", or "closed" where it is not even answered
  stranger.py guess WHERE COUNT            so many secrets of its own; ends with 1 where one is taken

WHERE is unix:PATH or tls:HOST:PORT:CA, with @SOURCE behind it where it is to come from another address."""
import os
import pathlib
import socket
import ssl
import struct
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "scenario"))
import wire


def connect(where, cert):
    where, _, source = where.partition("@")
    if not cert:
        return wire.Wire(where, source or None)
    host, port, ca = where.split(":", 1)[1].split(":")
    context = ssl.create_default_context(cafile=ca)
    context.load_cert_chain(*cert.split(":"))
    plain = socket.create_connection((host, int(port)), wire.PATIENCE, (source, 0) if source else None)
    made = wire.Wire.__new__(wire.Wire)
    made.socket = context.wrap_socket(plain, server_hostname=host)
    return made


def greet(where, secret=None, cert=None):
    """The kind of what answers the hello, its body, and the connection."""
    connection = connect(where, cert)
    body = b"strongrm" + struct.pack(">II", 1, 1)
    body += b"\0" if secret is None else b"\1" + secret
    body += wire.number(0) + wire.number(0) + b"\0"
    connection.send(wire.frames(wire.HELLO, body))
    kind, told = connection.message()
    return kind, told, connection


def make(where, cert=None):
    kind, told, connection = greet(where, None, cert)
    assert kind == wire.WELCOME, f"a message of kind {kind} answers the hello"
    print(told[4:36].hex(), flush=True)
    sys.stdin.read()
    connection.close()


def join(where, secret, cert=None):
    kind, told, connection = greet(where, bytes.fromhex(secret), cert)
    if kind == wire.WELCOME:
        print("joined")
    else:
        code, _, length = struct.unpack_from(">QQH", told)
        print(f"refused: {told[18:18 + length].decode()} ({code:#x})")
    connection.close()


def greeted(where):
    try:
        greet(where)[2].close()
        print("greeted")
    except wire.Closed:
        print("closed")


def guess(where, count):
    for _ in range(int(count)):
        kind, _, connection = greet(where, os.urandom(32))
        connection.close()
        if kind != wire.REFUSED:
            sys.exit("a guess was taken")
    print(f"refused: {count} guesses")


{"make": make, "join": join, "greeted": greeted, "guess": guess}[sys.argv[1]](*sys.argv[2:])
