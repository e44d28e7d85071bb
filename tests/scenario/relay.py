"""relay.py PORT SOURCE HOST TO [SPOKEN]: what comes to PORT of 127.0.0.1 goes to HOST, port TO, from the address SOURCE.
With SPOKEN, a PROXY v2 header that speaks for that address goes first: for an IPv4 or an IPv6 client, and for the relay
itself where it is "local"."""
import ipaddress
import socket
import struct
import sys
import threading

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def header(spoken):
    if spoken == "local":
        return SIGNATURE + struct.pack("!BBH", 0x20, 0, 0)
    address = ipaddress.ip_address(spoken).packed
    family = 0x11 if len(address) == 4 else 0x21
    body = address + address + struct.pack("!HH", 40000, 7512)
    return SIGNATURE + struct.pack("!BBH", 0x21, family, len(body)) + body


def pump(source, sink):
    try:
        while data := source.recv(65536):
            sink.sendall(data)
    except OSError:
        pass
    for end in (source, sink):
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def serve(client, source, host, to, spoken):
    try:
        server = socket.create_connection((host, to), source_address=(source, 0))
        if spoken:
            server.sendall(header(spoken))
    except OSError as why:
        print(why, flush=True)
        client.close()
        return
    threading.Thread(target=pump, args=(server, client), daemon=True).start()
    pump(client, server)


port, source, host, to = int(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])
spoken = sys.argv[5] if len(sys.argv) > 5 else None
with socket.create_server(("127.0.0.1", port)) as listener:
    while True:
        threading.Thread(target=serve, args=(listener.accept()[0], source, host, to, spoken), daemon=True).start()
