"""SQLite: reads at random from a table on disk through a page cache of CACHE_MIB. AUDIT_BYTES per request are also written
into a database in memory."""
import os
import random
import sqlite3
import tempfile

from pace import requests, setting

audit_bytes = setting("AUDIT_BYTES", 0)
store = sqlite3.connect(os.path.join(tempfile.mkdtemp(), "store.db"))
store.execute("CREATE TABLE page (id INTEGER PRIMARY KEY, body BLOB)")
store.executemany("INSERT INTO page VALUES (?, ?)", ((key, random.randbytes(3000)) for key in range(12_000)))
store.commit()
store.execute(f"PRAGMA cache_size = -{setting('CACHE_MIB', 16) << 10}")
audit = sqlite3.connect(":memory:")
audit.execute("CREATE TABLE entry (body BLOB)")

for number in requests(setting("RATE", 20)):
    for _ in range(5):
        store.execute("SELECT body FROM page WHERE id = ?", (random.randrange(12_000),)).fetchone()
    if audit_bytes:
        audit.execute("INSERT INTO entry VALUES (?)", (random.randbytes(audit_bytes),))
