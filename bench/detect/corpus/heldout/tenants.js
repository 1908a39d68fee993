// Builds a small object graph and a compiled function per tenant; at most MOST tenants (0: all) are kept.
const vm = require('vm');
const { requests, setting } = require('pace');

const most = setting('MOST', 0);
const tenants = new Map();

requests(setting('RATE', 5), (number) => {
  const tenant = `tenant ${number}`;
  const price = vm.runInThisContext(`(function (amount) { return amount * ${Math.random()} + ${number}; })`);
  const rates = Object.fromEntries(Array.from({ length: setting('SIZE', 60) }, (_, index) => [`${tenant}-${index}`, { value: price(index) }]));
  tenants.set(tenant, { price, rates });
  if (most && tenants.size > most) tenants.delete(tenants.keys().next().value);
});
