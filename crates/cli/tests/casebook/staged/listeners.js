// A service that adds a listener for each request and removes none.  listeners.js LOG
'use strict';
const { EventEmitter } = require('node:events');
const fs = require('node:fs');

const log = fs.openSync(process.argv[2], 'a');
const bus = new EventEmitter();
let number = 0;

function handle() {
  number += 1;
  const session = Array.from({ length: 2500 }, (_, item) => ({ number, item }));
  bus.on('tick', () => session.length);
  fs.writeSync(log, `GET /subscribe/${number} 200\n`);
}

setInterval(handle, 50);
