// Objects that live as long as half a minute, in a ring: the old generation fills and is collected with a long period.
const { requests, setting } = require('pace');

const ring = new Array(setting('RING', 600));
requests(setting('RATE', 20), (number) => {
  ring[number % ring.length] = Array.from({ length: setting('ROWS', 150) }, (_, index) => ({ index, text: `${number}/${index}` }));
});
