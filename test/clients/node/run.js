// Runs every flow against MURRE_URL and prints TAP: `node run.js [name…]`.
'use strict';
const flows = require('./flows.js');

(async () => {
  const chosen = Object.entries(flows).filter(([name]) => process.argv.length < 3 || process.argv.slice(2).some((a) => name.includes(a)));
  console.log(`1..${chosen.length}`);
  let passed = 0, n = 0;
  for (const [name, flow] of chosen) {
    const started = Date.now();
    const open = [];
    try {
      await flow(open);
      passed++;
      console.log(`ok ${++n} - node: ${name} # ${Date.now() - started} ms`);
    } catch (err) {
      console.log(`not ok ${++n} - node: ${name}\n# ${err.stack.replaceAll('\n', '\n# ')}`);
    } finally {
      for (const c of open) c.ws.terminate();
    }
  }
  console.log(`# node: ${passed} passed, ${n - passed} failed`);
  process.exit(passed === n && n > 0 ? 0 : 1);
})();

// A check that fails beside the flow (in an event handler) must not pass unseen.
process.on('unhandledRejection', (err) => {
  console.log(`Bail out! ${err?.stack ?? err}`);
  process.exit(1);
});
