"""A server with one thread per connection. Clients come until there are CLIENTS after RAMP_SECONDS, and stay.
With FORGET_EVERY the server also keeps, that often, a connection whose client is gone (CLOSE_WAIT)."""
import random
import socket
import threading

from pace import requests, setting, uptime

clients = setting("CLIENTS", 100)
ramp_seconds = setting("RAMP_SECONDS", 45)
forget_every = setting("FORGET_EVERY", 0.0)
listener = socket.create_server(("127.0.0.1", 0))
forgotten, connected = [], []


def serve(connection):
    state = bytearray(random.randbytes(20_000))
    while question := connection.recv(4096):
        connection.sendall(bytes(state[:100]) + question)
    connection.close()


def accept():
    while True:
        connection, _ = listener.accept()
        if connection.recv(5) == b"brief":
            forgotten.append(connection)
        else:
            threading.Thread(target=serve, args=(connection,), daemon=True).start()


threading.Thread(target=accept, daemon=True).start()
brief = 0
for number in requests(setting("RATE", 20)):
    if forget_every and brief < uptime() / forget_every:
        brief += 1
        with socket.create_connection(listener.getsockname()) as visitor:
            visitor.sendall(b"brief")
    while len(connected) < max(5, clients * min(1, uptime() / ramp_seconds)):
        connected.append(socket.create_connection(listener.getsockname()))
        connected[-1].sendall(b"hello")
    client = random.choice(connected)
    client.sendall(b"question")
    client.recv(4096)
