// A web server for development: listens on a free port, which it writes to NAME.port: node dev-server.js NAME
const fs = require("fs");
const name = process.argv[2];
const server = require("http").createServer((_, answer) => answer.end("hello\n"));
server.listen(0, "127.0.0.1", () => {
  console.log(`  Local: http://127.0.0.1:${server.address().port}/`);
  fs.writeFileSync(`${process.env.STAGE}/${name}.port`, `${server.address().port}`);
  fs.writeFileSync(`${process.env.STAGE}/${name}.pid`, `${process.pid}`);
});
process.stdout.on("error", () => {});
