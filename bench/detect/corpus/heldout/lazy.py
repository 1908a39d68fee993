"""Imports what it needs only when a request needs it, until UNTIL seconds; on top, LEAK_BYTES per request stay in a dict."""
import importlib
import random

from pace import requests, setting, uptime

names = """json decimal asyncio email.message http.client xml.dom.minidom sqlite3 unittest.mock logging.config urllib.request
    ctypes multiprocessing concurrent.futures pydoc statistics fractions csv configparser html.parser tarfile zipfile
    smtplib ftplib imaplib xmlrpc.client doctest pdb difflib turtledemo distutils.ccompiler lib2to3.pytree ensurepip venv
    cProfile pickletools curses plistlib wsgiref.simple_server idlelib.pyparse encodings.idna encodings.cp932 tkinter""".split()
until = setting("UNTIL", 30)
leak_bytes = setting("LEAK_BYTES", 0)
seen, imported = {}, 0

for number in requests(setting("RATE", 20)):
    if imported < min(1, uptime() / until) * len(names):
        try:
            importlib.import_module(names[imported])
        except ImportError:
            pass
        imported += 1
    if leak_bytes:
        seen[number] = random.randbytes(leak_bytes)
