"""join.py SOCKET: who may join a client context (docs/wire.md): the process that has made it, by its secret; another
process with the same secret is refused, and so is another secret. Says a line for each; ends with 1 where one is wrong."""
import os
import socket
import struct
import sys

HELLO, WELCOME, REFUSED = 1, 2, 3


def greet(path, secret=None):
    """The kind of the server's answer, and its body; the connection stays open with it."""
    body = b"strongrm" + struct.pack(">II", 1, 1)
    body += b"\x00" if secret is None else b"\x01" + secret
    body += struct.pack(">QQB", 0, 0, 0)
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(10)
    connection.connect(path)
    connection.sendall(struct.pack(">IBBH", len(body), HELLO, 0, 0) + body)
    head = connection.recv(8, socket.MSG_WAITALL)
    length, kind, _, _ = struct.unpack(">IBBH", head)
    return kind, connection.recv(length, socket.MSG_WAITALL), connection


def in_another_process(path, secret):
    pid = os.fork()
    if pid == 0:
        os._exit(greet(path, secret)[0])
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def main(path):
    good = True

    def expect(what, got, wanted):
        nonlocal good
        good = good and got == wanted
        print("ok" if got == wanted else "not ok", "-", what)

    kind, body, first = greet(path)
    expect("a new context", kind, WELCOME)
    secret = body[4:36]
    expect("its own process joins it", greet(path, secret)[0], WELCOME)
    expect("another process is refused", in_another_process(path, secret), REFUSED)
    expect("another secret is refused", greet(path, bytes([secret[0] ^ 1]) + secret[1:])[0], REFUSED)
    first.close()
    return 0 if good else 1


sys.exit(main(sys.argv[1]))
