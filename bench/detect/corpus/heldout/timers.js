// A poller per client, started with setInterval and never cleared; CLEAR=1 clears it after 20 s.
const { requests, setting } = require('pace');

const kib = setting('KIB', 60);

requests(setting('RATE', 2), (number) => {
  const buffer = Buffer.alloc(kib * 1024, 1);
  const timer = setInterval(() => buffer.writeInt32LE(number), 5000);
  if (setting('CLEAR', 0)) setTimeout(() => clearInterval(timer), 20000);
});
