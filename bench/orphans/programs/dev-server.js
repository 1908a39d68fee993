// A web server for development: listens on a free port, which it writes to NAME.port: node dev-server.js NAME
const fs = require("fs");
const name = process.argv[2];
const server = require("http").createServer((_, answer) => answer.end("hello\n"));
server.listen(0, "127.0.0.1", () => {
  console.log(`  Local: http://127.0.0.1:${server.address().port}/`);
  const say = (what, text) => {
    const path = `${process.env.STAGE}/${name}.${what}`;
    fs.writeFileSync(`${path}.new`, `${text}`);
    fs.renameSync(`${path}.new`, path);
  };
  say("port", server.address().port);
  say("pid", process.pid);
});
process.stdout.on("error", () => {});
