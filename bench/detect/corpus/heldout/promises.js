// A job per request. A share STUCK of the jobs waits for an answer that never comes, and is kept for it.
const { requests, setting } = require('pace');

const stuck = setting('STUCK', 0.3);
const size = setting('SIZE', 800);
const running = new Set();

async function job(number) {
  const rows = Array.from({ length: size }, () => Math.random());
  await new Promise((resolve) => (Math.random() < stuck ? running.add(resolve) : setTimeout(resolve, 50)));
  return rows.length + number;
}

requests(setting('RATE', 20), (number) => job(number));
