import os
import sys

STATE = "/state/count"


def say(line):
    """One line to the init, and its answer's fields."""
    import socket

    asker = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    asker.connect(os.environ.get("PORTLAYER_SOCKET", "/run/portlayer/checkpoint.sock"))
    asker.sendall(line)
    answer = b""
    while not answer.endswith(b"\n"):
        piece = asker.recv(1024)
        if not piece:
            return {}
        answer += piece
    asker.close()
    return dict(part.split("=", 1) for part in answer.decode().split()[1:])


def checkpoint():
    """Asks by the tool's socket, as a program without sigqueue() does; fork()'s answer as a number."""
    fields = say(b"CHECKPOINT v=1 mech=any timeout-ms=30000\n")
    while fields.get("result") == "again":
        fields = say(b"RESULT v=1\n")
    return {"id": 1, "restored": 0, "exit": -2}.get(fields.get("result"), -1)


count = int(open(STATE).read()) if os.path.exists(STATE) else 0
resumed = count > 0
while count < 4:
    count += 1
    print(count, flush=True)
    if count != 2 or resumed:
        continue
    answer = checkpoint()
    if answer == -1:
        sys.exit(8)
    if answer == -2:
        with open(STATE, "w") as state:
            state.write(str(count))
        sys.exit(85)
print("done", flush=True)
