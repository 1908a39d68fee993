// An HTTP server with its client in the same process. LEAK_BYTES per request stay in a Map; KEEP bounds the Map.
const http = require('http');
const { requests, setting } = require('pace');

const leakBytes = setting('LEAK_BYTES', 0);
const keep = setting('KEEP', Infinity);
const seen = new Map();

const server = http.createServer((request, response) => {
  if (leakBytes) {
    const chunk = 1000;
    const parts = [];
    for (let left = leakBytes; left > 0; left -= chunk) parts.push(Buffer.alloc(Math.min(chunk, left), request.url).toString('latin1'));
    seen.set(request.url, parts);
    if (seen.size > keep) seen.delete(seen.keys().next().value);
  }
  response.end(JSON.stringify({ url: request.url, items: Array.from({ length: 50 + Math.random() * 300 }, Math.random) }));
});
server.listen(0, '127.0.0.1', () => {
  const agent = new http.Agent({ keepAlive: true });
  const { port } = server.address();
  if (setting('RATE', 20)) {
    requests(setting('RATE', 20), (number) => {
      const request = http.get({ port, agent, host: '127.0.0.1', path: `/${number}` }, (response) => response.resume());
      request.on('error', () => {}); // a connection may be closed for its age just as it is used again
    });
  }
});
