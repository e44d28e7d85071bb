"""Uses keys of a vault through PyKCS11: the PIN in SR_PIN, the module in STRONGROOM_MODULE. `use` does all that a key is for
and prints a line for each; another word does that one thing, and ends with the name of the code that refused it."""
import os
import sys

import PyKCS11 as P

DATA = b"what is signed and encrypted"
IV = bytes(range(16))


def log_in():
    lib = P.PyKCS11Lib()
    lib.load(os.environ["STRONGROOM_MODULE"])
    slot = next(s for s in lib.getSlotList(tokenPresent=True)
                if lib.getTokenInfo(s).label.strip() == os.environ.get("SR_SLOT", "vault"))
    session = lib.openSession(slot, P.CKF_SERIAL_SESSION | P.CKF_RW_SESSION)
    session.login(os.environ.get("SR_PIN", ""))
    return session


def find(session, kind, path):
    found = session.findObjects([(P.CKA_CLASS, kind), (P.CKA_LABEL, path)])
    if len(found) != 1:
        sys.exit("found %d objects" % len(found))
    return found[0]


def private(session, path):
    return find(session, P.CKO_PRIVATE_KEY, path)


def public(session, path):
    return find(session, P.CKO_PUBLIC_KEY, path)


def secret(session, path):
    return find(session, P.CKO_SECRET_KEY, path)


def sha256(session):
    return bytes(session.digest(DATA, P.Mechanism(P.CKM_SHA256)))


def sign(session):
    pss = P.RSA_PSS_Mechanism(P.CKM_SHA256_RSA_PKCS_PSS, P.CKM_SHA256, P.CKG_MGF1_SHA256, 32)
    for name, path, data, mechanism in (
            ("RSA PKCS #1", "app/rsa", DATA, P.Mechanism(P.CKM_SHA256_RSA_PKCS)),
            ("RSA PSS", "app/rsa", DATA, pss),
            ("ECDSA", "app/ec", sha256(session), P.Mechanism(P.CKM_ECDSA))):
        signature = session.sign(private(session, path), data, mechanism)
        assert session.verify(public(session, path), data, signature, mechanism), name
        assert not session.verify(public(session, path), data[:-1] + b"?", signature, mechanism), name
        yield name


def decrypt(session):
    rsa, key = private(session, "app/rsa"), secret(session, "app/aes")
    for name, mechanism in (
            ("RSA PKCS #1", P.Mechanism(P.CKM_RSA_PKCS)),
            ("RSA OAEP", P.RSAOAEPMechanism(P.CKM_SHA_1, P.CKG_MGF1_SHA1))):
        sealed = session.encrypt(public(session, "app/rsa"), DATA, mechanism)
        assert bytes(session.decrypt(rsa, sealed, mechanism)) == DATA, name
        yield name
    for name, mechanism in (
            ("AES-CBC with padding", P.Mechanism(P.CKM_AES_CBC_PAD, IV)),
            ("AES-GCM", P.AES_GCM_Mechanism(IV[:12], b"more", 128))):
        sealed = session.encrypt(key, DATA, mechanism)
        assert bytes(session.decrypt(key, sealed, mechanism)) == DATA, name
        yield name


def unwrapped(session, wrapped):
    return session.unwrapKey(secret(session, "app/wrap"), wrapped, [
        (P.CKA_CLASS, P.CKO_SECRET_KEY), (P.CKA_KEY_TYPE, P.CKK_AES), (P.CKA_TOKEN, P.CK_TRUE),
        (P.CKA_LABEL, "app/back"),
        (P.CKA_ENCRYPT, P.CK_TRUE), (P.CKA_DECRYPT, P.CK_TRUE)], P.Mechanism(P.CKM_AES_KEY_WRAP))


def wrap(session):
    key, mechanism = secret(session, "app/out"), P.Mechanism(P.CKM_AES_CBC_PAD, IV)
    wrapped = session.wrapKey(secret(session, "app/wrap"), key, P.Mechanism(P.CKM_AES_KEY_WRAP))
    assert len(wrapped) == 40
    yield "a key leaves wrapped"
    again = unwrapped(session, wrapped)
    sealed = session.encrypt(key, DATA, mechanism)
    assert bytes(session.decrypt(again, sealed, mechanism)) == DATA
    yield "and comes back at another path"
    assert session.getAttributeValue(again, [P.CKA_SENSITIVE, P.CKA_EXTRACTABLE]) == [True, False]
    yield "that is sensitive and not extractable"


def refuse(session, what):
    if what == "sign":
        session.sign(private(session, "app/ec"), sha256(session), P.Mechanism(P.CKM_ECDSA))
    elif what == "decrypt":
        session.decrypt(secret(session, "app/aes"), IV, P.Mechanism(P.CKM_AES_CBC_PAD, IV))
    elif what == "wrap":
        session.wrapKey(secret(session, "app/wrap"), secret(session, "app/aes"), P.Mechanism(P.CKM_AES_KEY_WRAP))
    elif what == "read":
        if session.getAttributeValue(secret(session, "app/out"), [P.CKA_VALUE]) == [None]:
            sys.exit("the value is not to be had")
    elif what == "destroy":
        session.destroyObject(private(session, "app/ec"))


def in_a_child(session):
    """What was forked cannot use the parent's session, and leaves it alone."""
    pid = os.fork()
    if pid == 0:
        try:
            next(sign(session))
        except P.PyKCS11Error as error:
            os._exit(0 if error.value == P.CKR_CRYPTOKI_NOT_INITIALIZED else 1)
        os._exit(2)
    assert os.waitpid(pid, 0)[1] == 0
    assert len(list(sign(session))) == 3
    yield "a forked child is refused, the parent goes on"


def main(words):
    try:
        session = log_in()
        if words != ["use"]:
            refuse(session, words[0])
            return
        for what in (sign, decrypt, wrap, in_a_child):
            for line in what(session):
                print("%s: %s" % (what.__name__, line))
        session.logout()
    except P.PyKCS11Error as error:
        sys.exit(str(error))


main(sys.argv[1:])
