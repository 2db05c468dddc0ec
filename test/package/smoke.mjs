// The package as a user gets it: packed, installed into an empty folder with the runtime's own download skipped, and
// run. Needs a built dist (npm run build) and an npm registry for the dependencies. `--keep` leaves the folder.
import { strict as assert } from 'node:assert';
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const folder = mkdtempSync(join(tmpdir(), 'reparam-package-'));
const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
// As README.md tells users to install: the runtime's CPU library is in its npm package, only CUDA is a download.
const env = { ...process.env, ONNXRUNTIME_NODE_INSTALL: 'skip' };

/** Runs the installed command. */
function reparam(...args) {
  const run = spawnSync('npx', ['--no-install', 'reparam', ...args], { cwd: folder, env, encoding: 'utf8' });
  return { code: run.status, stdout: run.stdout, stderr: run.stderr };
}

function ok(run, what) {
  assert.equal(run.code, 0, `${what}: exit ${run.code}\n${run.stdout}\n${run.stderr}`);
  console.log(`ok ${what}`);
  return run.stdout;
}

try {
  const packed = JSON.parse(
    execFileSync(npm, ['pack', '--json', '--ignore-scripts', '--pack-destination', folder], {
      cwd: root,
      encoding: 'utf8',
    }),
  )[0];
  const files = packed.files.map((f) => f.path);
  for (const wanted of [
    'dist/cli/main.js',
    'dist/src/index.js',
    'dist/src/index.d.ts',
    'LICENSE',
    'README.md',
  ])
    assert.ok(files.includes(wanted), `${wanted} is not in the package`);
  const spare = files.filter(
    (f) => !/^(dist\/|assets\/|package\.json$|README\.md$|CHANGELOG\.md$|LICENSE$)/.test(f),
  );
  assert.deepEqual(spare, [], 'files that should not be in the package');
  console.log(`ok packed ${files.length} files, ${(packed.size / 1e6).toFixed(2)} MB`);

  writeFileSync(
    join(folder, 'package.json'),
    JSON.stringify({ name: 'user', version: '1.0.0', private: true }),
  );
  execFileSync(
    npm,
    ['install', '--no-audit', '--no-fund', '--prefer-offline', join(folder, packed.filename)],
    {
      cwd: folder,
      env,
      stdio: ['ignore', 'ignore', 'inherit'],
    },
  );
  console.log('ok installed');

  assert.equal(ok(reparam('--version'), '--version').trim(), version);
  assert.match(ok(reparam('--help'), '--help'), /reparam refocus/);
  ok(reparam('zoo', 'build', 'resnet20', '-o', 'net.onnx'), 'zoo build');
  const inspected = JSON.parse(ok(reparam('inspect', 'net.onnx', '--json'), 'inspect --json'));
  assert.equal(inspected.parameters, 269_722);
  ok(reparam('expand', 'net.onnx', '-o', 'training.onnx'), 'expand');
  ok(reparam('fuse', 'training.onnx', '-o', 'fused.onnx'), 'fuse, which runs both models');
  const verified = JSON.parse(ok(reparam('verify', 'net.onnx', 'fused.onnx', '--json'), 'verify --json'));
  assert.equal(verified.equivalent, true);
  writeFileSync(
    join(folder, 'api.mjs'),
    "import { buildModel, countModel } from 'reparam';\nconsole.log(countModel(buildModel('resnet20')).parameters);\n",
  );
  assert.equal(
    execFileSync(process.execPath, ['api.mjs'], { cwd: folder, encoding: 'utf8' }).trim(),
    '269722',
  );
  console.log('ok the library by its name');

  // The runtime away: what does not need it works, what does says what to install.
  const runtime = join(folder, 'node_modules', 'onnxruntime-node');
  assert.ok(existsSync(runtime));
  renameSync(runtime, join(folder, 'runtime-away'));
  ok(reparam('inspect', 'net.onnx'), 'inspect without the runtime');
  const without = reparam('verify', 'net.onnx', 'fused.onnx');
  assert.equal(without.code, 4, without.stderr);
  assert.match(without.stderr, /onnxruntime-node is not installed/);
  assert.match(without.stderr, /npm install onnxruntime-node/);
  assert.doesNotMatch(without.stderr, /\n\s+at /);
  const doctor = reparam('doctor');
  assert.match(doctor.stdout + doctor.stderr, /npm install onnxruntime-node/);
  console.log('ok verify and doctor without the runtime say what to install');
} finally {
  if (process.argv.includes('--keep')) console.log(`kept ${folder}`);
  else rmSync(folder, { recursive: true, force: true });
}
