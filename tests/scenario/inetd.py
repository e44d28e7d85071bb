"""inetd.py SOCKET COMMAND...: what systemd does for a socket with Accept=yes: each connection to SOCKET has a process of its
own, COMMAND with the connection as standard input and output. Says the process's end, a line each."""
import os
import socket
import subprocess
import sys
import threading


def serve(connection, command):
    with connection:
        child = subprocess.Popen(command, stdin=connection, stdout=connection)
    print("process", child.pid, "began", flush=True)
    print("process", child.pid, "ended with", child.wait(), flush=True)


path, command = sys.argv[1], sys.argv[2:]
with socket.socket(socket.AF_UNIX) as listener:
    listener.bind(path)
    os.chmod(path, 0o666)
    listener.listen()
    while True:
        threading.Thread(target=serve, args=(listener.accept()[0], command), daemon=True).start()
