"""A strongroomd over the vault of a world, and a relay on the way to it that ends the connection after so many bytes."""
import os
import select
import socket
import struct
import subprocess
import threading
import time

import world as w

DAEMON = os.environ["STRONGROOMD"]
TO, FROM = 0, 1  # the daemon; it


class Relay:
    """What comes to LISTENER goes to the daemon by CONNECT(). After begin(), all connections count together; the one that the
    limit is reached on is ended, by FIN or by RST, and those that come after it are not."""

    def __init__(self, listener, connect):
        self.listener, self.connect = listener, connect
        self.begin()
        threading.Thread(target=self.serve, daemon=True).start()

    def begin(self, way=None, limit=0, reset=False):
        self.counted, self.way, self.limit, self.reset, self.cut = [0, 0], way, limit, reset, False

    def serve(self):
        while True:
            try:
                client = self.listener.accept()[0]
                server = self.connect()
            except OSError:
                return
            ends = (client, server)
            if self.way is not None and self.limit == 0 and not self.cut:
                self.end(ends)
                continue
            threading.Thread(target=self.carry, args=(ends,), daemon=True).start()

    def end(self, ends):
        self.cut = True
        for one in ends:
            if self.reset:
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            one.close()

    def pass_on(self, ends, way):
        """Whether the connection goes on."""
        data = ends[way].recv(65536)
        if not data:
            return False
        limited = self.way == way and not self.cut
        data = data[: self.limit - self.counted[way]] if limited else data
        ends[1 - way].sendall(data)
        self.counted[way] += len(data)
        if limited and self.counted[way] >= self.limit:
            self.end(ends)
            return False
        return True

    def carry(self, ends):
        """By one thread: a socket that another one waits on is not closed by closing it."""
        try:
            while True:
                for one in select.select(ends, [], [])[0]:
                    if not self.pass_on(ends, ends.index(one)):
                        return
        except OSError:
            pass
        finally:
            for one in ends:
                one.close()


class Served:
    """WORLD's vault, served: DIRECT and RELAYED are configurations of clients."""

    def __init__(self, world, tls):
        self.world, self.direct, self.relayed = world, world.dir + "/direct.conf", world.dir + "/relayed.conf"
        with open(world.vault + "/strongroom.conf", encoding="utf-8") as file:
            conf = file.read() + f"\n[listen]\nunix = {world.dir}/socket\n"
        w.write(self.direct, f"[vault]\nserver = unix:{world.dir}/socket\n")
        if tls:
            conf += self.over_tls()
        else:
            self.over_unix()
        w.write(world.dir + "/daemon.conf", conf)
        self.start()

    def over_unix(self):
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(self.world.dir + "/relay")
        w.write(self.relayed, f"[vault]\nserver = unix:{self.world.dir}/relay\n")

        def connect():
            upstream = socket.socket(socket.AF_UNIX)
            upstream.connect(self.world.dir + "/socket")
            return upstream

        listener.listen(16)
        self.relay = Relay(listener, connect)

    def over_tls(self):
        key, certificate = self.world.dir + "/server.key", self.world.dir + "/server.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-noenc",
                        "-keyout", key, "-out", certificate, "-subj", "/CN=server", "-days", "2", "-addext",
                        "subjectAltName = IP:127.0.0.1"], check=True, capture_output=True)
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        listener = socket.create_server(("127.0.0.1", 0))
        w.write(self.relayed, f"[vault]\nserver = tls:127.0.0.1:{listener.getsockname()[1]}\n[tls]\nca = {certificate}\n")
        self.relay = Relay(listener, lambda: socket.create_connection(("127.0.0.1", port)))
        return f"tls = 127.0.0.1:{port}\ncertificate = {certificate}\nkey = {key}\n"

    def start(self):
        env = self.world.env()
        del env["STRONGROOM_PIN_FILE"]
        self.log = open(self.world.dir + "/daemon.log", "w+b")  # pylint: disable=consider-using-with
        self.daemon = subprocess.Popen(  # pylint: disable=consider-using-with
            [DAEMON, "--config", self.world.dir + "/daemon.conf"], env=env, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        end = time.monotonic() + 60
        while b"serving" not in self.said():
            if self.daemon.poll() is not None or time.monotonic() > end:
                raise SystemExit(f"faults: strongroomd does not serve: {self.said().decode()}")
            time.sleep(0.05)

    def said(self):
        with open(self.world.dir + "/daemon.log", "rb") as file:
            return file.read()

    def ask(self, conf, args, who="admin", stdin=""):
        return self.world.tool(args, who, stdin, STRONGROOM_CONF=conf)

    def stop(self):
        self.relay.listener.close()
        self.daemon.terminate()
        code = self.daemon.wait(60)
        self.log.close()
        return code
