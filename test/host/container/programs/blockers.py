"""Holds one thing that no checkpoint can keep, named by its argument."""
import ctypes
import os
import signal
import socket
import subprocess
import sys
import time

libc = ctypes.CDLL(None, use_errno=True)
kind = sys.argv[1]
kept = []
if kind == "io_uring":
    parameters = ctypes.create_string_buffer(256)
    kept.append(libc.syscall(425, 4, parameters))
    assert kept[0] >= 0, os.strerror(ctypes.get_errno())
elif kind == "ghost":
    file = open("/state/ghost", "wb")
    file.write(b"x" * (20 << 20))
    file.flush()
    os.unlink("/state/ghost")
    kept.append(file)
elif kind == "host-socket":
    kept.append(socket.socket(socket.AF_UNIX))
    kept[0].connect("/run/host/listener.sock")
elif kind == "inotify":
    fd = libc.inotify_init()
    assert libc.inotify_add_watch(fd, b"/etc", 0xFFF) >= 0
elif kind == "stopped":
    child = subprocess.Popen(["sleep", "1000"])
    os.kill(child.pid, signal.SIGSTOP)
elif kind == "vsock":
    kept.append(socket.socket(socket.AF_VSOCK))
print("holding", flush=True)
count = 0
while True:
    time.sleep(0.05)
    count += 1
    print("alive", count, flush=True)
