"""A real MCP server on the Python SDK, with one tool, for the launchers of Python."""

from mcp.server.mcpserver import MCPServer

server = MCPServer("scupper-test")


@server.tool()
def add(first: int, second: int) -> str:
    """Adds two numbers."""
    return str(first + second)


server.run()
