"""Many processes that save one configuration at the same time: `savers.py LABEL PROCESSES SAVES`."""

import os
import sys

import django

django.setup()

from django.db import connections  # noqa: E402

from crypto.services.desired.configurations import set_configuration  # noqa: E402

label, processes, saves = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
gate, opener = os.pipe()
children = []
for number in range(processes):
    child = os.fork()
    if child == 0:
        os.close(opener)
        os.read(gate, 1)  # until the parent closes its end
        for save in range(saves):
            set_configuration({"process": number, "save": save}, label=label)
        connections.close_all()
        os._exit(0)
    children.append(child)
os.close(opener)
sys.exit(any(os.waitpid(child, 0)[1] for child in children))
