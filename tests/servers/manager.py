#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""manager.py: as much of a service manager as keeps descriptors (sd_notify(3), FDSTORE=1).

    manager.py LOG COMMAND...     runs COMMAND, and again whenever it is killed, with what it stored

Each line of LOG is an event: `started PID`, `ready`, `stored NAME`, `removed NAME`, `ended STATUS`. It
ends when COMMAND exits by itself, with its status. With MANAGER_AGES=yes what it passes on is that of
another version.
"""

import array
import fcntl
import os
import select
import socket
import subprocess
import sys
import tempfile


class Manager:
    def __init__(self, log, command):
        self.log = open(log, "a", buffering=1)
        self.command = command
        self.store = []  # (name, descriptor), in the order in which they came
        self.place = tempfile.mkdtemp()
        self.path = os.path.join(self.place, "notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)

    def say(self, *words):
        print(*words, file=self.log)

    def age(self):
        """The page tells its layout first."""
        for name, fd in self.store:
            if name == "tokenfs-page":
                os.pwrite(fd, (9999).to_bytes(4, sys.byteorder), 0)

    def start(self):
        if os.environ.get("MANAGER_AGES"):
            self.age()
        names = ":".join(name for name, _ in self.store)
        # Passed from 3 on, as the protocol wants it; LISTEN_PID is known to the child only.
        count = len(self.store)
        held = [os.dup(fd) for _, fd in self.store]
        high = [self.move_up(fd) for fd in held]

        def prepare():
            for i, fd in enumerate(high):
                os.dup2(fd, 3 + i, inheritable=True)

        environment = dict(os.environ, NOTIFY_SOCKET=self.path)
        script = 'exec "$@"'
        if count:
            environment |= {"LISTEN_FDS": str(count), "LISTEN_FDNAMES": names}
            script = 'export LISTEN_PID=$$; exec "$@"'
        self.child = subprocess.Popen(
            ["sh", "-c", script, "sh", *self.command], env=environment, preexec_fn=prepare,
            pass_fds=range(3, 3 + count), stdin=subprocess.DEVNULL)
        for fd in high:
            os.close(fd)
        self.say("started", self.child.pid)

    @staticmethod
    def move_up(fd):
        """A copy above those that a child gets, so that dup2() does not overwrite it."""
        up = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 64)
        os.close(fd)
        return up

    def hear(self):
        data, ancillary, _, _ = self.socket.recvmsg(4096, socket.CMSG_SPACE(8 * 4))
        fds = array.array("i")
        for level, kind, payload in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                fds.frombytes(payload[:len(payload) - len(payload) % fds.itemsize])
        fields = dict(line.split("=", 1) for line in data.decode().split("\n") if "=" in line)
        name = fields.get("FDNAME", "stored")
        if "FDSTORE" in fields:
            for fd in fds:
                self.store.append((name, fd))
                self.say("stored", name)
        if "FDSTOREREMOVE" in fields:
            for entry in [e for e in self.store if e[0] == name]:
                os.close(entry[1])
                self.store.remove(entry)
                self.say("removed", name)
        if fields.get("READY") == "1":
            self.say("ready")

    def run(self):
        self.start()
        while True:
            readable, _, _ = select.select([self.socket], [], [], 0.02)
            if readable:
                self.hear()
                continue
            status = self.child.poll()
            if status is None:
                continue
            self.say("ended", status)
            if status >= 0:
                return status
            self.start()


if __name__ == "__main__":
    sys.exit(Manager(sys.argv[1], sys.argv[2:]).run())
