// A script that drives a browser: node browser.js NAME puppeteer|playwright|cdp CHROMIUM PROFILE-DIRECTORY
// It opens a page and then waits for ever; whoever kills it with -9 gives it no chance to close the browser.
// `cdp` starts Chromium itself, with a debugging port, and has Playwright connect to that, as scripts do that share a browser.
const fs = require("fs");
const { spawn } = require("child_process");
const [name, by, executablePath, profile] = process.argv.slice(2);
const args = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"];
(async () => {
  let page;
  if (by === "puppeteer") {
    const browser = await require("puppeteer-core").launch({ executablePath, userDataDir: profile, args });
    page = await browser.newPage();
  } else if (by === "playwright") {
    const browser = await require("playwright-core").chromium.launch({ executablePath, args });
    page = await browser.newPage();
  } else {
    const port = `${profile}/DevToolsActivePort`;
    spawn(executablePath, [...args, "--headless", "--remote-debugging-port=0", `--user-data-dir=${profile}`], { detached: true });
    while (!fs.existsSync(port) || !fs.readFileSync(port, "utf8").includes("\n")) await new Promise((go) => setTimeout(go, 50));
    const address = `http://127.0.0.1:${fs.readFileSync(port, "utf8").split("\n")[0]}`;
    const browser = await require("playwright-core").chromium.connectOverCDP(address);
    page = await browser.contexts()[0].newPage();
  }
  await page.goto("data:text/html,<title>staged</title>");
  if ((await page.title()) !== "staged") throw new Error("the page did not load");
  const path = `${process.env.STAGE}/${name}.pid`;
  fs.writeFileSync(`${path}.new`, `${process.pid}`);
  fs.renameSync(`${path}.new`, path);
  setInterval(() => page.title(), 1000);
})().catch((problem) => {
  console.error(problem);
  process.exit(1);
});
