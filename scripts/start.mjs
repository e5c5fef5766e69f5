// npm start [-- DIRECTORY…]: sets up what is missing, then protects the directories; without one, the demonstration.
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setUpOrExit } from './setup.mjs';
import { projectRoot, run } from './toolchain.mjs';

const directories = process.argv.slice(2);
if (directories.some((argument) => argument.startsWith('-'))) {
  console.error('usage: npm start [-- DIRECTORY…]\n  without a directory: a demonstration with a share, an attack and a restore of its own');
  process.exit(2);
}
for (const directory of directories) {
  if (!existsSync(directory) || !statSync(directory).isDirectory()) {
    console.error(`npm start: ${directory} is not a directory. Name existing directories that Kuramori shall protect.`);
    process.exit(2);
  }
}
await setUpOrExit();

if (directories.length === 0) process.exit(await run('node', [path.join('dist', 'demo', 'main.mjs')]));

// The settings are written once and then belong to the administrator.
const dataDir = process.env.KURAMORI_DATA ?? '/var/lib/kuramori';
const settingsFile = path.join(dataDir, 'kuramori.yaml');
const roots = directories.map((directory) => path.resolve(directory));
if (existsSync(settingsFile)) {
  // Protecting something else than what was named, without a word, would be worse than an error.
  const { parse } = await import('yaml');
  const known = parse(readFileSync(settingsFile, 'utf8'))?.protect?.roots ?? [];
  const missing = roots.filter((root) => !known.includes(root));
  if (missing.length > 0) {
    console.error(
      `npm start: ${settingsFile} exists and does not protect ${missing.join(', ')}. Add it there to protect.roots (now: ${known.join(', ')}), or set KURAMORI_DATA to another directory.`,
    );
    process.exit(2);
  }
  console.error(`using the settings in ${settingsFile}`);
} else {
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  writeFileSync(settingsFile, `dataDir: ${JSON.stringify(dataDir)}\nprotect:\n  roots: ${JSON.stringify(roots)}\n`, { mode: 0o600 });
  console.error(`settings written to ${settingsFile}; 'npx kuramori config init' shows all there are`);
}
process.exit(await run('node', [path.join(projectRoot, 'dist', 'apps', 'cli', 'main.mjs'), 'up', '--config', settingsFile]));
