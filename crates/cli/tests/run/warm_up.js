// Compiles a new function at every request of its first WARM seconds, as a runtime does that warms up, and from then on runs
// those that it has, twenty requests a second.
const warm = Number(process.env.WARM ?? 20);
const statements = 300;
const compiled = [];

function another(number) {
  const lines = [];
  for (let line = 0; line < statements; line++) lines.push(`sum = (sum ^ ((turn + ${line}) * ${number + line})) | 0;`);
  return new Function('turns', `let sum = ${number}; for (let turn = 0; turn < turns; turn++) { ${lines.join('\n')} } return sum;`);
}

let answer = 0;
setInterval(() => {
  if (process.uptime() < warm) compiled.push(another(compiled.length));
  for (const one of compiled) answer ^= one(200);
}, 50);
