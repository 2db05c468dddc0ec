// Compiles src/ and cli/ to dist/. Runs as `prepare`, so that `npx reparam` works after `npm ci` alone.
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const tsc = `${root}node_modules/typescript/bin/tsc`;
if (!existsSync(tsc)) {
  // A production install (`npm ci --omit=dev`) has no compiler; a packed package brings dist with it.
  console.error(
    'reparam: TypeScript is not installed, so nothing was compiled; run npm ci without --omit=dev to build',
  );
  process.exit(0);
}
if (process.argv.includes('--clean')) rmSync(`${root}dist`, { recursive: true, force: true });
const { status } = spawnSync(process.execPath, [tsc, '-p', `${root}tsconfig.build.json`], {
  stdio: 'inherit',
});
if (existsSync(`${root}dist/cli/main.js`)) chmodSync(`${root}dist/cli/main.js`, 0o755);
process.exit(status ?? 1);
