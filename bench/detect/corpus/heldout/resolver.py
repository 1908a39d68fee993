"""Asks a local UDP service. Most questions use one socket; EVERY seconds a retry makes BURST new ones and forgets them."""
import socket
import threading

from pace import requests, setting, uptime

every, burst = setting("EVERY", 12.0), setting("BURST", 6)
service = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
service.bind(("127.0.0.1", 0))
forgotten = []


def answer():
    while True:
        question, sender = service.recvfrom(512)
        service.sendto(question.upper(), sender)


def ask(client, number):
    client.sendto(b"name %d" % number, service.getsockname())
    client.recv(512)


threading.Thread(target=answer, daemon=True).start()
usual = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for number in requests(setting("RATE", 20)):
    ask(usual, number)
    if len(forgotten) <= uptime() // every * burst:
        for _ in range(burst):
            forgotten.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            ask(forgotten[-1], number)
