// Sets up what is missing, then every check and every test: `npm test`. Arguments go to Vitest (a file or a name narrows it down and skips the checks).
import { setUpOrExit } from './setup.mjs';
import { run } from './toolchain.mjs';

const args = process.argv.slice(2);
await setUpOrExit({ tests: true });
const phases =
  args.length > 0
    ? [['tests', 'vitest', ['run', ...args]]]
    : [
        ['checks', 'node', ['scripts/check.mjs']],
        ['unit tests', 'vitest', ['run', '--project', 'unit']],
        ['whole-system tests', 'vitest', ['run', '--project', 'system']],
      ];
for (const [index, [title, command, commandArgs]] of phases.entries()) {
  console.error(`\n== ${index + 1}/${phases.length} ${title}`);
  const status = await run(command, commandArgs);
  if (status !== 0) {
    console.error(`\n${title} failed (exit ${status}).`);
    process.exit(status);
  }
}
