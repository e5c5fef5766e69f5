// Sets up a bare checkout: Node 24, packages, nats-server, the build. Each step is skipped when its result is already there.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { nodeVersion, projectRoot, runtimeDir, runtimeInstalled, runtimeSpec, toolchainEnv } from './toolchain.mjs';

const logDir = path.join(runtimeDir, 'logs');
const stampFile = path.join(runtimeDir, 'packages.stamp');
const buildStampFile = path.join(runtimeDir, 'build.stamp');

class SetUpError extends Error {}

/** Runs one step with its output in a log file and a line of progress on the terminal. */
async function step(title, command, args, options = {}) {
  mkdirSync(logDir, { recursive: true });
  const log = path.join(logDir, `${title.replaceAll(/[^a-z0-9]+/giu, '-')}.log`);
  const startedMs = Date.now();
  const interactive = process.stderr.isTTY;
  const line = () => `  ${title} … ${Math.round((Date.now() - startedMs) / 1000)} s`;
  if (!interactive) process.stderr.write(`  ${title} …\n`);
  const timer = interactive ? setInterval(() => process.stderr.write(`\r${line()}`), 500) : undefined;
  const chunks = [];
  const status = await new Promise((resolve) => {
    const child = spawn(command, args, { cwd: projectRoot, env: toolchainEnv(), stdio: ['ignore', 'pipe', 'pipe'], ...options });
    child.stdout.on('data', (chunk) => chunks.push(chunk));
    child.stderr.on('data', (chunk) => chunks.push(chunk));
    child.once('error', (error) => {
      chunks.push(Buffer.from(String(error)));
      resolve(127);
    });
    child.once('close', resolve);
  });
  clearInterval(timer);
  const output = Buffer.concat(chunks);
  writeFileSync(log, output);
  process.stderr.write(`${interactive ? '\r' : ''}${line()} ${status === 0 ? 'done' : 'FAILED'}\n`);
  if (status !== 0)
    throw new SetUpError(`${title} failed (exit ${status}). Full log: ${log}\n${output.toString('utf8').split('\n').slice(-25).join('\n')}`);
}

const commandExists = (name) => spawnSync('sh', ['-c', `command -v ${name}`], { env: toolchainEnv() }).status === 0;

function hashOf(files) {
  const hash = createHash('sha256');
  for (const file of files) hash.update(file).update(readFileSync(path.join(projectRoot, file)));
  return hash.digest('hex');
}

function sourceFiles() {
  const found = ['package-lock.json', 'tsconfig.json', 'scripts/build.mjs'];
  for (const top of ['apps', 'libs', 'test/demo']) {
    for (const entry of readdirSync(path.join(projectRoot, top), { recursive: true, withFileTypes: true })) {
      const file = path.relative(projectRoot, path.join(entry.parentPath, entry.name));
      if (entry.isFile() && !file.includes('.test.')) found.push(file);
    }
  }
  return found.sort();
}

/**
 * Installs what is named by $@. Debian's nats-server starts a server of its own, now and at each boot, open to everybody and on the port that Kuramori's own one wants:
 * invoke-rc.d asks policy-rc.d first, and 101 means no.
 */
const aptScript = `
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  trap 'rm -f "$policy"' EXIT
  printf '#!/bin/sh\\nexit 101\\n' > "$policy" && chmod 755 "$policy"
fi
install() { apt-get install -y -q --no-install-recommends "$@"; }
install "$@" || { apt-get update -q && install "$@"; } || exit
for name in "$@"; do
  if [ "$name" = nats-server ] && command -v systemctl > /dev/null; then systemctl disable nats-server.service; fi
done
exit 0
`;

/** Installs Debian packages, or says what is missing and how to get it. */
async function aptInstall(title, packages, why) {
  const hint = `${why} needs the Debian package(s) ${packages.join(', ')}. Install them by hand (as root: apt-get install ${packages.join(' ')}) and run this again.`;
  if (process.getuid?.() !== 0) throw new SetUpError(`${hint}\nThey can't be installed from here because this is not root.`);
  if (!commandExists('apt-get')) throw new SetUpError(`${hint}\nThey can't be installed from here because there is no apt-get on this system.`);
  const options = { env: { ...toolchainEnv(), DEBIAN_FRONTEND: 'noninteractive' } };
  try {
    await step(title, 'sh', ['-c', aptScript, 'apt', ...packages], options);
  } catch (error) {
    throw new SetUpError(`${hint}\n${error.message}`);
  }
}

/** @param wanted package by the program that it brings */
export async function ensurePrograms(wanted, why) {
  const missing = Object.entries(wanted).filter(([program]) => !commandExists(program));
  if (missing.length > 0) {
    const packages = [...new Set(missing.map(([, name]) => name))];
    await aptInstall(`Debian packages ${packages.join(' ')}`, packages, why);
  }
}

/**
 * Brings the checkout to the point where every npm script works.
 * @param {{build?: boolean, tests?: boolean}} options build: also build the services (default true); tests: also what only the tests need (default false)
 */
export async function setUp({ build = true, tests = false } = {}) {
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new SetUpError(
      `The set-up knows Linux on x64; this is ${process.platform} on ${process.arch}. Install Node ${nodeVersion}, run 'npm ci' and 'node scripts/build.mjs' with it.`,
    );
  }
  if (!runtimeInstalled()) {
    mkdirSync(runtimeDir, { recursive: true });
    // A directory without a package.json would make npm look for one further up and install there.
    writeFileSync(path.join(runtimeDir, 'package.json'), '{ "private": true }\n');
    await step(`Node ${nodeVersion}`, 'npm', ['install', '--prefix', runtimeDir, '--no-save', '--ignore-scripts', runtimeSpec], {
      cwd: runtimeDir,
      env: process.env,
    });
  }
  const packagesKey = hashOf(['package.json', 'package-lock.json']) + nodeVersion;
  const packagesDone = existsSync(stampFile) && readFileSync(stampFile, 'utf8') === packagesKey && existsSync(path.join(projectRoot, 'node_modules'));
  if (!packagesDone) {
    await ensurePrograms({ python3: 'python3', make: 'make', 'g++': 'g++' }, 'Compiling sqlite3');
    await step('npm packages', 'npm', ['ci', '--include=dev']);
    writeFileSync(stampFile, packagesKey);
  }
  await ensurePrograms({ 'nats-server': 'nats-server' }, 'The message bus');
  if (tests)
    await ensurePrograms(
      {
        ...{ openssl: 'openssl', python3: 'python3', 'mkfs.ext4': 'e2fsprogs', mount: 'mount', script: 'bsdutils' },
        // What innocent people work with: test/innocent.
        ...{ git: 'git', rsync: 'rsync', zip: 'zip', unzip: 'unzip', '7zr': 'p7zip', xz: 'xz-utils', make: 'make', 'g++': 'g++' },
      },
      'The test suite',
    );
  if (build) {
    const buildKey = hashOf(sourceFiles());
    if (!existsSync(buildStampFile) || readFileSync(buildStampFile, 'utf8') !== buildKey || !existsSync(path.join(projectRoot, 'dist'))) {
      await step('build', 'node', ['scripts/build.mjs']);
      writeFileSync(buildStampFile, buildKey);
    }
  }
}

/** Prints a set-up error without a stack trace: it is for the administrator, not for us. */
export async function setUpOrExit(options) {
  try {
    await setUp(options);
  } catch (error) {
    console.error(error instanceof SetUpError ? `\nset-up: ${error.message}` : error);
    process.exit(1);
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await setUpOrExit();
