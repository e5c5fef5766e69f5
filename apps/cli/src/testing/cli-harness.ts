/** The bundled `kuramori` command for tests, run as a process of its own with tiny services that do as they are told. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { serviceNames } from '@kuramori/contracts';
import { bundleForTest } from '@kuramori/testing';

/** The bundled command, as it stands in the product: services are found beside it. */
export async function bundleCli(): Promise<{ readonly file: string; readonly remove: () => void }> {
  const { directory, remove } = await bundleForTest({ 'apps/cli/main': 'apps/cli/src/main.ts' });
  return { file: path.join(directory, 'apps', 'cli', 'main.mjs'), remove };
}

/** What a fake service does instead of living quietly. */
export interface Behaviour {
  /** Ends at once with this status and says so. */
  readonly exit?: number;
  /** Takes no notice of SIGTERM and of the end of `up`. */
  readonly stubborn?: boolean;
  readonly status?: string;
  readonly details?: object;
}

const fakeService = `import http from 'node:http';
import fs from 'node:fs';
import path from 'node:path';
const name = path.basename(import.meta.dirname);
const settings = JSON.parse(fs.readFileSync(process.env.KURAMORI_CONFIG, 'utf8'));
const behaviour = JSON.parse(fs.readFileSync(path.join(import.meta.dirname, 'behaviour.json'), 'utf8'));
const log = (text) => fs.appendFileSync(path.join(settings.dataDir, 'fake.log'), name + ' ' + text + '\\n');
log('started ' + process.pid);
console.error('hello from ' + name);
if (behaviour.exit !== undefined) {
  console.error('a reason to end: ' + name);
  process.exit(behaviour.exit);
}
const end = (why) => {
  if (behaviour.stubborn) return;
  log('stopped ' + why);
  process.exit(0);
};
process.on('SIGTERM', () => end('SIGTERM'));
process.on('SIGINT', () => end('SIGINT'));
process.stdin.on('end', () => end('stdin'));
process.stdin.resume();
const ports = ['watcher', 'detector', 'vault', 'responder', 'notifier'];
http
  .createServer((request, response) => {
    const body = { status: behaviour.status ?? 'healthy', service: name, pid: process.pid, uptimeS: 1, details: behaviour.details ?? {} };
    response.writeHead(body.status === 'healthy' ? 200 : 503, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  })
  .listen(settings.http.port + 1 + ports.indexOf(name), '127.0.0.1');
`;

const defaultBehaviours: Readonly<Record<string, Behaviour>> = {
  vault: {
    details: {
      protection: { files: 1234, bytes: 5678, pending: 0, oldestPendingMs: 0, baselineDone: true },
      vault: { versions: 1300, storedBytes: 5000, logicalBytes: 6000, freeBytes: 7000 },
    },
  },
  responder: { details: { incidents: { open: 2 }, mode: 'enforce' } },
};

export interface RunningCommand {
  readonly child: ChildProcess;
  readonly output: () => string;
  readonly ended: Promise<CommandResult>;
}

export interface CommandResult {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Settings, data and fake services of one test. */
export class Scene {
  readonly directory = realpathSync(mkdtempSync(path.join(tmpdir(), 'kuramori-cli-')));
  readonly dataDir = path.join(this.directory, 'data');
  readonly share = path.join(this.directory, 'share');
  readonly settingsFile = path.join(this.directory, 'kuramori.yaml');
  private readonly children = new Set<ChildProcess>();

  constructor(
    private readonly cli: string,
    readonly httpPort: number,
    behaviours: Readonly<Record<string, Behaviour>> = {},
  ) {
    mkdirSync(this.share);
    this.settings({});
    for (const name of serviceNames) {
      mkdirSync(path.join(this.directory, 'dist', 'apps', name), { recursive: true });
      writeFileSync(path.join(this.directory, 'dist', 'apps', name, 'main.mjs'), fakeService);
      this.behave(name, behaviours[name] ?? defaultBehaviours[name] ?? {});
    }
  }

  get busPort(): number {
    return this.httpPort + 6;
  }

  /** Its own settings with these keys in place of theirs. */
  settings(replaced: Readonly<Record<string, unknown>>): void {
    const own = {
      host: 'fs01',
      dataDir: this.dataDir,
      protect: { roots: [this.share] },
      http: { bind: '127.0.0.1', port: this.httpPort },
      bus: { port: this.busPort },
    };
    writeFileSync(this.settingsFile, JSON.stringify({ ...own, ...replaced }));
  }

  behave(name: string, behaviour: Behaviour): void {
    writeFileSync(path.join(this.directory, 'dist', 'apps', name, 'behaviour.json'), JSON.stringify(behaviour));
  }

  start(args: readonly string[], env: Readonly<Record<string, string>> = {}): RunningCommand {
    return this.spawn(process.execPath, [this.cli, ...args], env);
  }

  /**
   * As bin/kuramori.mjs and npm start run the command: below another Node, both in a group of their own as a terminal has it.
   * @param words as a shell reads them
   */
  startWrapped(words: string): RunningCommand {
    const wrapper = path.join(this.directory, 'wrapper.mjs');
    const toolchain = pathToFileURL(path.resolve('scripts/toolchain.mjs')).href;
    writeFileSync(
      wrapper,
      `import { run } from ${JSON.stringify(toolchain)};
process.exit(await run(process.execPath, [${JSON.stringify(this.cli)}, ...process.argv.slice(2)], { cwd: process.cwd(), env: process.env }));
`,
    );
    return this.spawn('sh', ['-c', `exec "${process.execPath}" "${wrapper}" ${words}`], {}, true);
  }

  private spawn(command: string, args: readonly string[], env: Readonly<Record<string, string>>, detached = false): RunningCommand {
    const child = spawn(command, args, {
      cwd: this.directory,
      env: { ...process.env, KURAMORI_CONFIG: this.settingsFile, KURAMORI_DIST: path.join(this.directory, 'dist'), ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached,
    });
    this.children.add(child);
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString('utf8')));
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString('utf8')));
    const ended = new Promise<CommandResult>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code) => {
        this.children.delete(child);
        resolve({ status: code ?? 128, stdout, stderr });
      });
    });
    return { child, output: () => stdout + stderr, ended };
  }

  run(...args: string[]): Promise<CommandResult> {
    return this.start(args).ended;
  }

  /** `<name> → pid` as `up` registered them. */
  registered(): Map<string, number> {
    const list = JSON.parse(readFileSync(path.join(this.dataDir, 'run', 'processes.json'), 'utf8')) as { name: string; pid: number }[];
    return new Map(list.map(({ name, pid }) => [name, pid]));
  }

  /** What the fake services noted. */
  notes(): string[] {
    return readFileSync(path.join(this.dataDir, 'fake.log'), 'utf8').trimEnd().split('\n');
  }

  /** Ends whatever this test's `up` left, by the pids it registered, and removes everything. */
  dispose(): void {
    for (const child of this.children) child.kill('SIGKILL');
    let left = new Map<string, number>();
    try {
      left = this.registered();
    } catch {
      // Nothing was registered.
    }
    for (const pid of left.values()) {
      if (pid !== process.pid && commandOf(pid).includes(this.directory)) process.kill(pid, 'SIGKILL');
    }
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** Empty for a process that is gone. */
export function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return '';
  }
}

export function isAlive(pid: number): boolean {
  return commandOf(pid) !== '';
}
