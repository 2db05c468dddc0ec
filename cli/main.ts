#!/usr/bin/env node
// Only this check runs before anything else is loaded, so that an old Node gets a sentence and no syntax error.
const [major, minor] = process.versions.node.split('.').map(Number);
if (major < 20 || (major === 20 && minor < 19) || major === 21 || (major === 22 && minor < 12)) {
  process.stderr.write(
    `reparam needs Node 20.19, 22.12, or 23 and newer; this is ${process.version} (${process.execPath})\n`,
  );
  process.exit(4);
}
const { main } = await import('./run.js');
await main(process.argv.slice(2));

export {};
