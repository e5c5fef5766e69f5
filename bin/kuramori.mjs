#!/usr/bin/env node
// The `kuramori` command: runs the built CLI with the project's own Node, whatever Node started this.
import { existsSync } from 'node:fs';
import path from 'node:path';
import { projectRoot as root, run, runtimeBinDir } from '../scripts/toolchain.mjs';

const cli = path.join(root, 'dist', 'apps', 'cli', 'main.mjs');
const bundledNode = path.join(runtimeBinDir, 'node');
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
  try {
    process.exit(await run(bundledNode, [cli, ...process.argv.slice(2)], { cwd: process.cwd(), env: process.env }));
  } catch (error) {
    console.error(`kuramori could not be started: ${error.message}`);
    process.exit(1);
  }
}
