"""Writes a data object under the label given as argument (Python escapes allowed); prints the code that refused it."""
import os
import sys

import PyKCS11

lib = PyKCS11.PyKCS11Lib()
lib.load(os.environ["STRONGROOM_MODULE"])
session = lib.openSession(lib.getSlotList(tokenPresent=True)[-1], PyKCS11.CKF_SERIAL_SESSION | PyKCS11.CKF_RW_SESSION)
with open(os.environ["STRONGROOM_PIN_FILE"]) as pin:
    session.login(pin.read().rstrip("\n"))
label = sys.argv[1].encode().decode("unicode_escape")
try:
    session.createObject([(PyKCS11.CKA_CLASS, PyKCS11.CKO_DATA), (PyKCS11.CKA_TOKEN, True),
                          (PyKCS11.CKA_LABEL, label), (PyKCS11.CKA_VALUE, b"v")])
except PyKCS11.PyKCS11Error as error:
    sys.exit(str(error))
