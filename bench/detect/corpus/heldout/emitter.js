// Each request waits for a signal on a shared emitter and forgets to stop listening (OFF=1 does not forget).
// BURST_EVERY: requests come in bursts of 2 s, that often.
const { EventEmitter } = require('events');
const { requests, setting, uptime } = require('pace');

const signals = new EventEmitter().setMaxListeners(0);
const burstEvery = setting('BURST_EVERY', 0);
const size = setting('SIZE', 500);

requests(setting('RATE', 25), (number) => {
  if (burstEvery && uptime() % burstEvery > 2) return;
  const state = Array.from({ length: size }, (_, index) => index * Math.random());
  const listener = (reason) => `${number} ${reason} ${state.length}`;
  signals.on('reload', listener);
  if (setting('OFF', 0)) signals.off('reload', listener);
});
