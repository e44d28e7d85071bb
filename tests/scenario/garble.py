"""garble.py SOCKET hold|send: hold says "held" once its connection is past p11-kit's greeting, and keeps it. send makes four
connections and sends what no p11-kit-client would; each has to be closed without an answer."""
import socket
import struct
import sys
import time


def greet(path):
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(20)
    connection.connect(path)
    connection.sendall(b"\0")
    if len(connection.recv(1)) != 1:
        sys.exit("no greeting")
    return connection


def frame(code, options, body):
    return struct.pack(">III", code, len(options), len(body)) + options + body


GARBLED = (
    ("a message that is no call", frame(1, b"", b"\0\0\xff\xff\0\0\0\0")),
    ("a length without its bytes", struct.pack(">III", 1, 0, 0xffffffff)),
    ("a signature that is another call's", frame(1, b"", struct.pack(">II", 2, 3) + b"uuu" + b"\xff" * 40)),
    ("nonsense", b"\xff" * 4096),
)


def main(path, what):
    if what == "hold":
        connection = greet(path)
        print("held", flush=True)
        time.sleep(600)
        connection.close()
        return
    for name, data in GARBLED:
        connection = greet(path)
        try:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(4096):
                pass
        except OSError:
            pass
        connection.close()
    print("sent:", ", ".join(name for name, _ in GARBLED))


main(sys.argv[1], sys.argv[2])
