// Worker threads started as load rises, up to MOST within RAMP_SECONDS, each with its own heap.
const { Worker } = require('worker_threads');
const { requests, setting, uptime } = require('pace');

const workers = [];
requests(10, (number) => {
  if (workers.length < setting('MOST', 4) * Math.min(1, uptime() / setting('RAMP_SECONDS', 40))) {
    workers.push(new Worker('require("worker_threads").parentPort.on("message", (n) => JSON.stringify(Array(100).fill(n)))', { eval: true }));
  }
  if (workers.length) workers[number % workers.length].postMessage(number);
});
