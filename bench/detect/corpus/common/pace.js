// Steady load: requests(20, serve) calls serve twenty times a second and tells the recorder the count.
const fs = require('fs');

const setting = (name, otherwise) => Number(process.env[name] ?? otherwise);
const started = process.uptime();
const uptime = () => process.uptime() - started;

function teller() {
  if (!process.env.PROGRESS) return () => {};
  const file = fs.openSync(process.env.PROGRESS, 'w');
  return (number) => fs.writeSync(file, String(number), 0);
}

function requests(perSecond, serve) {
  const tell = teller();
  let number = 0;
  setInterval(() => {
    // Timers of a few milliseconds drift: catch up with the clock.
    while (number < uptime() * perSecond) serve(++number);
    tell(number);
  }, Math.max(20, 1000 / perSecond));
}

module.exports = { requests, setting, teller, uptime };
