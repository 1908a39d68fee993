"""An asyncio chat server whose guests come and go: their number swings between LOW and HIGH with PERIOD seconds."""
import asyncio
import math

from pace import setting, teller, uptime

low, high, period = setting("LOW", 10), setting("HIGH", 90), setting("PERIOD", 45.0)


async def serve(reader, writer):
    history = []
    while line := await reader.readline():
        history = history[-20:] + [line * 100]
        writer.write(line)
    writer.close()


async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    guests, tell, said = [], teller(), 0
    while True:
        wanted = low + (high - low) * (1 - math.cos(2 * math.pi * uptime() / period)) / 2
        while len(guests) < wanted:
            guests.append(await asyncio.open_connection(*server.sockets[0].getsockname()))
        while len(guests) > wanted + 1:
            guests.pop(0)[1].close()
        for reader, writer in guests[::4]:
            writer.write(b"good evening\n")
            await reader.readline()
            said += 1
        guests.append(guests.pop(0))
        tell(said)
        await asyncio.sleep(0.3)


asyncio.run(main())
