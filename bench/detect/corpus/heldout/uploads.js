// Uploads: each opens a file and a buffer of KIB. FORGET_EVERY: the file of each so many-th stays open; POOL: buffers are
// kept for re-use up to that many.
const fs = require('fs');
const { requests, setting } = require('pace');

const forgetEvery = setting('FORGET_EVERY', 0);
const most = setting('POOL', 0);
const pool = [];

requests(setting('RATE', 10), (number) => {
  const file = fs.openSync(__filename);
  const buffer = pool.length && Math.random() > 0.3 ? pool[0] : Buffer.alloc(setting('KIB', 100) * 1024, 1);
  fs.readSync(file, buffer, 0, Math.min(buffer.length, 1000), 0);
  if (pool.length < most && buffer !== pool[0]) pool.push(buffer);
  if (!forgetEvery || number % forgetEvery) fs.closeSync(file);
});
