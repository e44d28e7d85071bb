"""metrics.py WHERE [NAME [LABEL=VALUE]...]: reads the metrics at WHERE (unix:/PATH or ADDRESS:PORT), checks each line by the
text format 0.0.4, and says the sum of what NAME has with these labels; without NAME, how many lines there are.
metrics.py raw WHERE REQUEST: what is answered to REQUEST (with \\r and \\n), to the end of the connection."""
import re
import socket
import sys

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"'
SAMPLE = re.compile(rf"({NAME})(?:\{{({LABEL}(?:,{LABEL})*)\}})? ([0-9]+)")


def ask(where, request):
    if where.startswith("unix:"):
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(where[5:])
    else:
        host, port = where.rsplit(":", 1)
        connection = socket.create_connection((host.strip("[]"), int(port)))
    connection.settimeout(10)
    connection.sendall(request)
    answer = b""
    while True:
        more = connection.recv(65536)
        if not more:
            return answer
        answer += more


def page(where):
    head, _, body = ask(where, b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").partition(b"\r\n\r\n")
    status, *fields = head.decode("ascii").split("\r\n")
    fields = dict(field.split(": ", 1) for field in fields)
    assert status == "HTTP/1.1 200 OK", status
    assert fields["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8", fields
    assert int(fields["Content-Length"]) == len(body), (fields, len(body))
    assert fields["Connection"] == "close", fields
    return body.decode("utf-8")


def samples(text):
    """Of each line: name, labels, value. A family is HELP, TYPE and then its samples, once."""
    assert text.endswith("\n"), "the last line has no end"
    families, seen, family, kind = set(), set(), None, None
    for line in text[:-1].split("\n"):
        if line.startswith("# HELP "):
            family, kind = line.split(" ", 3)[2], None
            assert re.fullmatch(NAME, family) and family not in families, line
            families.add(family)
        elif line.startswith("# TYPE "):
            name, kind = line.split(" ")[2:]
            assert name == family and kind in ("counter", "gauge"), line
            assert (kind == "counter") == name.endswith("_total"), line
        else:
            found = SAMPLE.fullmatch(line)
            assert found and found.group(1) == family and kind, line
            labels = dict(pair for pair in re.findall(LABEL, found.group(2) or ""))
            assert line.rsplit(" ", 1)[0] not in seen, line
            seen.add(line.rsplit(" ", 1)[0])
            yield family, labels, int(found.group(found.re.groups))


def main(where, name=None, *wanted):
    found = list(samples(page(where)))
    if not name:
        print(len(found))
        return
    wanted = dict(label.split("=", 1) for label in wanted)
    values = [value for family, labels, value in found if family == name and wanted.items() <= labels.items()]
    assert values, f"there is no {name} with {wanted}"
    print(sum(values))


if sys.argv[1] == "raw":
    sys.stdout.write(ask(sys.argv[2], sys.argv[3].encode().decode("unicode_escape").encode("latin-1")).decode())
else:
    main(*sys.argv[1:])
