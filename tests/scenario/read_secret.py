"""Reads one secret through PyKCS11: the PIN in SR_PIN, the path in SR_PATH, the module in STRONGROOM_MODULE."""
import os
import sys

import PyKCS11

lib = PyKCS11.PyKCS11Lib()
lib.load(os.environ["STRONGROOM_MODULE"])
session = lib.openSession(lib.getSlotList(tokenPresent=True)[0])
session.login(os.environ["SR_PIN"])
found = session.findObjects([(PyKCS11.CKA_CLASS, PyKCS11.CKO_DATA), (PyKCS11.CKA_LABEL, os.environ["SR_PATH"])])
if len(found) != 1:
    sys.exit("found %d objects" % len(found))
value = session.getAttributeValue(found[0], [PyKCS11.CKA_VALUE])[0]
sys.stdout.buffer.write(bytes(value))
session.logout()
