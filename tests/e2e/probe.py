#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""probe.py: system calls on a mount, one kind a subcommand, and what came of them.

Everything that can fail prints OK or the name of its errno (EAGAIN, EKEYREJECTED, …).
"""

import collections
import concurrent.futures
import ctypes
import errno
import json
import mmap
import os
import resource
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "servers"))
import checked  # noqa: E402

ALL = 1 << 20


def name_of(error):
    return errno.errorcode.get(error.errno, str(error.errno))


def read_all(path):
    """The bytes that open and read to the end give."""
    fd = os.open(path, os.O_RDONLY)
    try:
        parts = []
        while part := os.read(fd, ALL):
            parts.append(part)
        return b"".join(parts)
    finally:
        os.close(fd)


def write_once(path, flags, document):
    """One open, one write(2), one close."""
    fd = os.open(path, os.O_WRONLY | flags, 0o600)
    try:
        if os.write(fd, document) != len(document):
            raise OSError(errno.EIO, "short write")
    finally:
        os.close(fd)


def given(document):
    """A document from the command line; @N stands for N bytes of JSON white space."""
    return b" " * int(document[1:]) if document.startswith("@") else document.encode()


# Each takes its arguments as strings, and raises OSError or prints what it saw.
CALLS = {
    "open": lambda path: read_all(path),
    "write": lambda path, document: write_once(path, 0, given(document)),
    "create": lambda path, document: write_once(path, os.O_CREAT, given(document)),
    "exclusive": lambda path, document: write_once(path, os.O_CREAT | os.O_EXCL, given(document)),
    "create-only": lambda path: os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600)),
    "unlink": os.unlink,
    "rename": os.rename,
    "link": os.link,
    "symlink": os.symlink,
    "mkdir": os.mkdir,
    "rmdir": os.rmdir,
    "mknod": lambda path: os.mknod(path, 0o600 | 0o010000),
    "chmod": lambda path, mode: os.chmod(path, int(mode, 8)),
    "chown": lambda path, uid: os.chown(path, int(uid), -1),
    "truncate": lambda path, size: os.truncate(path, int(size)),
    "xattr": lambda path, name: print(os.getxattr(path, name).decode()) or "",
    "setxattr": lambda path, name: os.setxattr(path, name, b"x"),
}


def call(name, *arguments):
    try:
        if CALLS[name](*arguments) != "":
            print("OK")
    except OSError as error:
        print(name_of(error))


def outcome(name, *arguments):
    try:
        CALLS[name](*arguments)
        return "OK"
    except OSError as error:
        return name_of(error)


def repeat(number, name, *arguments):
    """The same call NUMBER times: how often came what."""
    counts = collections.Counter(outcome(name, *arguments) for _ in range(int(number)))
    print(", ".join(f"{count} {what}" for what, count in sorted(counts.items())))


def opens(*paths):
    """Opens and reads all of them at the same time: the outcome of each, in order."""
    with concurrent.futures.ThreadPoolExecutor(len(paths)) as pool:
        print(*pool.map(lambda path: outcome("open", path), paths))


def everything(directory):
    """What can be read below it: of each file its content, and its extended attributes."""
    for place, _, files in os.walk(directory):
        for path in (os.path.join(place, name) for name in files):
            try:
                sys.stdout.buffer.write(read_all(path) + b"\n")
                for name in os.listxattr(path):
                    sys.stdout.buffer.write(os.getxattr(path, name) + b"\n")
            except OSError as error:
                print(path, name_of(error))
                sys.stdout.flush()


def exact(path):
    """As Node's readFile does it: exactly st_size bytes, and then the end."""
    fd = os.open(path, os.O_RDONLY)
    size = os.fstat(fd).st_size
    value = os.read(fd, size) if size else b""
    if size == 0 or len(value) != size or os.read(fd, 1):
        sys.exit(f"st_size {size}, {len(value)} bytes read")
    print(value.decode())


