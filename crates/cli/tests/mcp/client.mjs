// A real MCP client, on the TypeScript SDK: handshake, tools/list, one tool call, then it ends as it is told.
//
//   node client.mjs CACHE HOW TOOL ARGUMENTS -- COMMAND...
//
// HOW: close (client.close()), exit (ends without closing), wait (until the connection is closed). stdout: one line of JSON
// when the tool has answered, and one when the connection was closed.
const [cache, how, tool, toolArguments, , command, ...args] = process.argv.slice(2);
const sdk = `${cache}/node_modules/@modelcontextprotocol/sdk/dist/esm/client`;
const { Client } = await import(`${sdk}/index.js`);
const { StdioClientTransport } = await import(`${sdk}/stdio.js`);

const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
const transport = new StdioClientTransport({ command, args, env: process.env, cwd: process.cwd() });
const client = new Client({ name: "scupper-test", version: "1" });
await client.connect(transport);
const pid = transport.pid;
const { tools } = await client.listTools();
const answer = await client.callTool({ name: tool, arguments: JSON.parse(toolArguments) });
client.onclose = () => {
  say({ closed: true });
  process.exit(0);
};
say({ pid, tools: tools.map((tool) => tool.name), answer: answer.content[0].text });
if (how === "exit") process.exit(7);
if (how === "close") await client.close();
setInterval(() => {}, 1000);
