// A Node process that fills its heap the way a cache without a limit does: a Map that is only added to, so many MB a second.
//
//   node --max-old-space-size=8192 leak.js [--rate MB/S] [--cap MB] [--seconds S] [--trace FILE]
//   or by environment: LEAK_RATE_MB (21), LEAK_CAP_MB (16000), LEAK_SECONDS (900), LEAK_TRACE
//
// Everything kept is a real JavaScript object on V8's heap: no Buffer, nothing outside it. --trace writes one line
// "seconds rss_bytes" every 100 ms, so that somebody outside can tell how far it got before it was ended.
// Nothing here knows of Scupper. It ends by itself after --seconds.
'use strict';

const fs = require('node:fs');
const v8 = require('node:v8');

const MB = 1 << 20;
const PER_ENTRY_NUMBERS = 512;

function setting(flag, variable, fallback) {
  const at = process.argv.indexOf(flag);
  const text = at > 0 ? process.argv[at + 1] : process.env[variable];
  if (text === undefined || text === '') return fallback;
  if (typeof fallback !== 'number') return text;
  const number = Number(text);
  if (!Number.isFinite(number) || number <= 0) {
    console.error(`leak: ${flag} needs a number above 0, not ${text}`);
    process.exit(2);
  }
  return number;
}

const rate = setting('--rate', 'LEAK_RATE_MB', 21) * MB;
const cap = setting('--cap', 'LEAK_CAP_MB', 16000) * MB;
const lifetime = setting('--seconds', 'LEAK_SECONDS', 900);
const trace = setting('--trace', 'LEAK_TRACE', '');

const deploymentCache = new Map();
let serial = 0;

function remember() {
  serial += 1;
  const detections = new Array(PER_ENTRY_NUMBERS);
  for (let i = 0; i < PER_ENTRY_NUMBERS; i += 1) detections[i] = serial + i / 2;
  deploymentCache.set(`deployment-${serial}`, { serial, at: new Date(), detections, tags: [{ name: 'kept' }] });
}

// What one entry takes, measured: the heap before and after some thousand of them.
function bytesPerEntry() {
  const before = v8.getHeapStatistics().used_heap_size;
  const first = serial;
  while (serial < first + 4000) remember();
  const each = (v8.getHeapStatistics().used_heap_size - before) / 4000;
  return each > 1000 ? each : PER_ENTRY_NUMBERS * 8 + 400; // A collection came between: take the plain estimate.
}

const began = process.hrtime.bigint();
const seconds = () => Number(process.hrtime.bigint() - began) / 1e9;
const entrySize = bytesPerEntry();
const traceFile = trace ? fs.openSync(trace, 'a') : null;
let tracedAt = -1;
let saidAt = 0;

const timer = setInterval(() => {
  const now = seconds();
  const wanted = Math.min(now * rate, cap) / entrySize;
  while (serial < wanted) remember();
  if (traceFile !== null && now - tracedAt >= 0.1) {
    tracedAt = now;
    fs.writeSync(traceFile, `${now.toFixed(3)} ${process.memoryUsage.rss()}\n`);
  }
  if (now - saidAt >= 5) {
    saidAt = now;
    console.log(`leak: ${now.toFixed(0)} s, ${(process.memoryUsage.rss() / MB).toFixed(0)} MB resident`);
  }
  if (now >= lifetime) clearInterval(timer);
}, 20);