def through_stdio(path):
    """As a C program does it: fopen, fread by small pieces to the end, and every byte as it came."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.fopen.restype = ctypes.c_void_p
    file, piece = libc.fopen(path.encode(), b"r"), ctypes.create_string_buffer(7)
    if not file:
        sys.exit(os.strerror(ctypes.get_errno()))
    while count := libc.fread(piece, 1, len(piece), ctypes.c_void_p(file)):
        sys.stdout.buffer.write(piece.raw[:count])
    if libc.ferror(ctypes.c_void_p(file)) or libc.fclose(ctypes.c_void_p(file)):
        sys.exit("the stream has an error")


def through_mmap(path):
    fd = os.open(path, os.O_RDONLY)
    with mmap.mmap(fd, os.fstat(fd).st_size, mmap.MAP_PRIVATE, mmap.PROT_READ) as area:
        print(area[:].decode())


def through_sendfile(path):
    fd = os.open(path, os.O_RDONLY)
    sink = os.memfd_create("sink")
    while os.sendfile(sink, fd, None, ALL):
        pass
    print(os.pread(sink, ALL, 0).decode())


def pieces(path):
    """One byte a read(2)."""
    fd = os.open(path, os.O_RDONLY)
    while part := os.read(fd, 1):
        sys.stdout.buffer.write(part)


def names(path):
    print("\n".join(sorted(os.listxattr(path))))


def crowd(path, number, ready):
    """NUMBER threads open at once; READY is made when all are about to. Counts by outcome."""
    threading.stack_size(256 << 10)
    outcomes, values = collections.Counter(), set()
    lock, barrier = threading.Lock(), threading.Barrier(int(number) + 1)

    def read():
        barrier.wait()
        try:
            value, outcome = read_all(path), "OK"
        except OSError as error:
            value, outcome = None, name_of(error)
        with lock:
            outcomes[outcome] += 1
            values.add(value)

    threads = [threading.Thread(target=read) for _ in range(int(number))]
    for thread in threads:
        thread.start()
    barrier.wait()
    open(ready, "w").close()
    for thread in threads:
        thread.join()
    print(json.dumps({"outcomes": outcomes, "values": len(values - {None})}))


def contend(path, seconds):
    """Two threads remove a name for SECONDS, and two make it again: how often came what of rm."""
    outcomes, lock, end = collections.Counter(), threading.Lock(), time.monotonic() + float(seconds)

    def remove():
        while time.monotonic() < end:
            what = outcome("unlink", path)
            with lock:
                outcomes[what] += 1
                outcomes["phantom"] += outcome("unlink", path + "-never") != "ENOENT"

    def make():
        while time.monotonic() < end:
            outcome("create", path, '{"access_token": "value", "expires_in": 300}')

    threads = [threading.Thread(target=work) for work in (remove, remove, make, make)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(json.dumps(outcomes))


def remove_crowd(path, number):
    """NUMBER threads remove one name at once, and then look for another one: counts by outcome."""
    threading.stack_size(256 << 10)
    outcomes, lock, barrier = collections.Counter(), threading.Lock(), threading.Barrier(int(number))

    def remove():
        barrier.wait()
        what = outcome("unlink", path)
        with lock:
            outcomes[what] += 1
            outcomes["phantom"] += outcome("unlink", path + "-never") != "ENOENT"

    threads = [threading.Thread(target=remove) for _ in range(int(number))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(json.dumps(outcomes))


def hold(path, seconds, ready):
    """Opens once and reads again and again for SECONDS, past the page cache; how many values."""
    fd = os.open(path, os.O_RDONLY)
    first = os.pread(fd, ALL, 0)
    with open(ready, "wb") as file:
        file.write(first)
    values, end = {first}, time.monotonic() + float(seconds)
    while time.monotonic() < end:
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        values.add(os.pread(fd, ALL, 0))
        time.sleep(0.1)
    print(len(values))


def interrupt(path, url):
    """Ctrl-C on a cat that waits: how long it then took, in ms, and what ended it."""
    cat = subprocess.Popen(["cat", path], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                           preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    urllib.request.urlopen(url).read()
    start = time.monotonic()
    cat.send_signal(signal.SIGINT)
    status = cat.wait(30)
    print(int((time.monotonic() - start) * 1000), "SIGINT" if status == -signal.SIGINT else status)


def counter_of(pid, name):
    with open(f"/proc/{pid}/io", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(name + ":"))


def answers(pid, path, number):
    """Answers that the serving process wrote: for NUMBER opens with read and close, and for
    NUMBER reads of one open descriptor."""
    number = int(number)
    read_all(path)
    before = counter_of(pid, "syscw")
    for _ in range(number):
        read_all(path)
    opens = counter_of(pid, "syscw") - before
    fd = os.open(path, os.O_RDONLY)
    os.pread(fd, ALL, 0)
    before = counter_of(pid, "syscw")
    for _ in range(number):
        os.pread(fd, ALL, 0)
    print(opens, counter_of(pid, "syscw") - before)


def remaining(path, seconds):
    """Reads for SECONDS: the least time, in ms, that a checked token had to go when it was
    opened, and how many tokens there were."""
    least, values, end = sys.maxsize, set(), time.monotonic() + float(seconds)
    while time.monotonic() < end:
        value = read_all(path).decode()
        now_ms = time.time() * 1000
        expiry_ms = checked.expiry_ms(value)
        if expiry_ms is None:
            sys.exit(f"not a whole token: {value[:60]}")
        least = min(least, expiry_ms - now_ms)
        values.add(value)
        time.sleep(0.01)
    print(int(least), len(values))


def until_failure(path, seconds):
    """Reads until an open fails: the errno, and how many values there were."""
    values, end = set(), time.monotonic() + float(seconds)
    while time.monotonic() < end:
        try:
            values.add(read_all(path))
        except OSError as error:
            print(name_of(error), len(values))
            return
        time.sleep(0.02)
    sys.exit("it never failed")


def introspect(path, seconds, readers, url, client, secret):
    """READERS read for SECONDS and ask the server about each token: inactive ones, reads, tokens."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    basic = urllib.request.HTTPPasswordMgrWithPriorAuth()
    basic.add_password(None, url, client, secret, is_authenticated=True)
    opener.add_handler(urllib.request.HTTPBasicAuthHandler(basic))
    seen, counts, lock = set(), collections.Counter(), threading.Lock()
    end = time.monotonic() + float(seconds)

    def read():
        while time.monotonic() < end:
            value = read_all(path).decode()
            form = urllib.parse.urlencode({"token": value}).encode()
            with opener.open(url, form, timeout=10) as answer:
                active = json.load(answer)["active"]
            with lock:
                counts["reads"] += 1
                counts["inactive"] += not active
                seen.add(value)
            time.sleep(0.1)

    def guarded():
        try:
            read()
        except Exception as error:
            with lock:
                counts["errors"] += 1
            print(f"{error!r}", file=sys.stderr)

    threads = [threading.Thread(target=guarded) for _ in range(int(readers))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(json.dumps({"reads": counts["reads"], "inactive": counts["inactive"],
                      "errors": counts["errors"], "tokens": len(seen)}))


def watch(ready, seconds, *paths):
    """Watches every path, makes READY, and waits until each has had an event: OK, or which had none.
    A directory's events are told by the names in them: DIRECTORY//NAME waits for that name."""
    libc = ctypes.CDLL(None, use_errno=True)
    fd = libc.inotify_init1(os.O_NONBLOCK)
    awaited = {}
    for path in paths:
        directory, _, name = path.partition("//")
        number = libc.inotify_add_watch(fd, directory.encode(), 0xFC6)  # all but access, open, close
        if number < 0:
            sys.exit(f"{directory}: {os.strerror(ctypes.get_errno())}")
        awaited[number, name] = path
    open(ready, "w").close()
    end = time.monotonic() + float(seconds)
    while awaited and time.monotonic() < end:
        if not select.select([fd], [], [], end - time.monotonic())[0]:
            break
        events, at = os.read(fd, ALL), 0
        while at < len(events):
            number, _, _, length = struct.unpack_from("iIII", events, at)
            name = events[at + 16: at + 16 + length].rstrip(b"\0").decode()
            awaited.pop((number, name), None)
            at += 16 + length
    print("OK" if not awaited else "nothing heard: " + " ".join(awaited.values()))


def intrude(directory, name, seconds):
    """Tries for SECONDS to use the hidden name under which NAME is about to be replaced, and of those
    before and after it: what came of each call, by errno."""
    path, outcomes = os.path.join(directory, name), collections.defaultdict(collections.Counter)
    aside = os.path.join(directory, "aside")
    calls = {
        "open": read_all,
        "stat": os.stat,
        "touch": lambda hidden: os.utime(hidden, (1, 1)),
        "create": lambda hidden: os.close(os.open(hidden, os.O_CREAT | os.O_WRONLY, 0o600)),
        "unlink": os.unlink,
        "from": lambda hidden: os.rename(hidden, path),
        "to": lambda hidden: os.rename(path, hidden),
        "link": lambda hidden: os.link(hidden, aside),
        "symlink": lambda hidden: os.symlink("x", hidden),
        "mkdir": os.mkdir,
    }
    end, known = time.monotonic() + float(seconds), os.stat(path).st_ino
    while time.monotonic() < end:
        number = os.stat(path).st_ino
        step = number - known or 1
        known = number
        for offset in (0, 1, -1):
            old = number + offset * step
            hidden = os.path.join(directory, f".next-{old:016x}-{old + step:016x}")
            for kind, do in calls.items():
                try:
                    do(hidden)
                    outcomes[kind]["OK"] += 1
                except OSError as error:
                    outcomes[kind][name_of(error)] += 1
    print(json.dumps(outcomes))


def make(counter, life_ms):
    print(checked.make(int(counter), int(time.time() * 1000) + int(life_ms), "imp"))


def mute(address):
    """A name server that hears and never answers; prints a line when it is there."""
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind((address, 53))
    print("listening", flush=True)
    while True:
        server.recv(2048)


def core_limit(pid):
    print(resource.prlimit(int(pid), resource.RLIMIT_CORE)[0])


TOOLS = {
    "repeat": repeat, "opens": opens, "everything": everything,
    "exact": exact, "stdio": through_stdio, "mmap": through_mmap, "sendfile": through_sendfile,
    "pieces": pieces,
    "xattrs": names, "crowd": crowd, "contend": contend, "remove-crowd": remove_crowd, "hold": hold, "interrupt": interrupt, "answers": answers,
    "remaining": remaining, "watch": watch, "until-failure": until_failure, "introspect": introspect,
    "intrude": intrude, "make": make, "mute": mute, "core-limit": core_limit,
}


def main():
    tool = sys.argv[1]
    if tool in CALLS:
        call(tool, *sys.argv[2:])
    else:
        TOOLS[tool](*sys.argv[2:])


if __name__ == "__main__":
    main()
