"""Signs with the key at PATH without an end, and verifies each signature in another process, while the key is rotated:
rotated.py MECHANISM PATH COUNTER. Stops at the first failure of either, or when the file COUNTER is gone; until then its
length says how many signatures were verified. The PIN in SR_PIN, the module in STRONGROOM_MODULE.

The signer finds the key once and keeps the handle. The verifier looks for the public keys (or the secret keys) of the
path each time: the current one comes first, the former one behind it."""
import hashlib
import multiprocessing
import os
import sys

import PyKCS11 as P

from use_keys import log_in

MECHANISMS = {"ecdsa": P.CKM_ECDSA, "eddsa": 0x1057, "rsa": P.CKM_SHA256_RSA_PKCS, "hmac": P.CKM_SHA256_HMAC}


def signs(session, name, path):
    kind = P.CKO_SECRET_KEY if name == "hmac" else P.CKO_PRIVATE_KEY
    return session.findObjects([(P.CKA_CLASS, kind), (P.CKA_LABEL, path)])[0]


def verifies(session, name, path):
    kind = P.CKO_SECRET_KEY if name == "hmac" else P.CKO_PUBLIC_KEY
    return session.findObjects([(P.CKA_CLASS, kind), (P.CKA_LABEL, path)])


def is_good(session, name, path, data, signature):
    mechanism = P.Mechanism(MECHANISMS[name])
    return any(session.verify(key, data, signature, mechanism) for key in verifies(session, name, path))


def verifier(pipe, name, path):
    session = log_in()
    while True:
        data, signature = pipe.recv()
        # once more: it may have been rotated between the search and the last key
        pipe.send(any(is_good(session, name, path, data, signature) for _ in range(2)))


def main(name, path, counter):
    pipe, other = multiprocessing.Pipe()
    child = multiprocessing.Process(target=verifier, args=(other, name, path), daemon=True)
    child.start()
    session = log_in()
    key = signs(session, name, path)
    number = 0
    while os.path.exists(counter):
        number += 1
        data = hashlib.sha256(b"%d" % number).digest()
        pipe.send((data, bytes(session.sign(key, data, P.Mechanism(MECHANISMS[name])))))
        if not pipe.poll(60) or not pipe.recv():
            sys.exit("signature %d is not verified" % number)
        try:
            with open(counter, "r+b") as file:
                file.seek(0, os.SEEK_END)
                file.write(b".")
        except FileNotFoundError:
            break
    child.kill()


main(*sys.argv[1:])
