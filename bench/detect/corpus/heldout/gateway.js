// A TCP gateway. Clients hang up after a while; with FORGET the server does not answer the end of a share of them, and keeps
// their sockets half open. CLIENTS stay.
const net = require('net');
const { requests, setting, uptime } = require('pace');

const forget = setting('FORGET', 0);
const clients = setting('CLIENTS', 20);
const ramp = setting('RAMP_SECONDS', 20);
const connected = [];
let accepted = 0;

const server = net.createServer({ allowHalfOpen: true }, (socket) => {
  const careless = ++accepted % 10 < forget * 10;
  socket.on('data', (data) => socket.write(data));
  if (!careless) socket.on('end', () => socket.end());
  socket.on('error', () => {});
});
server.listen(0, '127.0.0.1', () => {
  requests(setting('RATE', 10), (number) => {
    if (connected.length < clients * Math.min(1, uptime() / ramp)) {
      connected.push(net.connect(server.address().port).on('data', () => {}).on('error', () => {}));
    }
    if (connected.length) connected[number % connected.length].write('ping');
    if (number % 5 === 0 && setting('CHURN', 1)) net.connect(server.address().port).on('error', () => {}).resume().end('bye');
  });
});
