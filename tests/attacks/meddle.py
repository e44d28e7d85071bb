"""What an auditor's login does by C_* calls of its own: the PIN in SR_PIN, the module in STRONGROOM_MODULE. Says in a line how
many were refused, or ends with what was not."""
import os
import sys

import PyKCS11
from PyKCS11 import CKA_CLASS, CKA_LABEL, CKA_TOKEN, CKA_VALUE

SR_TOKEN, SR_AGENT, SR_APPROVAL, SR_POLICY, SR_EVENT, SR_FREEZE = (0xD3520000 | n for n in (1, 2, 4, 5, 6, 0xC))
SR_EVENT_NAME = 0xD3520142

lib = PyKCS11.PyKCS11Lib()
lib.load(os.environ["STRONGROOM_MODULE"])
session = lib.openSession(lib.getSlotList(tokenPresent=True)[0], PyKCS11.CKF_RW_SESSION | PyKCS11.CKF_SERIAL_SESSION)
session.login(os.environ["SR_PIN"])
refused = 0


def refuses(what, function, *arguments):
    global refused
    try:
        function(*arguments)
    except PyKCS11.PyKCS11Error:
        refused += 1
        return
    sys.exit(f"{what}: it was done")


def is_not_there(what, *template):
    found = session.findObjects(list(template))
    if found:
        sys.exit(f"{what}: {len(found)} are found")


# Each of these classes, made of nothing but what it says of itself: the admin is refused for what lacks, and the auditor before.
for kind in (PyKCS11.CKO_DATA, SR_TOKEN, SR_AGENT, SR_APPROVAL, SR_POLICY, SR_EVENT, SR_FREEZE):
    refuses(f"an object of class {kind:#x}", session.createObject,
            [(CKA_CLASS, kind), (CKA_TOKEN, True), (CKA_LABEL, "prod/db"), (CKA_VALUE, b"x")])
refuses("a key", session.generateKey, [(CKA_CLASS, PyKCS11.CKO_SECRET_KEY), (CKA_TOKEN, True), (CKA_LABEL, "prod/own"),
                                       (PyKCS11.CKA_KEY_TYPE, PyKCS11.CKK_AES), (PyKCS11.CKA_VALUE_LEN, 32)])
for kind in (PyKCS11.CKO_DATA, PyKCS11.CKO_PRIVATE_KEY, PyKCS11.CKO_SECRET_KEY, SR_TOKEN, SR_AGENT, SR_APPROVAL, SR_FREEZE):
    is_not_there(f"objects of class {kind:#x}", (CKA_CLASS, kind))
is_not_there("a secret by its name", (CKA_CLASS, PyKCS11.CKO_DATA), (CKA_LABEL, "prod/db"))

events = session.findObjects([(CKA_CLASS, SR_EVENT)])
if len(events) < 5:
    sys.exit(f"{len(events)} records are found")
for event in events[:3]:
    refuses("a record's event, changed", session.setAttributeValue, event, [(SR_EVENT_NAME, b"secret.listed")])
    refuses("a record's name, changed", session.setAttributeValue, event, [(CKA_LABEL, b"1")])
    refuses("a record, destroyed", session.destroyObject, event)
if len(session.findObjects([(CKA_CLASS, SR_EVENT)])) < len(events):
    sys.exit("records are gone")
print(f"by C_* calls: {refused} changes are refused, {len(events)} records are seen and nothing else")
