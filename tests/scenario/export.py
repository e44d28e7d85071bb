"""What somebody does to an exported file of the audit; written from docs/audit.md alone.
export.py WHAT FROM TO [N]: TO is FROM after WHAT was done to it, at record N or about it."""
import hashlib, json, sys
from datetime import datetime, timezone

TEXTS = ["actor_type", "actor_id", "token_id", "ip", "peer", "function", "rv", "reason", "resource_path", "resource_tier"]
what, source, target = sys.argv[1:4]
number = int(sys.argv[4]) if len(sys.argv) > 4 else 0
lines = open(source, encoding="ascii").read().splitlines(keepends=True)


def field(data):
    data = data.encode() if isinstance(data, str) else data
    return len(data).to_bytes(4, "big") + data


def num(n):
    return field(n.to_bytes(8, "big"))


def sha(data):
    return hashlib.sha256(data).digest()


def milliseconds(text):
    when = datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=timezone.utc)
    return round(when.timestamp() * 1000)


def record_bytes(r):
    out = field("strongroom/event/1") + num(r["id"]) + num(milliseconds(r["timestamp"]))
    out += field(r["event"]) + field(r["status"])
    out += b"".join(field(r.get(name, "")) for name in TEXTS)
    out += num(r.get("version", 0)) + field(r.get("subject", "")) + num(1 if r.get("counted") else 0)
    return out + field(r.get("metadata", ""))


def at(n):
    for i, line in enumerate(lines):
        if json.loads(line).get("record", {}).get("id") == n:
            return i
    sys.exit(f"no record {n}")


def recompute():
    """Every hash anew, the signatures as they were."""
    head = None
    out = []
    for line in lines:
        o = json.loads(line)
        if "strongroom" in o:
            head = sha(field("strongroom/chain/1") + field(o["chain"]))
            if "base" in o:  # what was before it was removed
                head = bytes.fromhex(o["base"]["head"])
        elif "record" in o:
            head = sha(head + sha(record_bytes(o["record"])))
            o["head"] = head.hex()
        elif "omitted" in o:
            for h in o["omitted"]["hashes"]:
                head = sha(head + bytes.fromhex(h))
            o["head"] = head.hex()
        elif "checkpoint" in o:
            o["checkpoint"]["head"] = head.hex()
        elif "end" in o:
            o["end"]["sha256"] = hashlib.sha256("".join(out).encode()).hexdigest()
        out.append(json.dumps(o, separators=(",", ":")) + "\n")
    return out


def ids(lines):
    return [json.loads(l)["record"]["id"] for l in lines if "record" in json.loads(l)]


if what == "byte":  # one byte of a record's text
    i = at(number)
    lines[i] = lines[i].replace('"event":"secret.', '"event":"sekret.', 1)
elif what == "missing":
    del lines[at(number)]
elif what == "swapped":
    i, j = at(number), at(number + 1)
    lines[i], lines[j] = lines[j], lines[i]
elif what == "cut":  # the last N records, with what stands between them
    last = ids(lines)[-1]
    lines = lines[: at(last - number + 1)]
elif what == "cut-sealed":  # the same, and the end put back
    last = ids(lines)[-1]
    lines = lines[: at(last - number + 1)] + lines[-1:]
elif what == "recomputed":
    i = at(number)
    o = json.loads(lines[i])
    o["record"]["actor_id"] = "nobody"
    lines[i] = json.dumps(o, separators=(",", ":")) + "\n"
    lines = recompute()
elif what == "same":  # the chain of an untouched file, computed here
    made = recompute()
    if [json.loads(l) for l in made[:-1]] != [json.loads(l) for l in lines[:-1]]:
        sys.exit("the chain is not what docs/audit.md says")
elif what.startswith("base-"):
    o = json.loads(lines[0])
    if what == "base-away":
        del o["base"]
    elif what == "base-moved":
        o["base"]["seq"] += 1
    elif what == "base-head":
        o["base"]["head"] = "00" * 32
    lines[0] = json.dumps(o, separators=(",", ":")) + "\n"
elif what == "blank":
    lines[0] = lines[0].rstrip("\n") + " \n"
elif what == "behind":
    lines.append(lines[-1])
elif what == "field":
    i = at(number)
    o = json.loads(lines[i])
    o["record"]["note"] = "nothing vouches for this"
    lines[i] = json.dumps(o, separators=(",", ":")) + "\n"
elif what == "long":
    lines[at(number)] = '{"record":{"id":' + "9" * 70000 + "}}\n"
elif what == "deep":
    lines[at(number)] = "[" * 60000 + "\n"
else:
    sys.exit(f"what is {what}?")
open(target, "w", encoding="ascii").writelines(lines)
