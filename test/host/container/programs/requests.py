"""A TCP server that counts its requests: the example of Apptainer's documentation on checkpoints."""
import socket

server = socket.socket()
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
server.bind(("0.0.0.0", 8888))
server.listen(16)
print("listening", flush=True)
count = 0
while True:
    client, _ = server.accept()
    count += 1
    client.sendall(f"{count}\n".encode())
    client.close()
