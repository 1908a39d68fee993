// A stdio server in Node that does not end with its stdin: node server.js NAME [HELPER-COMMAND...]
const fs = require("fs");
const { spawn } = require("child_process");
const [name, ...helper] = process.argv.slice(2);
process.stdin.on("data", () => process.stdout.write('{"jsonrpc":"2.0","id":1,"result":{}}\n'));
process.stdout.on("error", () => {});
if (helper.length) spawn(helper[0], helper.slice(1)); // with pipes of its own, as Node makes them
setInterval(() => {}, 1000);
const path = `${process.env.STAGE}/${name}.pid`;
fs.writeFileSync(`${path}.new`, `${process.pid}`);
fs.renameSync(`${path}.new`, path);
