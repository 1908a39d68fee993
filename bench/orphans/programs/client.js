// A client in Node: starts a command over stdio (socket pairs), asks it one thing, keeps it: node client.js NAME COMMAND...
const fs = require("fs");
const { spawn } = require("child_process");
const [name, command, ...words] = process.argv.slice(2);
const child = spawn(command, words, { stdio: ["pipe", "pipe", "pipe"] });
child.stdout.once("data", () => {
  const path = `${process.env.STAGE}/${name}.pid`;
  fs.writeFileSync(`${path}.new`, `${process.pid}`);
  fs.renameSync(`${path}.new`, path);
});
child.stdout.on("data", () => {});
child.stdin.write('{"jsonrpc":"2.0","id":1,"method":"ping"}\n');
