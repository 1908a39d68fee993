// A test runner with two workers, as jest forks them: an IPC channel and piped output. A worker is busy with a test that
// never ends, so it does not see that the channel has closed: node test-runner.js NAME
const fs = require("fs");
const { fork } = require("child_process");
const [name, worker] = process.argv.slice(2);
const say = (what) => {
  const path = `${process.env.STAGE}/${what}.pid`;
  fs.writeFileSync(`${path}.new`, `${process.pid}`);
  fs.renameSync(`${path}.new`, path);
};
if (worker) {
  process.on("disconnect", () => {});
  process.send("ready");
  setInterval(() => {}, 1000);
  say(`${name}-worker-${worker}`);
} else {
  let ready = 0;
  for (const number of ["1", "2"]) {
    const child = fork(__filename, [name, number], { silent: true });
    child.on("message", () => ++ready === 2 && say(name));
  }
}
