// Starts a helper per job, EVERY seconds. END=1 ends it after 3 s, END=0 never.
const { spawn } = require('child_process');
const { requests, setting } = require('pace');

requests(1 / setting('EVERY', 4), () => {
  const helper = spawn('sleep', ['1000'], { stdio: 'ignore' });
  if (setting('END', 0)) setTimeout(() => helper.kill(), 3000);
});
