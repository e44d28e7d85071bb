"""put N: writes N secrets many/0 and so on; check N: reads each and compares. The PIN in SR_PIN, the module in STRONGROOM_MODULE."""
import os
import sys

import PyKCS11

lib = PyKCS11.PyKCS11Lib()
lib.load(os.environ["STRONGROOM_MODULE"])
session = lib.openSession(lib.getSlotList(tokenPresent=True)[0], PyKCS11.CKF_SERIAL_SESSION | PyKCS11.CKF_RW_SESSION)
session.login(os.environ["SR_PIN"])
word, count = sys.argv[1], int(sys.argv[2])
for n in range(count):
    path, value = "many/%d" % n, ("value %d " % n) * (1 + n % 7)
    if word == "put":
        session.createObject([(PyKCS11.CKA_CLASS, PyKCS11.CKO_DATA), (PyKCS11.CKA_TOKEN, PyKCS11.CK_TRUE),
                              (PyKCS11.CKA_LABEL, path), (PyKCS11.CKA_VALUE, value.encode())])
        continue
    found = session.findObjects([(PyKCS11.CKA_CLASS, PyKCS11.CKO_DATA), (PyKCS11.CKA_LABEL, path)])
    if len(found) != 1:
        sys.exit("%s: found %d objects" % (path, len(found)))
    if bytes(session.getAttributeValue(found[0], [PyKCS11.CKA_VALUE])[0]) != value.encode():
        sys.exit("%s: it has another value" % path)
session.logout()
