// Every static check, one after the other, all of them even if one fails: `npm run check`.
import { setUpOrExit } from './setup.mjs';
import { run } from './toolchain.mjs';

const checks = [
  ['types', 'tsc', ['--noEmit']],
  ['lint', 'eslint', ['.', '--max-warnings', '0']],
  ['import rules', 'depcruise', ['--config', '.dependency-cruiser.cjs', 'apps', 'libs', 'test']],
  ['dead code', 'knip', []],
  ['message documents', 'node', ['scripts/run-typescript.mjs', 'libs/contracts/docs/generate.ts', '--check']],
  ['format', 'prettier', ['--check', '--log-level', 'warn', '.']],
];

await setUpOrExit({ build: false });
const failed = [];
for (const [index, [title, command, args]] of checks.entries()) {
  console.error(`[${index + 1}/${checks.length}] ${title}`);
  if ((await run(command, args)) !== 0) failed.push(title);
}
if (failed.length > 0) console.error(`\nfailed: ${failed.join(', ')}`);
process.exit(failed.length === 0 ? 0 : 1);
