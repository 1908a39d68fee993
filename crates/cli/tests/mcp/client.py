"""A real MCP client, on the Python SDK: handshake, tools/list, one tool call, then it ends as it is told.

    python client.py CACHE HOW TOOL ARGUMENTS -- COMMAND...

HOW: close (leaves the session in order), exit (ends without closing), wait (until the connection is closed). stdout: one
line of JSON when the tool has answered, and one when the connection was closed.
"""

import json
import os
import sys

import anyio
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client

_, how, tool, arguments, _, command, *args = sys.argv[1:]


def say(line):
    print(json.dumps(line), flush=True)


async def main():
    server = StdioServerParameters(command=command, args=args, env=dict(os.environ), cwd=os.getcwd())
    async with stdio_client(server) as (read, write):
        async with ClientSession(read, write) as session:
            await session.initialize()
            tools = (await session.list_tools()).tools
            answer = await session.call_tool(tool, json.loads(arguments))
            say({"pid": None, "tools": [tool.name for tool in tools], "answer": answer.content[0].text})
            if how == "exit":
                os._exit(7)
            while how == "wait":
                with anyio.move_on_after(0.2):
                    try:
                        await session.send_ping()
                    except Exception:
                        break
                await anyio.sleep(0.05)
    say({"closed": True})


anyio.run(main)
