"""A tiny MCP server over stdio: answers what it is asked, and notes in the file of its first argument how it was started."""
import json
import os
import sys

with open(sys.argv[1], "w") as notes:
    json.dump({"arguments": sys.argv[2:], "pid": os.getpid(), "key": os.environ.get("KEY")}, notes)
for line in sys.stdin:
    request = json.loads(line)
    if "id" not in request:
        continue
    result = {}
    if request["method"] == "initialize":
        result = {"protocolVersion": request["params"]["protocolVersion"], "capabilities": {"tools": {}}, "serverInfo": {"name": "tiny", "version": "1"}}
    elif request["method"] == "tools/list":
        result = {"tools": [{"name": "echo", "inputSchema": {"type": "object"}}]}
    print(json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": result}), flush=True)
