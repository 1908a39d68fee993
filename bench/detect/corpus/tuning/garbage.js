// Makes much garbage: GARBAGE_KIB per request, half of it dropped at once, half after 100 requests. LEAK_BYTES stay.
const { requests, setting } = require('pace');

const rows = setting('GARBAGE_KIB', 60) * 16;
const leakBytes = setting('LEAK_BYTES', 0);
const recent = [];
const kept = [];

requests(setting('RATE', 20), (number) => {
  const made = Array.from({ length: rows }, (_, index) => ({ number, index, value: Math.random() }));
  recent.push(made.slice(rows / 2));
  if (recent.length > 100) recent.shift();
  if (leakBytes) kept.push(Array.from({ length: leakBytes / 8 }, () => Math.random()));
});
