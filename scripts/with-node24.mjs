// with-node24.mjs COMMAND ARGS… : runs a command of the project with the project's own Node, after setting up what is missing.
import { run } from './toolchain.mjs';
import { setUpOrExit } from './setup.mjs';

const [command, ...args] = process.argv.slice(2);
if (command === undefined) {
  console.error('usage: node scripts/with-node24.mjs COMMAND [ARGUMENT…]');
  process.exit(2);
}
await setUpOrExit({ build: false });
process.exit(await run(command, args));
