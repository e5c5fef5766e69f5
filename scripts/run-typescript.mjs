// run-typescript.mjs FILE.ts ARGUMENTS… : bundles one TypeScript program of the checkout in memory of node_modules and runs it. For benchmarks, the laboratory and document makers.
import { build } from 'esbuild';
import { mkdtempSync, rmSync } from 'node:fs';
import path from 'node:path';
import { projectRoot, run } from './toolchain.mjs';

const [program, ...args] = process.argv.slice(2);
if (program === undefined) {
  console.error('usage: node scripts/run-typescript.mjs FILE.ts [ARGUMENT…]');
  process.exit(2);
}
// Inside the checkout, so that packages are found from there.
const scratch = mkdtempSync(path.join(projectRoot, 'node_modules', '.run-typescript-'));
try {
  const outfile = path.join(scratch, 'program.mjs');
  await build({
    entryPoints: [path.resolve(program)],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    packages: 'external',
    tsconfig: path.join(projectRoot, 'tsconfig.json'),
    logLevel: 'warning',
  });
  process.exitCode = await run(process.execPath, ['--enable-source-maps', outfile, ...args], { cwd: process.cwd() });
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
