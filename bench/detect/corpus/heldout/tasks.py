"""asyncio: a task per request, of which a share FORGOTTEN awaits a future that nobody resolves."""
import asyncio
import random

from pace import setting, teller

forgotten = setting("FORGOTTEN", 0.5)
state_bytes = setting("STATE_BYTES", 3000)
alive = set()


async def handle(number):
    state = random.randbytes(state_bytes)
    await asyncio.sleep(random.random() * 0.2)
    if random.random() < forgotten:
        await asyncio.get_running_loop().create_future()
    return len(state)


async def main():
    tell, rate, number = teller(), setting("RATE", 40), 0
    while True:
        number += 1
        task = asyncio.create_task(handle(number))
        alive.add(task)
        task.add_done_callback(alive.discard)
        tell(number)
        await asyncio.sleep(1 / rate)


asyncio.run(main())
